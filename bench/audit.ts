// How many leaves a second the audit log appends, each with its inclusion proof in the caller's hands, beside what the
// storage engine alone does with the same bytes in the same groups. The two take turns, so that a busy machine slows
// both. Callers are concurrent and wait for their receipt before they come again, as releases do.
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  AuditLog,
  type LeafDraft,
  logMigrations,
  type LogSchema,
  noteSigner,
  verifyReceipt,
} from "../consent/log/index.ts";
import { sha256Hex } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import { type Migration, openDatabase } from "../core/database.ts";

export interface AuditBenchOptions {
  readonly rounds?: number;
  readonly leavesPerRound?: number;
  readonly callers?: number;
  readonly folder?: string;
}

export interface AuditBenchResult {
  readonly metrics: { leaves_per_s: number; storage_leaves_per_s: number };
  readonly runs: unknown[];
}

interface Schema extends LogSchema {
  spent: { query_id: string; leaf: number };
}

const spentMigration: Migration = {
  name: "2026-11-24-900-bench",
  up: (db) =>
    db.schema
      .createTable("spent")
      .addColumn("query_id", "text", (column) => column.primaryKey())
      .addColumn("leaf", "bigint")
      .execute(),
};

const ORIGIN = "bench.example/log";

export async function run(options: AuditBenchOptions = {}): Promise<AuditBenchResult> {
  const { rounds = 5, leavesPerRound = 10_000, callers = 256 } = options;
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), "wjf-bench-audit-"));
  try {
    await using db = await openDatabase<Schema>(`sqlite:${join(folder, "log.db")}`, [
      ...logMigrations,
      spentMigration,
    ]);
    const signers = (["ed25519", "ml-dsa-44"] as const).map((type) =>
      // The two overloads of one call; node's types have no common one.
      noteSigner(ORIGIN, generateKeyPairSync(type as "ed25519").privateKey),
    );
    await using log = await AuditLog.open({ db, origin: ORIGIN, signers, clock: systemClock });
    using storage = new RawStorage(join(folder, "raw.db"));
    const runs = [];
    await appendLeaves(log, 1_000, callers);
    for (let round = 0; round < rounds; round++) {
      const { perSecond, leaf } = await appendLeaves(log, leavesPerRound, callers);
      const storagePerSecond = storage.insert(leavesPerRound, callers, leaf);
      runs.push({ round, leaves_per_s: perSecond, storage_leaves_per_s: storagePerSecond });
    }
    return {
      metrics: {
        leaves_per_s: median(runs.map((each) => each.leaves_per_s)),
        storage_leaves_per_s: median(runs.map((each) => each.storage_leaves_per_s)),
      },
      runs,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function appendLeaves(log: AuditLog<Schema>, count: number, callers: number) {
  let next = 0;
  let last = { leaf: "", text: "" };
  const started = performance.now();
  const caller = async () => {
    while (next++ < count) {
      const leaf = release();
      const { receipts } = await log.sequence(async (tx, at) => {
        const row = { query_id: leaf.query_id, leaf: at.nextIndex };
        await tx.insertInto("spent").values(row).execute();
        return { leaves: [leaf], value: undefined };
      });
      last = receipts[0] ?? last;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = Math.round((count * 1000) / (performance.now() - started));
  verifyReceipt(last.text, log.verifierKeys);
  return { perSecond, leaf: last.leaf };
}

function release(): LeafDraft & { type: "release" } {
  return {
    type: "release",
    query_id: crypto.randomUUID(),
    consent_id: crypto.randomUUID(),
    token_id_sha256: sha256Hex("token"),
    client_id: "bench-bank",
    purpose: "dpv:CreditChecking",
    product: "credit-score@1",
    model: { id: "credit-score", version: "1" },
    answer_kind: "score",
    coverage: { answered: 31, of: 31 },
    descriptor_sha256: sha256Hex("descriptor"),
    epoch: 1,
  };
}

/** The engine and nothing else: the log's durability, one prepared INSERT, the same bytes, the same group size. */
class RawStorage implements Disposable {
  readonly #database: DatabaseSync;
  #next = 0;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    this.#database.exec("CREATE TABLE leaf (idx INTEGER PRIMARY KEY, leaf TEXT NOT NULL)");
  }

  insert(count: number, groupSize: number, leaf: string): number {
    const statement = this.#database.prepare("INSERT INTO leaf (idx, leaf) VALUES (?, ?)");
    const started = performance.now();
    for (let done = 0; done < count; done += groupSize) {
      this.#database.exec("BEGIN IMMEDIATE");
      const group = Math.min(groupSize, count - done);
      for (let i = 0; i < group; i++) statement.run(this.#next++, leaf);
      this.#database.exec("COMMIT");
    }
    return Math.round((count * 1000) / (performance.now() - started));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
