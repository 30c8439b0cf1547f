// The public face of alerts/: the outbox for whoever has something to tell, the routes, and the delivery behind them, over the
// gateway's own database.
import { randomUUID, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import type { Settings } from "../../core/config.ts";
import { WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import type { FederationView } from "../../consent/verifier.ts";
import type { GatewayDb } from "../database.ts";
import { alertRoutes, type AlertRouteParts } from "./alert-routes.ts";
import { AlertStore } from "./alert-store.ts";
import { AlertDelivery } from "./delivery.ts";
import { Envelopes } from "./envelope.ts";
import { alertsPending } from "./metrics.ts";
import { SinkClient } from "./send.ts";
import type { OnGone } from "./settlements.ts";
import { PUBLIC_SINKS, sandboxSinks, type SinkPolicy } from "./sink.ts";

export { type AlertEvent, type Destination, enqueue } from "./outbox.ts";
export { parseSink, type SinkPolicy } from "./sink.ts";

export interface AlertsOptions {
  readonly db: GatewayDb;
  readonly view: FederationView;
  readonly signingKey: KeyObject;
  /** By which institutions know this gateway: the events' `source`. */
  readonly url: string;
  readonly policy: SinkPolicy;
  readonly onGone: OnGone;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 500;
const COUNT_EVERY_MS = 10_000;
const UPKEEP_EVERY_MS = 3_600_000;

/** Alerts of one gateway process. */
export class Alerts implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack();
  readonly #delivery: AlertDelivery;
  readonly #routes: AlertRouteParts;
  readonly #log: Logger;
  #looking: Promise<void> | undefined;

  constructor(options: AlertsOptions) {
    const { db, view, clock, random, log, url: source, onGone } = options;
    this.#log = log;
    const store = new AlertStore({ db, clock, owner: randomUUID(), onGone });
    const envelopes = new Envelopes(options.signingKey, source);
    const sinks = this.#resources.use(new SinkClient({ policy: options.policy }));
    this.#delivery = this.#resources.use(
      new AlertDelivery({ store, envelopes, sinks, clock, random, log }),
    );
    this.#resources.defer(async () => await this.#looking);
    this.#routes = { store, view, clock, source, look: () => this.look() };
    let pending = 0;
    this.#resources.use(alertsPending.watch((show) => show(pending)));
    this.#every(LOOK_EVERY_MS, () => this.look());
    this.#every(COUNT_EVERY_MS, async () => {
      pending = await store.countPending();
    });
    this.#every(UPKEEP_EVERY_MS, async () => await store.purge());
    const findMissed = async (): Promise<void> => await store.findMissed();
    this.#every(UPKEEP_EVERY_MS, findMissed);
    const found = this.#tend(findMissed);
    this.#resources.defer(async () => await found);
  }

  async register(app: FastifyInstance): Promise<void> {
    await alertRoutes(app, this.#routes);
  }

  /** Looks for what is due, now: whoever has committed an alert need not wait for the next look. */
  look(): void {
    this.#looking ??= this.#delivery
      .look()
      .catch((error: unknown) => this.#log.error({ err: error }, "no look for alerts"))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  #every(ms: number, work: () => void | Promise<void>): void {
    const timer = setInterval(() => void this.#tend(work), ms);
    this.#resources.defer(() => clearInterval(timer));
  }

  async #tend(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error({ err: error }, "alerts were not looked after");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** @throws WjfError `config-invalid` for a sandbox in production, or a file that cannot be read. */
export function sinkPolicy({ alertSandboxCa, production }: Settings): SinkPolicy {
  if (alertSandboxCa === undefined) return PUBLIC_SINKS;
  try {
    return sandboxSinks(readFileSync(alertSandboxCa, "utf8"), production);
  } catch (cause) {
    if (cause instanceof WjfError) throw cause;
    throw new WjfError("config-invalid", "WJF_ALERT_SANDBOX_CA: not readable", { cause });
  }
}
