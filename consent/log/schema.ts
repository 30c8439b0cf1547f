// The tables of the audit log. `log_head` has one row: its lock is what keeps one log with several writers. `log_leaf`
// holds every leaf's bytes, `log_tile` the hash tiles (the not yet full ones are rewritten as they grow). `log_payload`
// is outside the tree: what the commitments in leaves commit to, until it is erased.
import type { Kysely } from "kysely";
import type { Migration } from "../../core/database.ts";
import { EMPTY_ROOT } from "../../crypto/merkle.ts";

export interface LogSchema {
  log_head: {
    /** Always 1. */
    id: number;
    origin: string;
    size: number;
    root: Buffer;
    /** The time of the last leaf: times in the log never go back. */
    time_ms: number;
    /** The signed note of exactly this size and root; empty until the first signer opens the log. */
    checkpoint: string;
  };
  log_leaf: { idx: number; leaf: string };
  log_tile: { level: number; idx: number; data: Buffer };
  log_payload: { commitment: string; salt: Buffer; payload: string; created_ms: number };
}

export const logMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-001-log",
    async up(db, types) {
      await db.schema
        .createTable("log_head")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("origin", "text", (column) => column.notNull())
        .addColumn("size", "bigint", (column) => column.notNull())
        .addColumn("root", types.bytes, (column) => column.notNull())
        .addColumn("time_ms", "bigint", (column) => column.notNull())
        .addColumn("checkpoint", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("log_leaf")
        .addColumn("idx", "bigint", (column) => column.primaryKey())
        .addColumn("leaf", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("log_tile")
        .addColumn("level", "integer")
        .addColumn("idx", "bigint")
        .addColumn("data", types.bytes, (column) => column.notNull())
        .addPrimaryKeyConstraint("log_tile_key", ["level", "idx"])
        .execute();
      await db.schema
        .createTable("log_payload")
        .addColumn("commitment", "text", (column) => column.primaryKey())
        .addColumn("salt", types.bytes, (column) => column.notNull())
        .addColumn("payload", "text", (column) => column.notNull())
        .addColumn("created_ms", "bigint", (column) => column.notNull())
        .execute();
      await (db as Kysely<LogSchema>)
        .insertInto("log_head")
        .values({ id: 1, origin: "", size: 0, root: EMPTY_ROOT, time_ms: 0, checkpoint: "" })
        .execute();
    },
  },
];
