// The public face of watches/: the routes, and the scheduler behind them, over the gateway's own database.
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import type { SinkPolicy } from "../alerts/sink.ts";
import type { BatchFanOutParts } from "../batches/batch-fan-out.ts";
import type { GatewayDb } from "../database.ts";
import { watchRoutes, type WatchRouteParts } from "./watch-routes.ts";
import { WatchRunner } from "./watch-runner.ts";
import { WatchStore } from "./watch-store.ts";

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
  readonly #parts: WatchRouteParts;

  constructor(options: WatchesOptions) {
    const { db, clock, view, catalogue, sinks } = options;
    const store = new WatchStore(db, clock, randomUUID());
    this.runner = new WatchRunner({ ...options, store, lookEveryMs: LOOK_EVERY_MS });
    this.#parts = { store, runner: this.runner, view, catalogue, clock, sinks };
  }

  async register(app: FastifyInstance): Promise<void> {
    await watchRoutes(app, this.#parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner[Symbol.asyncDispose]();
  }
}
