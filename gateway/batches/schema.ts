// Tables of the gateway's batches. A batch's lines are kept until their block is answered and destroyed then; results are
// kept until they expire. Both name people only as tokens and answers do, so the file is 0600 as every secret.
import type { Migration } from "../../core/database.ts";

export const BATCH_STATES = ["receiving", "running", "finished"] as const;
export type BatchState = (typeof BATCH_STATES)[number];

export interface BatchTable {
  id: string;
  client_id: string;
  /** Thumbprint of the key that signed the batch: only its holder may see it. */
  jkt: string;
  /** The signed batch proof, JWS compact. */
  proof: string;
  rows: number;
  /** 0/1: answers as JWEs. */
  sealed: number;
  bytes: number;
  state: string;
  answered: number;
  refused: number;
  created_at: number;
  /** Open rows are refused after this. */
  deadline_at: number;
  finished_at: number | null;
  /** Results are destroyed after this; null until finished. */
  expires_at: number | null;
  /** The process that carries the batch on, and until when it has said so. */
  lease_owner: string | null;
  lease_until: number;
}

export interface BatchBlockTable {
  batch_id: string;
  idx: number;
  rows: number;
  /** RFC 6962 leaf hash of the block's lines. */
  hash: Buffer;
  /** The lines, zstd; null once answered. */
  lines: Buffer | null;
  /** The rows' results (block-results.ts), zstd; null until answered. */
  result: Buffer | null;
}

export interface BatchSchema {
  batch: BatchTable;
  batch_block: BatchBlockTable;
}

export const batchMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-050-batch",
    async up(db, { bytes }) {
      await db.schema
        .createTable("batch")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("jkt", "text", (column) => column.notNull())
        .addColumn("proof", "text", (column) => column.notNull())
        .addColumn("rows", "integer", (column) => column.notNull())
        .addColumn("sealed", "integer", (column) => column.notNull())
        .addColumn("bytes", "bigint", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("answered", "integer", (column) => column.notNull())
        .addColumn("refused", "integer", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("deadline_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint")
        .addColumn("expires_at", "bigint")
        .addColumn("lease_owner", "text")
        .addColumn("lease_until", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("batch_by_state")
        .on("batch")
        .columns(["state", "lease_until"])
        .execute();
      await db.schema
        .createTable("batch_block")
        .addColumn("batch_id", "text", (column) => column.notNull())
        .addColumn("idx", "integer", (column) => column.notNull())
        .addColumn("rows", "integer", (column) => column.notNull())
        .addColumn("hash", bytes, (column) => column.notNull())
        .addColumn("lines", bytes)
        .addColumn("result", bytes)
        .addPrimaryKeyConstraint("batch_block_key", ["batch_id", "idx"])
        .execute();
    },
  },
];
