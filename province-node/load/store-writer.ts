// Writes a serving store: a new SQLite file beside the old one, in the order of its keys, put in place by one rename
// when it is complete and on the disk. Killed at any moment, the old store stands untouched. Format: feature-store.ts.
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MAX_NUMBERS_PER_PERSON } from "../../catalogue/index.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { SortedSpill } from "./sorted-spill.ts";
import { STORE_SCHEMA, storeKey, type StoreMeta } from "./store-format.ts";

const TAG_BYTES = 32;

export interface BuiltStore {
  readonly numbers: number;
  readonly people: number;
}

export class StoreWriter {
  readonly #path: string;
  readonly #building: string;
  readonly #numbers: SortedSpill;
  readonly #people: SortedSpill;
  #published = false;

  constructor(path: string, spillDir: string) {
    this.#path = path;
    removeAbandoned(path);
    this.#building = `${path}.building-${process.pid}`;
    this.#numbers = new SortedSpill(join(spillDir, "numbers"));
    this.#people = new SortedSpill(join(spillDir, "people"), 16 << 20);
  }

  /** `record` begins with the number's tag. `standing`: 1 is the person's first number; beyond MAX_NUMBERS_PER_PERSON only the number itself finds it. */
  add(record: Buffer, cnId: SubjectTag | null, standing: number): void {
    this.#numbers.add(record);
    if (cnId && standing <= MAX_NUMBERS_PER_PERSON) {
      this.#people.add(Buffer.concat([cnId, Buffer.of(standing), record.subarray(0, TAG_BYTES)]));
    }
  }

  /** Builds the file and puts it in the place of the old one. */
  publish(meta: StoreMeta, onProgress?: (written: number) => void): BuiltStore {
    closeSync(openSync(this.#building, "w", 0o600));
    // run() gives the last rowid back, and that is 64 bits wide.
    const db = new DatabaseSync(this.#building, { readBigInts: true });
    let built: BuiltStore;
    try {
      // Nothing to recover: until the rename this file does not exist for anybody.
      db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA page_size = 8192;");
      db.exec(`${STORE_SCHEMA} BEGIN`);
      built = { numbers: this.#writeNumbers(db, onProgress), people: this.#writePeople(db) };
      const insert = db.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
      for (const [key, value] of Object.entries({ ...meta, ...built }))
        insert.run(key, JSON.stringify(value));
      db.exec("COMMIT");
    } finally {
      db.close();
    }
    syncPath(this.#building);
    renameSync(this.#building, this.#path);
    syncPath(dirname(this.#path));
    this.#published = true;
    return built;
  }

  #writeNumbers(db: DatabaseSync, onProgress?: (written: number) => void): number {
    const insert = db.prepare("INSERT INTO number (key, record) VALUES (?, ?)");
    let written = 0;
    let last: bigint | undefined;
    for (const bytes of this.#numbers.drain()) {
      // Two tags with the same first 8 bytes: the later takes the next free key, where a lookup goes on to.
      const own = storeKey(bytes);
      const key: bigint = last !== undefined && own <= last ? last + 1n : own;
      insert.run(key, bytes.subarray(8));
      last = key;
      if (++written % 50_000 === 0) onProgress?.(written);
    }
    return written;
  }

  #writePeople(db: DatabaseSync): number {
    const insert = db.prepare("INSERT INTO person (key, numbers) VALUES (?, ?)");
    let people = 0;
    let last: bigint | undefined;
    let tag: Buffer | undefined;
    let numbers: Buffer[] = [];
    const flush = (): void => {
      if (!tag) return;
      const own = storeKey(tag);
      const key: bigint = last !== undefined && own <= last ? last + 1n : own;
      insert.run(key, Buffer.concat([tag.subarray(8), ...numbers]));
      last = key;
      people++;
    };
    for (const bytes of this.#people.drain()) {
      const own = bytes.subarray(0, TAG_BYTES);
      if (!tag?.equals(own)) {
        flush();
        tag = own;
        numbers = [];
      }
      numbers.push(bytes.subarray(TAG_BYTES + 1));
    }
    flush();
    return people;
  }

  [Symbol.dispose](): void {
    this.#numbers[Symbol.dispose]();
    this.#people[Symbol.dispose]();
    if (!this.#published) rmSync(this.#building, { force: true });
  }
}

function syncPath(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

/** What loads that were killed left behind: building files and spill folders of processes that are no more. */
export function removeAbandoned(path: string): void {
  const pattern = /^\.(?:building|spill)-(\d+)$/;
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(basename(path))
      ? pattern.exec(name.slice(basename(path).length))?.[1]
      : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) {
      rmSync(join(dirname(path), name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
