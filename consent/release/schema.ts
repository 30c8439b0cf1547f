// Tables of the release: one row per query id ever released, and gateways caught at fraud.
import type { Migration } from "../../core/database.ts";

export interface ReleaseTable {
  query_id: string;
  /** SHA-256 over who asked what: another question under the same id is refused. */
  question: string;
  client_id: string;
  consent_id: string;
  /** The answer without its receipt, sealed at rest; `NO_ANSWER` once it may no longer be kept. */
  answer_sealed: Uint8Array;
  leaf_index: number;
  released_at: number;
}

/** Stands where an answer was: the query id stays used. A sealed value is never empty. */
export const NO_ANSWER = Buffer.alloc(0);

export interface SuspensionTable {
  /** Thumbprint of the gateway's signing key. */
  gateway: string;
  descriptor: string;
  /** The signed merge commitment: the proof. */
  commitment: Uint8Array;
  signature: Uint8Array;
  suspended_at: number;
}

/** The proof outlives the suspension. */
export interface LiftedSuspensionTable extends SuspensionTable {
  lifted_at: number;
}

/** How a watch stood at its newest evaluation: the next one tells what is not so any more. */
export interface WatchStateTable {
  watch_id: string;
  /** As a release's: another watch under the same id is refused. */
  question: string;
  consent_id: string;
  /** The moment of that evaluation, NumericDate; there is none for an earlier one. */
  due: number;
  states_sealed: Uint8Array;
}

export interface ReleaseSchema {
  release: ReleaseTable;
  watch_state: WatchStateTable;
  gateway_suspension: SuspensionTable;
  gateway_suspension_lifted: LiftedSuspensionTable;
}

export const releaseMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-020-release",
    async up(db, { bytes }) {
      await db.schema
        .createTable("release")
        .addColumn("query_id", "text", (column) => column.primaryKey())
        .addColumn("question", "text", (column) => column.notNull())
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("consent_id", "text", (column) => column.notNull())
        .addColumn("answer_sealed", bytes, (column) => column.notNull())
        .addColumn("leaf_index", "bigint", (column) => column.notNull())
        .addColumn("released_at", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("release_consent")
        .on("release")
        .columns(["consent_id", "released_at"])
        .execute();
      await db.schema
        .createTable("gateway_suspension")
        .addColumn("gateway", "text", (column) => column.primaryKey())
        .addColumn("descriptor", "text", (column) => column.notNull())
        .addColumn("commitment", bytes, (column) => column.notNull())
        .addColumn("signature", bytes, (column) => column.notNull())
        .addColumn("suspended_at", "bigint", (column) => column.notNull())
        .execute();
    },
  },
  {
    // How much an institution has had today (consent/client-limits.ts).
    name: "2026-11-24-021-release-by-client",
    async up(db) {
      await db.schema
        .createIndex("release_by_client")
        .on("release")
        .columns(["client_id", "released_at"])
        .execute();
    },
  },
  {
    name: "2026-11-24-022-suspension-lifted",
    async up(db, { bytes }) {
      await db.schema
        .createTable("gateway_suspension_lifted")
        .addColumn("gateway", "text", (column) => column.notNull())
        .addColumn("descriptor", "text", (column) => column.notNull())
        .addColumn("commitment", bytes, (column) => column.notNull())
        .addColumn("signature", bytes, (column) => column.notNull())
        .addColumn("suspended_at", "bigint", (column) => column.notNull())
        .addColumn("lifted_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("gateway_suspension_lifted_key", ["gateway", "suspended_at"])
        .execute();
    },
  },
  {
    name: "2026-11-24-023-watch-state",
    async up(db, { bytes }) {
      await db.schema
        .createTable("watch_state")
        .addColumn("watch_id", "text", (column) => column.primaryKey())
        .addColumn("question", "text", (column) => column.notNull())
        .addColumn("consent_id", "text", (column) => column.notNull())
        .addColumn("due", "bigint", (column) => column.notNull())
        .addColumn("states_sealed", bytes, (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("watch_state_consent")
        .on("watch_state")
        .columns(["consent_id"])
        .execute();
    },
  },
];
