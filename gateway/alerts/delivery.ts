// Carries alerts out: finds institutions that something is due for and gives each a lane of its own, so that a slow sink holds up
// nobody else's. At least once: an attempt is recorded after the sink has answered, and a process that dies in between leaves a
// lease that runs out. One per gateway process; replicas share the alerts by their leases.
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { alertLag, alertsDead, alertsDelivered, alertsFailed } from "./metrics.ts";
import { type Alert, type AlertStore, type Claim, LEASE_MS } from "./alert-store.ts";
import type { Envelopes } from "./envelope.ts";
import { decideNext, Pace } from "./retry.ts";
import type { SinkClient } from "./send.ts";
import type { Settlement } from "./settlements.ts";

/** Claimed together, since each way to the disk costs more than an alert does. */
export const LOT = 128;
/** What has not begun by then is given back: it must have ended before its lease has. */
const BEGUN_WITHIN_MS = LEASE_MS / 6;

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

  /** As many at once as the pace allows, until nothing is due: one that is slow holds up no other. */
  async #deliverTo(clientId: string): Promise<void> {
    const { store, clock, random } = this.#parts;
    const { signal } = this.#stop;
    const pace = this.#paces.getOrInsertComputed(clientId, () => new Pace(random));
    const underWay = new Set<Promise<void>>();
    const done: Settlement[] = [];
    let fault: { readonly error: unknown } | undefined;
    const begin = (alert: Alert): void => {
      const attempt = this.#attempt(alert, pace)
        .then(
          (settlement) => void done.push(settlement),
          (error: unknown) => (fault ??= { error }),
        )
        .then(() => void underWay.delete(attempt));
      underWay.add(attempt);
    };
    /** Claimed and not begun. */
    let lot: Alert[] = [];
    let lotUntilMs = 0;
    try {
      do {
        const nowMs = clock.nowMs();
        const room = signal.aborted || fault ? 0 : pace.room(nowMs);
        const isOver =
          (room === 0 && underWay.size === 0) ||
          nowMs >= lotUntilMs ||
          done.some(({ outcome }) => outcome === "gone");
        if (isOver) await store.release(lot.splice(0));
        if (lot.length === 0 && (room > 0 || done.length > 0)) {
          lotUntilMs = nowMs + BEGUN_WITHIN_MS;
          const limit = room > 1 ? LOT : room;
          lot = await this.#turn(done.splice(0), { clientId, limit });
        }
        for (const alert of lot.splice(0, room)) begin(alert);
        if (underWay.size > 0) await Promise.race(underWay);
        // What has come in meanwhile is recorded with it.
        await turn();
      } while (underWay.size > 0 || done.length > 0);
    } finally {
      await Promise.all(underWay);
    }
    if (fault && !signal.aborted) throw fault.error;
  }

  async #turn(settlements: readonly Settlement[], claim: Claim): Promise<Alert[]> {
    const { givenUp, claimed } = await this.#parts.store.turn(settlements, claim);
    for (const [i, settlement] of settlements.entries()) this.#count(settlement, givenUp[i] ?? 0);
    return claimed;
  }

  async #attempt(alert: Alert, pace: Pace): Promise<Settlement> {
    const { store, envelopes, sinks, clock, random } = this.#parts;
    const ended = pace.begin();
    try {
      const envelope = await envelopes.seal(alert);
      const attempt = await sinks.post(alert.sink, envelope, this.#stop.signal);
      const { outcome } = attempt;
      const nowMs = clock.nowMs();
      const others = ended(outcome, nowMs);
      return { alert, ...attempt, ...decideNext(alert, { outcome, others }, nowMs, random) };
    } catch (error) {
      ended("broken-off", clock.nowMs());
      await store.release([alert]);
      throw error;
    }
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
