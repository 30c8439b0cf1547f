// The public face of watches/: the routes, and the scheduler behind them, over the gateway's own database.
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import type { SinkPolicy } from "../alerts/sink.ts";
import type { BatchFanOutParts } from "../batches/batch-fan-out.ts";
import type { GatewayDb } from "../database.ts";
import { WatchConsents } from "./watch-consents.ts";
import { watchRoutes, type WatchRouteParts } from "./watch-routes.ts";
import { WatchRunner } from "./watch-runner.ts";
import { WatchStore } from "./watch-store.ts";
import { MAX_UPLOAD_ROWS } from "./watch-upload.ts";

export { endUnwanted } from "./watch-endings.ts";

export interface WatchesOptions extends BatchFanOutParts {
  readonly db: GatewayDb;
  readonly clock: Clock;
  readonly sinks: SinkPolicy;
}

const LOOK_EVERY_MS = 1000;

/** Watches of one gateway process. */
export class Watches implements AsyncDisposable {
  readonly runner: WatchRunner;
  readonly #consents: WatchConsents;
  readonly #parts: WatchRouteParts;

  constructor(options: WatchesOptions) {
    const { db, clock, view, catalogue, sinks, log } = options;
    const store = new WatchStore(db, clock, randomUUID());
    const scheduled = { ...options, store, lookEveryMs: LOOK_EVERY_MS };
    this.runner = new WatchRunner(scheduled);
    this.#consents = new WatchConsents(scheduled);
    this.#parts = {
      store,
      runner: this.runner,
      view,
      catalogue,
      clock,
      sinks,
      log,
      maxRows: MAX_UPLOAD_ROWS,
    };
  }

  async register(app: FastifyInstance): Promise<void> {
    await watchRoutes(app, this.#parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consents[Symbol.asyncDispose]();
    await this.runner[Symbol.asyncDispose]();
  }
}
