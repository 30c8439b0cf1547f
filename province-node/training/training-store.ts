// What a province keeps of training jobs, in one file of its folder: the admitted job, what its operator decided, the people and
// encrypted labels that it was sent, its columns as they were then, and its replies, each of which is given once and then
// repeated. The operator's commands open it beside the running node. Ended jobs leave their cohort: tags and commitments.
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { chmodSync, closeSync, openSync } from "node:fs";
import type { Steps } from "../../core/steps.ts";

export const DECISIONS = ["pending", "approved", "refused"] as const;
export type TrainingDecision = (typeof DECISIONS)[number];

export interface StoredJob {
  readonly id: string;
  readonly client: string;
  readonly statement: Buffer;
  readonly signature: Buffer;
  readonly publicKey: Buffer | undefined;
  readonly decision: TrainingDecision;
  readonly note: string;
  readonly isEnded: boolean;
  /** Of labels, received. */
  readonly blocks: number;
  readonly lastRound: number;
}

export interface LabelBlock {
  readonly labels: Uint8Array;
  /** 32 bytes each. */
  readonly tags: Uint8Array;
  /** 16 bytes each. */
  readonly commitments: Uint8Array;
}

/** The people of a job that are here: their columns, and by label who is in which row. */
export interface StoredColumns {
  readonly rows: Int32Array;
  readonly columns: readonly Float64Array[];
}

/** One of a cohort: who, and the commitment to the label. 16 bytes each. */
export type CohortMember = readonly [who: Uint8Array, label: Uint8Array];

/** People of a cohort looked for in another: some milliseconds. */
const COMPARED_A_PIECE = 4096;

/** Rounds whose replies are kept: more than one question takes. */
const ROUNDS_KEPT = 32;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, client TEXT NOT NULL, statement BLOB NOT NULL, signature BLOB NOT NULL,
  public_key BLOB, decision TEXT NOT NULL, note TEXT NOT NULL, decided_at INTEGER, offered_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, ended INTEGER NOT NULL, blocks INTEGER NOT NULL, last_round INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS block (job TEXT NOT NULL, idx INTEGER NOT NULL, labels BLOB NOT NULL, tags BLOB NOT NULL,
  commitments BLOB NOT NULL, PRIMARY KEY (job, idx)) STRICT;
CREATE TABLE IF NOT EXISTS columns (job TEXT NOT NULL, idx INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (job, idx)) STRICT;
CREATE TABLE IF NOT EXISTS reply (job TEXT NOT NULL, round INTEGER NOT NULL, part INTEGER NOT NULL, request TEXT NOT NULL,
  bytes BLOB NOT NULL, PRIMARY KEY (job, round, part)) STRICT;
CREATE TABLE IF NOT EXISTS cohort (job TEXT NOT NULL, who BLOB NOT NULL, label BLOB NOT NULL, PRIMARY KEY (job, who))
  WITHOUT ROWID, STRICT;`;

export class TrainingStore implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
    // Overwrites what is deleted, or what is destroyed would stay readable in free pages.
    db.exec("PRAGMA secure_delete = ON");
    db.exec(SCHEMA);
  }

  /** @param folder the province's own. */
  static open(folder: string): TrainingStore {
    const path = join(folder, "training.db");
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    return new TrainingStore(new DatabaseSync(path));
  }

  list(): readonly StoredJob[] {
    return this.#all("SELECT * FROM job ORDER BY offered_at, id").map(storedJob);
  }

  find(id: string): StoredJob | undefined {
    const [row] = this.#all("SELECT * FROM job WHERE id = ?", id);
    return row && storedJob(row);
  }

  add(
    job: Pick<StoredJob, "id" | "client" | "statement" | "signature">,
    offeredAtMs: number,
    expiresAtMs: number,
  ): void {
    this.#run(
      "INSERT OR IGNORE INTO job VALUES (?, ?, ?, ?, NULL, 'pending', '', NULL, ?, ?, 0, 0, 0)",
      job.id,
      job.client,
      job.statement,
      job.signature,
      offeredAtMs,
      expiresAtMs,
    );
  }

  /** Jobs whose time is over and that were not ended. */
  overdue(nowMs: number): readonly string[] {
    const sql = "SELECT id FROM job WHERE ended = 0 AND expires_at <= ?";
    return this.#all(sql, nowMs).map(({ id }) => String(id));
  }

  /** Forgets the cohorts of jobs that were offered before. */
  forgetCohorts(beforeMs: number): void {
    const old = "SELECT id FROM job WHERE offered_at < ?";
    this.#run(`DELETE FROM cohort WHERE job IN (${old})`, beforeMs);
  }

  keepKey(id: string, publicKey: Uint8Array): void {
    this.#run("UPDATE job SET public_key = ? WHERE id = ?", publicKey, id);
  }

  decide(id: string, decision: TrainingDecision, note: string, atMs: number): void {
    this.#run(
      "UPDATE job SET decision = ?, note = ?, decided_at = ? WHERE id = ?",
      decision,
      note,
      atMs,
      id,
    );
  }

  addBlock(id: string, index: number, { labels, tags, commitments }: LabelBlock): void {
    this.#atomically(() => {
      this.#run("INSERT INTO block VALUES (?, ?, ?, ?, ?)", id, index, labels, tags, commitments);
      this.#run("UPDATE job SET blocks = ? WHERE id = ?", index + 1, id);
    });
  }

  /** Of each block, read when its turn comes: together they are hundreds of megabytes. */
  *labels(id: string): Generator<Uint8Array> {
    for (const row of this.#eachBlock("labels", id)) yield row["labels"] as Uint8Array;
  }

  *people(id: string): Generator<Pick<LabelBlock, "tags" | "commitments">> {
    for (const row of this.#eachBlock("tags, commitments", id)) {
      yield { tags: row["tags"] as Uint8Array, commitments: row["commitments"] as Uint8Array };
    }
  }

  /** One statement each: none stays open while the reader pauses. */
  *#eachBlock(what: string, id: string): Generator<Record<string, unknown>> {
    for (let index = 0; ; index++) {
      const sql = `SELECT ${what} FROM block WHERE job = ? AND idx = ?`;
      const [row] = this.#all(sql, id, index);
      if (row === undefined) return;
      yield row;
    }
  }

  /** Fixes the columns as they are now, and the cohort. Whoever is in no cohort is known by nothing that stays. */
  keepColumns(id: string, { rows, columns }: StoredColumns, cohort: Iterable<CohortMember>): void {
    this.#atomically(() => {
      for (const [i, values] of [rows, ...columns].entries()) {
        const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
        this.#run("INSERT OR REPLACE INTO columns VALUES (?, ?, ?)", id, i, bytes);
      }
      const insert = this.#db.prepare("INSERT OR IGNORE INTO cohort VALUES (?, ?, ?)");
      for (const [who, label] of cohort) insert.run(id, who, label);
      this.#run("UPDATE block SET tags = x'', commitments = x'' WHERE job = ?", id);
    });
  }

  /** A piece per column. */
  *columns(id: string): Steps<StoredColumns | undefined> {
    const all: ArrayBuffer[] = [];
    for (;;) {
      yield;
      const sql = "SELECT bytes FROM columns WHERE job = ? AND idx = ?";
      const [row] = this.#all(sql, id, all.length);
      if (row === undefined) break;
      all.push(new Uint8Array(row["bytes"] as Uint8Array).buffer);
    }
    const [rows, ...columns] = all;
    if (rows === undefined) return undefined;
    return {
      rows: new Int32Array(rows),
      columns: columns.map((bytes) => new Float64Array(bytes)),
    };
  }

  /** The parts of a reply that was given, and what it answered. */
  reply(
    id: string,
    round: number,
  ): { readonly request: string; readonly parts: Uint8Array[] } | undefined {
    const sql = "SELECT request, bytes FROM reply WHERE job = ? AND round = ? ORDER BY part";
    const rows = this.#all(sql, id, round);
    const [first] = rows;
    if (first === undefined) return undefined;
    return {
      request: String(first["request"]),
      parts: rows.map(({ bytes }) => bytes as Uint8Array),
    };
  }

  /** Durable before anything of it leaves: then the same round can only be answered in the same way. */
  keepReply(id: string, round: number, request: string, parts: readonly Uint8Array[]): void {
    this.#atomically(() => {
      const insert = this.#db.prepare("INSERT INTO reply VALUES (?, ?, ?, ?, ?)");
      for (const [i, bytes] of parts.entries()) insert.run(id, round, i, request, bytes);
      this.#run("UPDATE job SET last_round = ? WHERE id = ?", round, id);
      this.#run("DELETE FROM reply WHERE job = ? AND round <= ?", id, round - ROUNDS_KEPT);
    });
  }

  /** Of the two jobs' cohorts: who is in the earlier only, in the present only, in both with another label. */
  *compare(earlier: string, present: string): Steps<readonly [number, number, number]> {
    const [missing, changed] = yield* this.#differing(earlier, present);
    const [added] = yield* this.#differing(present, earlier);
    return [missing, added, changed];
  }

  /** Of the one cohort, who is not in the other, and who is there with another label. A piece per so many people. */
  *#differing(one: string, other: string): Steps<readonly [number, number]> {
    const sql = `SELECT max(a.who) AS last, count(*) - count(b.who) AS missing, total(a.label <> b.label) AS changed
      FROM (SELECT who, label FROM cohort WHERE job = ? AND who > ? ORDER BY who LIMIT ${COMPARED_A_PIECE}) a
      LEFT JOIN cohort b ON b.job = ? AND b.who = a.who`;
    let [missing, changed] = [0, 0];
    let last: Uint8Array | null = new Uint8Array();
    while (last !== null) {
      yield;
      const [row] = this.#all(sql, one, last, other);
      missing += Number(row?.["missing"]);
      changed += Number(row?.["changed"]);
      last = row?.["last"] as Uint8Array | null;
    }
    return [missing, changed];
  }

  /** Destroys all that was sent and computed; that there was the job, and its cohort, stay. */
  end(id: string): void {
    this.#atomically(() => {
      for (const table of ["block", "columns", "reply"]) {
        this.#run(`DELETE FROM ${table} WHERE job = ?`, id);
      }
      this.#run("UPDATE job SET ended = 1, public_key = NULL WHERE id = ?", id);
    });
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#db.prepare(sql).all(...values);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#db.prepare(sql).run(...values);
  }

  #atomically(work: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      // A full disk has already rolled back: a second one would fail, and hide it.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function storedJob(row: Record<string, unknown>): StoredJob {
  const bytes = (value: unknown): Buffer => Buffer.from(value as Uint8Array);
  return {
    id: String(row["id"]),
    client: String(row["client"]),
    statement: bytes(row["statement"]),
    signature: bytes(row["signature"]),
    publicKey: row["public_key"] === null ? undefined : bytes(row["public_key"]),
    decision: row["decision"] as TrainingDecision,
    note: String(row["note"]),
    isEnded: row["ended"] === 1,
    blocks: Number(row["blocks"]),
    lastRound: Number(row["last_round"]),
  };
}
