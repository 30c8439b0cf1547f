// The tables of training jobs: what was admitted, how far each job is, what was told. A job's secret keys are sealed at rest and
// destroyed when it ends; what was told is kept as the JWE that the institution got, which the authority cannot open.
import type { Migration } from "../../core/database.ts";

export interface TrainingJobTable {
  id: string;
  client_id: string;
  /** SHA-256 of the wish, to know the same one again. */
  wish_sha256: string;
  statement: Uint8Array;
  signature: Uint8Array;
  /** Homomorphic; empty once ended. */
  public_key: Uint8Array;
  /** The homomorphic secret key; null once ended. */
  he_secret_sealed: Uint8Array | null;
  /** Opens the institution's questions, to know one that was answered. */
  sealing_key_sealed: Uint8Array;
  state: string;
  /** Questions answered, and rounds used for them. */
  steps: number;
  rounds: number;
  /** The question that was last asked of the provinces, and its rounds so far: 0 before the first. */
  asked_sha256: string | null;
  asked_first: number;
  asked_last: number;
  /** The question that told of regions: 0 before it. */
  regions_step: number;
  /** {people, bad} once the cohort is admitted, sealed: what the provinces' sums came to. */
  cohort_sealed: Uint8Array | null;
  created_at: number;
  expires_at: number;
}

export interface TrainingStepTable {
  job_id: string;
  step: number;
  ask_sha256: string;
  told: string;
}

export interface TrainingSchema {
  training_job: TrainingJobTable;
  training_step: TrainingStepTable;
}

export const trainingMigrations: readonly Migration[] = [
  {
    name: "2026-11-28-070-training",
    async up(db, { bytes }) {
      await db.schema
        .createTable("training_job")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("client_id", "text", (column) => column.notNull())
        .addColumn("wish_sha256", "text", (column) => column.notNull())
        .addColumn("statement", bytes, (column) => column.notNull())
        .addColumn("signature", bytes, (column) => column.notNull())
        .addColumn("public_key", bytes, (column) => column.notNull())
        .addColumn("he_secret_sealed", bytes)
        .addColumn("sealing_key_sealed", bytes, (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("steps", "integer", (column) => column.notNull())
        .addColumn("rounds", "integer", (column) => column.notNull())
        .addColumn("cohort_sealed", bytes)
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("training_job_by_client")
        .on("training_job")
        .columns(["client_id", "created_at"])
        .execute();
      await db.schema
        .createTable("training_step")
        .addColumn("job_id", "text", (column) => column.notNull())
        .addColumn("step", "integer", (column) => column.notNull())
        .addColumn("ask_sha256", "text", (column) => column.notNull())
        .addColumn("told", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("training_step_key", ["job_id", "step"])
        .execute();
    },
  },
  {
    name: "2026-11-28-071-training-asked",
    async up(db) {
      // SQLite adds one column at a time.
      await db.schema.alterTable("training_job").addColumn("asked_sha256", "text").execute();
      for (const name of ["asked_first", "asked_last"]) {
        await db.schema
          .alterTable("training_job")
          .addColumn(name, "integer", (column) => column.notNull().defaultTo(0))
          .execute();
      }
    },
  },
  {
    name: "2026-11-28-072-training-regions",
    async up(db) {
      await db.schema
        .alterTable("training_job")
        .addColumn("regions_step", "integer", (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
];
