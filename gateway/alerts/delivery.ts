// Carries alerts out: finds institutions that something is due for and gives each a lane of its own, so that a slow sink holds up
// nobody else's. At least once: an attempt is recorded after the sink has answered, and a process that dies in between leaves a
// lease that runs out. One per gateway process; replicas share the alerts by their leases.
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { alertLag, alertsDead, alertsDelivered, alertsFailed } from "./metrics.ts";
import type { Alert, AlertStore, Settlement } from "./alert-store.ts";
import type { Envelopes } from "./envelope.ts";
import { decideNext, Pace } from "./retry.ts";
import type { SinkClient } from "./send.ts";

export interface DeliveryParts {
  readonly store: AlertStore;
  readonly envelopes: Envelopes;
  readonly sinks: Pick<SinkClient, "post">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class AlertDelivery implements AsyncDisposable {
  readonly #parts: DeliveryParts;
  readonly #stop = new AbortController();
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #paces = new Map<string, Pace>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** Starts a lane for every institution that something is due for. */
  async look(): Promise<void> {
    for (const clientId of await this.#parts.store.waiting()) {
      if (this.#stop.signal.aborted) return;
      if (this.#lanes.has(clientId)) continue;
      const lane = this.#deliverTo(clientId)
        .catch((error: unknown) => this.#parts.log.error({ err: error }, "alerts were not settled"))
        .finally(() => this.#lanes.delete(clientId));
      this.#lanes.set(clientId, lane);
    }
  }

  /** When the lanes that run now have nothing left that is due. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.values());
  }

  async #deliverTo(clientId: string): Promise<void> {
    const { store, clock, random } = this.#parts;
    const pace = this.#paces.getOrInsertComputed(clientId, () => new Pace(random));
    while (!this.#stop.signal.aborted) {
      const width = pace.width(clock.nowMs());
      const alerts = width === 0 ? [] : await store.claim(clientId, width);
      if (alerts.length === 0) return;
      let settlements: Settlement[];
      try {
        settlements = await Promise.all(alerts.map((alert) => this.#attempt(alert)));
      } catch (error) {
        await store.release(alerts);
        if (this.#stop.signal.aborted) return;
        throw error;
      }
      const givenUp = await store.settle(settlements);
      const outcomes = settlements.map(({ outcome }) => outcome);
      pace.note(outcomes, clock.nowMs());
      for (const [i, settlement] of settlements.entries()) this.#count(settlement, givenUp[i] ?? 0);
    }
  }

  async #attempt(alert: Alert): Promise<Settlement> {
    const { envelopes, sinks, clock, random } = this.#parts;
    const envelope = await envelopes.seal(alert);
    const attempt = await sinks.post(alert.sink, envelope, this.#stop.signal);
    return { alert, ...attempt, ...decideNext(alert, attempt.outcome, clock.nowMs(), random) };
  }

  #count({ alert, outcome }: Settlement, givenUp: number): void {
    const { clock, log } = this.#parts;
    if (outcome === "delivered") {
      alertsDelivered.inc();
      alertLag.observe(Math.max(0, clock.nowMs() / 1000 - alert.time));
    } else {
      alertsFailed.inc({ reason: outcome });
    }
    if (givenUp === 0) return;
    alertsDead.inc({ reason: outcome }, givenUp);
    const { client_id: client, seq: cursor } = alert;
    log.warn({ client, cursor, reason: outcome, alerts: givenUp }, "alerts are given up");
  }

  /** Breaks off what is under way; it is tried again by whoever looks next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }
}
