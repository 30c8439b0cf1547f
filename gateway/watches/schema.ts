// The table of watches: what each institution signed, and when it is to be asked next. The signed request is destroyed when
// its watch ends. It names people only as tokens do, but a token with its proof asks again, so the file is 0600.
import type { Migration } from "../../core/database.ts";

export const WATCH_STATES = ["active", "paused", "ended"] as const;
export type WatchState = (typeof WATCH_STATES)[number];

export interface WatchTable {
  id: string;
  client_id: string;
  /** Thumbprint of the key that signed it: only its holder may see it. */
  jkt: string;
  consent_id: string;
  /** Where the consent's status stands. */
  status_uri: string;
  status_idx: number;
  product: string;
  /** The request as it was signed; null once ended. */
  token: string | null;
  proof: string | null;
  body: string | null;
  /** SHA-256 of the body, to know the same request again. */
  body_sha256: string;
  /** 0/1: changes as JWEs. */
  sealed: number;
  sink: string;
  every_s: number;
  /** NumericDate of the moment of the schedule to be evaluated next. */
  due_at: number;
  /** 0/1: that moment was asked for and its outcome is not known, so it is asked for again, and no other. */
  asked: number;
  /** Refusals for a passing reason since the last outcome. */
  failures: number;
  /** Milliseconds: not to be asked before. */
  next_at: number;
  /** NumericDate of the newest moment that has its outcome. */
  evaluated_at: number | null;
  expires_at: number | null;
  max_events: number | null;
  /** Changes told so far. */
  events: number;
  state: string;
  /** Why it has ended or is paused: a code. */
  reason: string | null;
  created_at: number;
  ended_at: number | null;
  /** The process that evaluates it now, and until when it has said so. */
  lease_owner: string | null;
  lease_until: number;
}

export interface WatchSchema {
  watch: WatchTable;
}

export const watchMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-071-watch",
    async up(db) {
      await db.schema
        .createTable("watch")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("jkt", "text", (column) => column.notNull())
        .addColumn("consent_id", "text", (column) => column.notNull())
        .addColumn("status_uri", "text", (column) => column.notNull())
        .addColumn("status_idx", "integer", (column) => column.notNull())
        .addColumn("product", "text", (column) => column.notNull())
        .addColumn("token", "text")
        .addColumn("proof", "text")
        .addColumn("body", "text")
        .addColumn("body_sha256", "text", (column) => column.notNull())
        .addColumn("sealed", "integer", (column) => column.notNull())
        .addColumn("sink", "text", (column) => column.notNull())
        .addColumn("every_s", "integer", (column) => column.notNull())
        .addColumn("due_at", "bigint", (column) => column.notNull())
        .addColumn("asked", "integer", (column) => column.notNull())
        .addColumn("failures", "integer", (column) => column.notNull())
        .addColumn("next_at", "bigint", (column) => column.notNull())
        .addColumn("evaluated_at", "bigint")
        .addColumn("expires_at", "bigint")
        .addColumn("max_events", "integer")
        .addColumn("events", "integer", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("reason", "text")
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("ended_at", "bigint")
        .addColumn("lease_owner", "text")
        .addColumn("lease_until", "bigint", (column) => column.notNull())
        .execute();
      const indices: [string, (keyof WatchTable)[]][] = [
        ["watch_due", ["state", "sealed", "next_at"]],
        ["watch_by_key", ["jkt", "id"]],
        ["watch_by_consent", ["consent_id", "state"]],
        ["watch_by_state", ["state", "id"]],
        ["watch_leases", ["lease_owner"]],
        ["watch_ended", ["ended_at"]],
      ];
      for (const [name, columns] of indices) {
        await db.schema.createIndex(name).on("watch").columns(columns).execute();
      }
    },
  },
  {
    // Whose key it is: by it alone alerts are read.
    name: "2026-11-29-071-watch-by-owner",
    async up(db) {
      await db.schema
        .createIndex("watch_by_owner")
        .on("watch")
        .columns(["jkt", "client_id"])
        .execute();
    },
  },
];
