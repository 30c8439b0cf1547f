// The public face of batches/: the routes, and the runner behind them, over the gateway's own database.
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Database } from "../../core/database.ts";
import type { BatchFanOutParts } from "./batch-fan-out.ts";
import { batchRoutes, type BatchRouteParts } from "./batch-routes.ts";
import { BatchRunner, type BatchRunnerParts } from "./batch-runner.ts";
import { BatchStore } from "./batch-store.ts";
import { BATCH_LIMITS } from "./receive.ts";
import type { BatchSchema } from "./schema.ts";

export { batchMigrations, type BatchSchema } from "./schema.ts";

export interface BatchesOptions
  extends BatchFanOutParts, Pick<BatchRunnerParts, "clock" | "retentionMs"> {
  readonly db: Database<BatchSchema>;
}

const LOOK_EVERY_MS = 1000;

/** Batches of one gateway process. */
export class Batches implements AsyncDisposable {
  readonly runner: BatchRunner;
  readonly #parts: BatchRouteParts;

  constructor(options: BatchesOptions) {
    const { db, clock, view } = options;
    const store = new BatchStore({ db, clock, owner: randomUUID() });
    this.runner = new BatchRunner({ ...options, store, lookEveryMs: LOOK_EVERY_MS });
    this.#parts = { store, runner: this.runner, view, clock, limits: BATCH_LIMITS };
  }

  async register(app: FastifyInstance): Promise<void> {
    await batchRoutes(app, this.#parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner[Symbol.asyncDispose]();
  }
}
