// A province's serving store: what evaluation reads about one person, by subject tag, in microseconds. Read-only; a
// load replaces the file by rename and `reopenIfReplaced` follows. It can say who is held only to someone who already
// has that person's tag, and never leaves the node. DESIGN §3 "Subject references", §8; format: load/store-format.ts.
import { type Stats, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import {
  MAX_NUMBERS_PER_PERSON,
  type NumberRecord,
  type PersonRecord,
} from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import type { SubjectTag } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { type ServingCatalogue, servingDigest } from "./load/serving-catalogue.ts";
import { RecordDecoder } from "./load/record-codec.ts";
import { CompleteStoreMeta, storeKey, TAG_REST_BYTES } from "./load/store-format.ts";

const TAG_BYTES = 32;
const MAPPED_BYTES = 2 ** 38;
const ABSENT = Buffer.alloc(0);

interface OpenFile {
  readonly db: DatabaseSync;
  readonly meta: CompleteStoreMeta;
  readonly number: StatementSync;
  readonly person: StatementSync;
  readonly decoder: RecordDecoder;
  readonly identity: string;
}

/** Device, inode and change time: another file under the same name differs in one of them. */
function fileIdentity({ dev, ino, mtimeMs, size }: Stats): string {
  return `${dev}:${ino}:${mtimeMs}:${size}`;
}

function openFile(path: string, catalogue: ServingCatalogue): OpenFile {
  let db: DatabaseSync;
  let identity: string;
  try {
    identity = fileIdentity(statSync(path));
    // A store file is never written again, so it needs no locks; it is read through the page cache alone.
    const url = pathToFileURL(path);
    url.searchParams.set("immutable", "1");
    db = new DatabaseSync(url, { readOnly: true });
    db.exec(`PRAGMA mmap_size = ${MAPPED_BYTES}`);
  } catch (cause) {
    throw new WjfError(
      "data-invalid",
      "the serving store cannot be opened: load the province first",
      { cause },
    );
  }
  try {
    const meta = readMeta(db, catalogue);
    const lists = meta.lists.map((id) => catalogue.lists.find((list) => list.id === id));
    const number = db.prepare("SELECT record FROM number WHERE key = ?");
    const person = db.prepare("SELECT numbers FROM person WHERE key = ?");
    const decoder = new RecordDecoder(
      meta.indicators,
      lists.filter((list) => list !== undefined),
    );
    return { db, meta, number, person, decoder, identity };
  } catch (error) {
    db.close();
    throw error;
  }
}

function readMeta(db: DatabaseSync, catalogue: ServingCatalogue): CompleteStoreMeta {
  let rows;
  try {
    rows = db.prepare("SELECT key, value FROM meta").all();
  } catch (cause) {
    throw new WjfError("data-invalid", "the serving store is not one: load the province again", {
      cause,
    });
  }
  const fields = Object.fromEntries(
    rows.map(({ key, value }) => [key, JSON.parse(String(value)) as unknown]),
  );
  const meta = parseWith(CompleteStoreMeta, fields, "data-invalid", "serving store");
  if (meta.catalogue !== servingDigest(catalogue)) {
    throw new WjfError(
      "data-invalid",
      "the serving store was built by another catalogue: load the province again",
    );
  }
  return meta;
}

export class FeatureStore {
  readonly #path: string;
  readonly #catalogue: ServingCatalogue;
  #file: OpenFile;

  private constructor(path: string, catalogue: ServingCatalogue) {
    this.#path = path;
    this.#catalogue = catalogue;
    this.#file = openFile(path, catalogue);
  }

  /** @throws WjfError `data-invalid` when there is no store, or one that another catalogue built. */
  static open(path: string, catalogue: ServingCatalogue): FeatureStore {
    return new FeatureStore(path, catalogue);
  }

  get meta(): CompleteStoreMeta {
    return this.#file.meta;
  }

  /** A phone tag finds its number, an ID-number tag all of that person's numbers here, at most five. */
  lookup(tag: SubjectTag): PersonRecord | undefined {
    const direct = this.#number(tag);
    if (direct) return { numbers: [direct] };
    const tags = this.#find(this.#file.person, "numbers", tag);
    if (tags === ABSENT) return undefined;
    const numbers: NumberRecord[] = [];
    const count = Math.min(MAX_NUMBERS_PER_PERSON, (tags.length - TAG_REST_BYTES) / TAG_BYTES);
    for (let i = 0; i < count; i++) {
      const start = TAG_REST_BYTES + i * TAG_BYTES;
      const record = this.#number(tags.subarray(start, start + TAG_BYTES) as SubjectTag);
      if (record) numbers.push(record);
    }
    return { numbers };
  }

  #number(tag: SubjectTag): NumberRecord | undefined {
    const bytes = this.#find(this.#file.number, "record", tag);
    return bytes === ABSENT
      ? undefined
      : this.#file.decoder.decode(tag.toString("hex"), bytes, TAG_REST_BYTES);
  }

  /** The row of this very tag; tags that share their first 8 bytes stand at the keys that follow. */
  #find(statement: StatementSync, column: string, tag: SubjectTag): Buffer {
    const rest = tag.subarray(8);
    for (let key = storeKey(tag); ; key++) {
      const found = statement.get(key)?.[column];
      if (!(found instanceof Uint8Array)) return ABSENT;
      const bytes = Buffer.from(found.buffer, found.byteOffset, found.byteLength);
      if (bytes.subarray(0, TAG_REST_BYTES).equals(rest)) return bytes;
    }
  }

  /**
   * Follows a load: true when a new file took the old one's place and is now served.
   * @throws WjfError `data-invalid` when the new file is not fit; the old one goes on being served.
   */
  reopenIfReplaced(): boolean {
    const present = statSync(this.#path, { throwIfNoEntry: false });
    if (!present || fileIdentity(present) === this.#file.identity) return false;
    const next = openFile(this.#path, this.#catalogue);
    this.#file.db.close();
    this.#file = next;
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#file.db.isOpen) this.#file.db.close();
  }
}
