// Carries alerts out: finds sinks that something is due for and gives each a lane of its own, so that a slow one holds up
// no other. At least once: an attempt is recorded after the sink has answered, and a process that dies in between leaves a
// lease that runs out. One per gateway process; replicas share the alerts by their leases.
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { alertLag, alertsDead, alertsDelivered, alertsFailed } from "./metrics.ts";
import { type Alert, type AlertStore, type Claim, LEASE_MS } from "./alert-store.ts";
import type { Envelopes } from "./envelope.ts";
import type { Destination } from "./outbox.ts";
import { decideNext, Pace } from "./retry.ts";
import type { SinkClient } from "./send.ts";
import type { Settlement } from "./settlements.ts";

/** Claimed together, since each way to the disk costs more than an alert does. */
export const LOT = 128;
/** What has not begun by then is given back: it must have ended before its lease has. */
const BEGUN_WITHIN_MS = LEASE_MS / 6;
/** Sinks of one institution at a time: it chooses how many it has, and is not to choose how many connections are open. */
export const SINKS_AT_ONCE = 32;
/** How long a lane that is at rest is remembered: that of a sink that is away as long as it matters, or its pauses began anew. */
const REMEMBERED_MS = { open: 60_000, shut: 86_400_000 };

export interface DeliveryParts {
  readonly store: AlertStore;
  readonly envelopes: Envelopes;
  readonly sinks: Pick<SinkClient, "post">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** To one sink of one institution. */
interface Lane {
  readonly to: Destination;
  readonly pace: Pace;
  /** The last time; 0 before the first. */
  startedMs: number;
  running: Promise<void> | undefined;
}

export class AlertDelivery implements AsyncDisposable {
  readonly #parts: DeliveryParts;
  readonly #stop = new AbortController();
  readonly #lanes = new Map<string, Lane>();
  readonly #running = new Set<Lane>();
  #forgotMs = 0;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** Starts a lane for every sink that something is due for; where they are too many, those that have waited longest. */
  async look(): Promise<void> {
    const { store, clock, log } = this.#parts;
    const waiting = await store.waiting();
    if (this.#stop.signal.aborted) return;
    const nowMs = clock.nowMs();
    this.#forget(nowMs);
    const busy = new Map<string, number>();
    for (const { to } of this.#running) busy.set(to.clientId, (busy.get(to.clientId) ?? 0) + 1);
    const free = waiting
      .map((to) => this.#laneTo(to))
      .filter(({ running, pace }) => running === undefined && pace.room(nowMs) > 0)
      .toSorted((a, b) => a.startedMs - b.startedMs);
    for (const lane of free) {
      const running = busy.get(lane.to.clientId) ?? 0;
      if (running >= SINKS_AT_ONCE) continue;
      busy.set(lane.to.clientId, running + 1);
      lane.startedMs = nowMs;
      this.#running.add(lane);
      lane.running = this.#deliver(lane)
        .catch((error: unknown) => log.error({ err: error }, "alerts were not settled"))
        .finally(() => {
          lane.running = undefined;
          this.#running.delete(lane);
        });
    }
  }

  /** When the lanes that run now have nothing left that is due. */
  async idle(): Promise<void> {
    await Promise.all([...this.#running].map(async ({ running }) => await running));
  }

  #laneTo(to: Destination): Lane {
    return this.#lanes.getOrInsertComputed(`${to.clientId} ${to.sink}`, () => ({
      to,
      pace: new Pace(this.#parts.random),
      startedMs: 0,
      running: undefined,
    }));
  }

  /** Seldom: a look costs what is due, and not what is remembered. */
  #forget(nowMs: number): void {
    if (nowMs - this.#forgotMs < REMEMBERED_MS.open) return;
    this.#forgotMs = nowMs;
    for (const [key, { pace, startedMs, running }] of this.#lanes) {
      const rememberedMs = pace.isShut ? REMEMBERED_MS.shut : REMEMBERED_MS.open;
      if (running === undefined && nowMs - startedMs > rememberedMs) this.#lanes.delete(key);
    }
  }

  /** As many at once as the pace allows, until nothing is due: one that is slow holds up no other. */
  async #deliver({ to, pace }: Lane): Promise<void> {
    const { store, clock } = this.#parts;
    const { signal } = this.#stop;
    const underWay = new Set<Promise<void>>();
    const done: Settlement[] = [];
    const brokenOff: Alert[] = [];
    let fault: { readonly error: unknown } | undefined;
    const begin = (alert: Alert): void => {
      const attempt = this.#attempt(alert, pace)
        .then(
          (settlement) => void done.push(settlement),
          (error: unknown) => {
            brokenOff.push(alert);
            fault ??= { error };
          },
        )
        .then(() => void underWay.delete(attempt));
      underWay.add(attempt);
    };
    /** Claimed and not begun. */
    const lot: Alert[] = [];
    let lotUntilMs = 0;
    try {
      do {
        const nowMs = clock.nowMs();
        const room = signal.aborted || fault ? 0 : pace.room(nowMs);
        const isOver =
          (room === 0 && underWay.size === 0) ||
          nowMs >= lotUntilMs ||
          done.some(({ outcome }) => outcome === "gone");
        if (isOver) {
          await store.release(lot);
          lot.length = 0;
        }
        if (lot.length === 0 && (room > 0 || done.length > 0)) {
          lotUntilMs = nowMs + BEGUN_WITHIN_MS;
          const limit = room > 0 && !pace.isShut ? LOT : room;
          const { restUntilMs } = pace;
          lot.push(...(await this.#turn(done, { ...to, limit, restUntilMs })));
        }
        for (const alert of lot.splice(0, room)) begin(alert);
        if (underWay.size > 0) await Promise.race(underWay);
        // What has come in meanwhile is recorded with it.
        await turn();
      } while (underWay.size > 0 || done.length > 0);
    } finally {
      await Promise.all(underWay);
      // After a fault too: what is known would be sent again, and what is held tried late.
      try {
        await this.#turn(done);
      } finally {
        await store.release([...lot, ...brokenOff]);
      }
    }
    if (fault && !signal.aborted) throw fault.error;
  }

  /** What is recorded is taken out of `done`, once it is: more may have come meanwhile. */
  async #turn(done: Settlement[], claim?: Claim): Promise<Alert[]> {
    const settlements = [...done];
    const { givenUp, claimed } = await this.#parts.store.turn(settlements, claim);
    done.splice(0, settlements.length);
    for (const [i, settlement] of settlements.entries()) this.#count(settlement, givenUp[i] ?? 0);
    return claimed;
  }

  async #attempt(alert: Alert, pace: Pace): Promise<Settlement> {
    const { envelopes, sinks, clock, random } = this.#parts;
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
