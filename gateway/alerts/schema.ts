// Tables of the alerts: what is to be delivered to whom, how far it got, and each attempt. An alert says nothing about who the
// person is, but what it says may be an answer, so the file is 0600 as every secret. docs/decisions/072-alerts.md.
import { sql } from "kysely";
import type { Migration } from "../../core/database.ts";

/** Why an alert was not taken; a closed set, for the log of deliveries and for metrics. */
export const FAILURES = [
  /** The address is none that alerts may be sent to. */
  "sink-refused",
  "dns",
  "connect",
  "tls",
  "timeout",
  /** What came back is no HTTP, or broke off before there was a status. */
  "protocol",
  "redirect",
  "status-4xx",
  "status-5xx",
  /** 410: the institution wants no more about this watch. */
  "gone",
] as const;
export type Failure = (typeof FAILURES)[number];
export type AlertOutcome = "delivered" | Failure;

export const ALERT_STATES = ["pending", "delivered", "dead"] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** One row per institution: its alerts are numbered without gaps, in the order in which they were committed. */
export interface AlertStreamTable {
  client_id: string;
  last: number;
}

export interface AlertTable {
  client_id: string;
  /** Its place in the institution's stream, from 1: the cursor. */
  seq: number;
  /** The event's id: once per institution. */
  id: string;
  sink: string;
  type: string;
  subject: string;
  /** NumericDate of what happened. */
  time: number;
  /** JSON. */
  data: string;
  state: string;
  /** Counted when one begins, so that a process which dies of it has counted too. */
  attempts: number;
  /** Its age counts from here: from what it tells of, or from when it was to be delivered after all. */
  since: number;
  /** Not before this; while an attempt is under way, its lease: another process may try after it. */
  due_at: number;
  lease_owner: string | null;
  settled_at: number | null;
  /** What came of the last attempt. */
  outcome: string | null;
}

export interface AlertAttemptTable {
  client_id: string;
  seq: number;
  attempt: number;
  at: number;
  outcome: string;
  /** The sink's HTTP status, where it gave one. */
  status: number | null;
  took_ms: number;
}

/**
 * One row per sink that something is pending for, so that a look costs what is due and no more. It follows its alerts within
 * their own transactions (sink-moments.ts).
 */
export interface AlertSinkTable {
  client_id: string;
  sink: string;
  /** Milliseconds: nothing of it is due before this, or it is left alone until then. */
  next_at: number;
}

export interface AlertSchema {
  alert_stream: AlertStreamTable;
  alert_sink: AlertSinkTable;
  alert: AlertTable;
  alert_attempt: AlertAttemptTable;
}

export const alertMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-072-alerts",
    async up(db) {
      await db.schema
        .createTable("alert_stream")
        .addColumn("client_id", "text", (column) => column.primaryKey())
        .addColumn("last", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("alert")
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("sink", "text", (column) => column.notNull())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("subject", "text", (column) => column.notNull())
        .addColumn("time", "bigint", (column) => column.notNull())
        .addColumn("data", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("attempts", "integer", (column) => column.notNull())
        .addColumn("since", "bigint", (column) => column.notNull())
        .addColumn("due_at", "bigint", (column) => column.notNull())
        .addColumn("lease_owner", "text")
        .addColumn("settled_at", "bigint")
        .addColumn("outcome", "text")
        .addPrimaryKeyConstraint("alert_key", ["client_id", "seq"])
        .addUniqueConstraint("alert_once", ["client_id", "id"])
        .execute();
      await db.schema
        .createIndex("alert_due")
        .on("alert")
        .columns(["client_id", "state", "due_at"])
        .execute();
      await db.schema.createIndex("alert_settled").on("alert").columns(["settled_at"]).execute();
      await db.schema
        .createTable("alert_attempt")
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("attempt", "integer", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("outcome", "text", (column) => column.notNull())
        .addColumn("status", "integer")
        .addColumn("took_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("alert_attempt_key", ["client_id", "seq", "attempt"])
        .execute();
    },
  },
  {
    name: "2026-11-28-072-alerts-by-sink",
    async up(db) {
      await db.schema.dropIndex("alert_due").execute();
      await db.schema
        .createIndex("alert_due_at_sink")
        .on("alert")
        .columns(["client_id", "state", "sink", "due_at"])
        .execute();
    },
  },
  {
    name: "2026-11-29-072-alert-sinks",
    async up(db) {
      await db.schema
        .createTable("alert_sink")
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("sink", "text", (column) => column.notNull())
        .addColumn("next_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("alert_sink_key", ["client_id", "sink"])
        .execute();
      await db.schema.createIndex("alert_sink_next").on("alert_sink").column("next_at").execute();
      await sql`
        insert into alert_sink (client_id, sink, next_at)
        select client_id, sink, min(due_at) from alert where state = 'pending' group by client_id, sink
      `.execute(db);
    },
  },
  {
    // Whether there is one left of a watch: as long as there is, the watch is kept.
    name: "2026-11-29-072-alerts-by-subject",
    async up(db) {
      await db.schema.createIndex("alert_subject").on("alert").columns(["subject"]).execute();
    },
  },
];
