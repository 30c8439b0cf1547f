// What a person's numbers were when a watch began, for conditions that compare with it ("plan downgraded"): indicator values
// under the hash of subject tag and sealed conditions, so that it can be found by somebody who has both and says nothing of
// itself. First kept, then compared: nothing is ever overwritten. It holds integers, never an identifier, and stays here.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { z } from "zod";
import type { Catalogue, NumberRecord } from "../catalogue/index.ts";
import type { Clock } from "../core/clock.ts";
import { sha256 } from "../core/canonical.ts";
import type { SubjectTag } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";

const DAY_MS = 86_400_000;
/** Twice the longest schedule (consent/watch-request.ts): a watch that was not asked for so long has ended. */
const UNUSED_DAYS = 180;

const Kept = z.array(z.object({ msisdn: z.string(), values: z.record(z.string(), z.number()) }));
type Kept = z.infer<typeof Kept>;

export class BaselineStore implements Disposable {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #find: StatementSync;
  readonly #keep: StatementSync;
  readonly #use: StatementSync;

  private constructor(db: DatabaseSync, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    db.exec(
      "CREATE TABLE IF NOT EXISTS baseline (key BLOB PRIMARY KEY, numbers TEXT NOT NULL, used_day INTEGER NOT NULL) WITHOUT ROWID, STRICT",
    );
    db.prepare("DELETE FROM baseline WHERE used_day < ?").run(this.#today() - UNUSED_DAYS);
    this.#find = db.prepare("SELECT numbers, used_day FROM baseline WHERE key = ?");
    this.#keep = db.prepare("INSERT OR IGNORE INTO baseline VALUES (?, ?, ?)");
    this.#use = db.prepare("UPDATE baseline SET used_day = ? WHERE key = ?");
  }

  /** @param path a file, or `:memory:` */
  static open(path: string, clock: Clock): BaselineStore {
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return new BaselineStore(db, clock);
  }

  /** What one fan-out finds and keeps; nothing is kept before `commit`. */
  begin(catalogue: Pick<Catalogue, "indicators">): BaselineSession {
    return new BaselineSession(this, catalogue);
  }

  find(key: Buffer): string | undefined {
    const row = this.#find.get(key) as { numbers: string; used_day: number } | undefined;
    if (row !== undefined && row.used_day < this.#today()) this.#use.run(this.#today(), key);
    return row?.numbers;
  }

  keep(rows: ReadonlyMap<string, string>): void {
    if (rows.size === 0) return;
    this.#db.exec("BEGIN");
    try {
      for (const [key, numbers] of rows)
        this.#keep.run(Buffer.from(key, "hex"), numbers, this.#today());
      this.#db.exec("COMMIT");
    } catch (error) {
      // A full disk has already rolled back: a second one would fail, and hide it.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #today(): number {
    return Math.floor(this.#clock.nowMs() / DAY_MS);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

export class BaselineSession {
  readonly #store: BaselineStore;
  readonly #catalogue: Pick<Catalogue, "indicators">;
  readonly #new = new Map<string, string>();

  constructor(store: BaselineStore, catalogue: Pick<Catalogue, "indicators">) {
    this.#store = store;
    this.#catalogue = catalogue;
  }

  /** The numbers as they were when this watch began; as they are, when it begins now. */
  of(
    subject: SubjectTag,
    claims: string,
    numbers: readonly NumberRecord[],
  ): readonly NumberRecord[] {
    const key = sha256(Buffer.concat([subject, sha256(claims)]));
    const name = key.toString("hex");
    const found = this.#new.get(name) ?? this.#store.find(key);
    if (found !== undefined) return this.#read(found);
    this.#new.set(name, this.#write(numbers));
    return numbers;
  }

  commit(): void {
    this.#store.keep(this.#new);
  }

  #write(numbers: readonly NumberRecord[]): string {
    const { indicators } = this.#catalogue;
    const kept: Kept = numbers.map(({ values, identity }) => ({
      msisdn: identity.msisdn,
      values: Object.fromEntries(
        indicators.flatMap(({ id }, i) => {
          const value = values[i] ?? null;
          return value === null ? [] : [[id, value] as const];
        }),
      ),
    }));
    return JSON.stringify(kept);
  }

  /** By indicator id: a later catalogue may have others, in another order. */
  #read(text: string): readonly NumberRecord[] {
    const { indicators } = this.#catalogue;
    return parseJsonWith(Kept, text, "data-invalid", "baseline").map(({ msisdn, values }) => ({
      values: indicators.map(({ id }) => values[id] ?? null),
      identity: { msisdn, cnId: null, name: null },
      lists: {},
    }));
  }
}
