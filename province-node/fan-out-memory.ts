// Which fan-outs this province has answered, in one file of its folder: the nonces of its masks, under the digest of the roster that the
// masks are made from. A reply leaves only when its nonce is here for good, whatever happens to process or machine afterwards.
// Nonces are the beginnings of digests: the file says of nobody that they were asked about. docs/decisions/092-answered-once.md.
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** A roster under which fan-outs were answered. */
export interface AnsweredRoster {
  readonly id: number;
  /** SHA-256 of the roster. */
  readonly digest: Buffer;
  readonly epoch: number;
  /** How many were answered; of one that is over, how many nonces are in the file yet. */
  readonly fanOuts: number;
  /** Its nonces go, so nothing is answered under it any more. Such rows stay for ever: some 60 bytes an epoch. */
  readonly isOver: boolean;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS roster (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, epoch INTEGER NOT NULL,
  fan_outs INTEGER NOT NULL, over INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS answered (roster INTEGER NOT NULL, nonce BLOB NOT NULL, PRIMARY KEY (roster, nonce))
  WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS roster_uncleared ON roster (id) WHERE over = 1 AND fan_outs > 0;`;

/** Nonces that go with one fan-out that comes: all of an epoch at once would hold up its first question, at every node. */
export const CLEARED_AT_ONCE = 256;

export class FanOutMemory implements Disposable {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #live: StatementSync;
  readonly #has: StatementSync;
  readonly #add: StatementSync;
  readonly #count: StatementSync;
  readonly #uncleared: StatementSync;
  readonly #clear: StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    // FULL: a commit is on the disk when it returns. NORMAL would survive the process, but not the machine.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
    db.exec(SCHEMA);
    this.#find = db.prepare("SELECT * FROM roster WHERE digest = ?");
    this.#live = db.prepare("SELECT * FROM roster WHERE over = 0 ORDER BY epoch DESC, id DESC");
    this.#has = db.prepare("SELECT 1 FROM answered WHERE roster = ? AND nonce = ?");
    this.#add = db.prepare("INSERT INTO answered VALUES (?, ?)");
    this.#count = db.prepare("UPDATE roster SET fan_outs = fan_outs + 1 WHERE id = ?");
    this.#uncleared = db.prepare("SELECT * FROM roster WHERE over = 1 AND fan_outs > 0 LIMIT 1");
    const some = "SELECT nonce FROM answered WHERE roster = ? LIMIT ?";
    this.#clear = db.prepare(`DELETE FROM answered WHERE roster = ? AND nonce IN (${some})`);
  }

  /** @param path a file, or `:memory:`. Two processes may share it: what one has answered the other knows. */
  static open(path: string): FanOutMemory {
    return new FanOutMemory(new DatabaseSync(path));
  }

  /** All of the work or nothing, and on the disk when it returns; nobody else writes meanwhile. */
  atomically<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk has already rolled back: a second one would fail, and hide it.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  find(digest: Buffer): AnsweredRoster | undefined {
    const row = this.#find.get(digest);
    return row && readRoster(row);
  }

  /** Those that are not over, the newest epoch first. */
  live(): readonly AnsweredRoster[] {
    return this.#live.all().map(readRoster);
  }

  begin(digest: Buffer, epoch: number): AnsweredRoster {
    const insert = "INSERT INTO roster (digest, epoch, fan_outs, over) VALUES (?, ?, 0, 0)";
    const id = Number(this.#db.prepare(insert).run(digest, epoch).lastInsertRowid);
    return { id, digest, epoch, fanOuts: 0, isOver: false };
  }

  has({ id }: AnsweredRoster, nonce: Buffer): boolean {
    return this.#has.get(id, nonce) !== undefined;
  }

  add({ id }: AnsweredRoster, nonce: Buffer): void {
    this.#add.run(id, nonce);
    this.#count.run(id);
  }

  /** Nothing is answered under it any more, for good. Its nonces, which nobody asks about again, are left to `clearSome`. */
  forget({ id }: AnsweredRoster): void {
    this.#db.prepare("UPDATE roster SET over = 1 WHERE id = ?").run(id);
  }

  /** Nonces of a roster that is over, `CLEARED_AT_ONCE` of them at most. */
  clearSome(): void {
    const row = this.#uncleared.get();
    if (row === undefined) return;
    const { id, fanOuts } = readRoster(row);
    const cleared = Number(this.#clear.run(id, id, CLEARED_AT_ONCE).changes);
    const left = cleared < CLEARED_AT_ONCE ? 0 : fanOuts - cleared;
    this.#db.prepare("UPDATE roster SET fan_outs = ? WHERE id = ?").run(left, id);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function readRoster(row: Record<string, unknown>): AnsweredRoster {
  return {
    id: Number(row["id"]),
    digest: Buffer.from(row["digest"] as Uint8Array),
    epoch: Number(row["epoch"]),
    fanOuts: Number(row["fan_outs"]),
    isOver: row["over"] === 1,
  };
}
