// The table of objections: what a person disputes, until when it must be answered, and how it was. The person's words and
// the operator's are sealed at rest (consent/at-rest.ts); the log has a salted commitment to the former (DESIGN §6).
import type { Generated } from "kysely";
import type { Migration } from "../core/database.ts";

export interface ObjectionTable {
  id: string;
  consent_id: string;
  client_id: string;
  /** The answer that is disputed. */
  query_id: string;
  product: string;
  /** Whom it is about, as the consent has it: answers about the same person are marked. */
  subject_index: string;
  statement_sealed: Uint8Array;
  /** 1 when a person is to look at what was decided on the answer (PIPL article 24). */
  human_review: Generated<number>;
  state: string;
  filed_at: number;
  /** Twenty days after it was filed (Credit Industry Regulation article 25). */
  due_at: number;
  resolved_at: number | null;
  /** What the person is told about the outcome. */
  reply_sealed: Uint8Array | null;
}

export interface ObjectionSchema {
  objection: ObjectionTable;
}

export const objectionMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-060-objection",
    async up(db, { bytes }) {
      await db.schema
        .createTable("objection")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("consent_id", "text", (column) => column.notNull().references("consent.id"))
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("query_id", "text", (column) => column.notNull())
        .addColumn("product", "text", (column) => column.notNull())
        .addColumn("subject_index", "text", (column) => column.notNull())
        .addColumn("statement_sealed", bytes, (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("filed_at", "bigint", (column) => column.notNull())
        .addColumn("due_at", "bigint", (column) => column.notNull())
        .addColumn("resolved_at", "bigint")
        .addColumn("reply_sealed", bytes)
        .execute();
      for (const columns of [["subject_index", "state"], ["consent_id"], ["state", "due_at"]]) {
        await db.schema
          .createIndex(`objection_by_${columns[0]}`)
          .on("objection")
          .columns(columns)
          .execute();
      }
    },
  },
  {
    name: "2026-11-24-061-objection-review",
    async up(db) {
      await db.schema
        .alterTable("objection")
        .addColumn("human_review", "integer", (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
];
