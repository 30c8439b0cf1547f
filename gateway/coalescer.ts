// Requests that wait together travel together: one ciphertext per node carries up to 2,047 slots of answers, at the
// price of one. While fan-outs are in flight whatever arrives queues for the next; when idle nothing waits.
// Institutions take turns; the queue is bounded in length, and each institution's part of it in time, so that what is over
// capacity is refused while it can still be asked elsewhere or later. docs/decisions/091-turned-away-early.md.
import { WjfError } from "../core/errors.ts";
import { HE_PARAMETERS } from "../crypto/index.ts";
import type { ReleaseOutcome } from "../proto/index.ts";
import { isSameQuestion, type PendingQuery } from "./pending-query.ts";

/** Carries one group through fan-out and release; outcomes in the group's order. */
export type Dispatch = (group: readonly PendingQuery[]) => Promise<readonly ReleaseOutcome[]>;

export interface CoalescerLimits {
  /** Fan-outs under way at once. */
  readonly inFlight: number;
  /** Questions that may wait. */
  readonly waiting: number;
  /** While an institution's oldest question has waited longer than this, no further one of its is taken, in milliseconds. */
  readonly waitMs: number;
  /** Questions in one fan-out. */
  readonly groupItems: number;
}

export const DEFAULT_LIMITS: CoalescerLimits = {
  inFlight: 2,
  waiting: 1024,
  waitMs: 2000,
  groupItems: 512,
};

/** Slot 0 counts participants. */
const SLOTS = HE_PARAMETERS.polyModulusDegree - 1;

interface Waiting {
  readonly query: PendingQuery;
  readonly sinceMs: number;
  readonly outcome: PromiseWithResolvers<ReleaseOutcome>;
}

export class Coalescer {
  readonly #dispatch: Dispatch;
  readonly limits: CoalescerLimits;
  readonly #nowMs: () => number;
  /** FIFO per institution; the map's order is whose turn is next. */
  readonly #queues = new Map<string, Waiting[]>();
  /** Waiting or in flight, by query id. */
  readonly #known = new Map<string, Waiting>();
  #waiting = 0;
  #inFlight = 0;

  /** @param nowMs a monotonic clock. */
  constructor(
    dispatch: Dispatch,
    limits: CoalescerLimits = DEFAULT_LIMITS,
    nowMs = () => performance.now(),
  ) {
    this.#dispatch = dispatch;
    this.limits = limits;
    this.#nowMs = nowMs;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** @throws WjfError `overloaded` if a question of this institution would not be taken now. */
  requireRoom(clientId: string | undefined): void {
    const oldest = clientId === undefined ? undefined : this.#queues.get(clientId)?.[0];
    const isLate = oldest !== undefined && this.#nowMs() - oldest.sinceMs > this.limits.waitMs;
    if (isLate || this.#waiting >= this.limits.waiting) throw new WjfError("overloaded");
  }

  /**
   * Resolves with the authority's outcome. A repetition of a question already under way joins it.
   * @throws WjfError `overloaded`, `query-conflict`, or the fan-out's own failure.
   */
  async submit(query: PendingQuery): Promise<ReleaseOutcome> {
    const known = this.#known.get(query.item.query_id);
    if (known !== undefined) {
      if (!isSameQuestion(known.query, query)) throw new WjfError("query-conflict");
      return await known.outcome.promise;
    }
    this.requireRoom(query.clientId);
    const waiting: Waiting = {
      query,
      sinceMs: this.#nowMs(),
      outcome: Promise.withResolvers(),
    };
    this.#known.set(query.item.query_id, waiting);
    const queue = this.#queues.get(query.clientId);
    if (queue) queue.push(waiting);
    else this.#queues.set(query.clientId, [waiting]);
    this.#waiting++;
    this.#pump();
    return await waiting.outcome.promise;
  }

  #pump(): void {
    while (this.#inFlight < this.limits.inFlight && this.#waiting > 0) {
      const group = this.#take();
      this.#inFlight++;
      void this.#carry(group);
    }
  }

  /** One question per institution in turn, until the ciphertext or the group is full. */
  #take(): readonly Waiting[] {
    const group: Waiting[] = [];
    let slots = 0;
    while (this.#waiting > 0 && group.length < this.limits.groupItems) {
      const [clientId, queue] = this.#queues.entries().next().value as [string, Waiting[]];
      const next = queue[0] as Waiting;
      if (slots + next.query.item.slot_width > SLOTS) break;
      slots += next.query.item.slot_width;
      queue.shift();
      this.#waiting--;
      this.#queues.delete(clientId);
      // Back of the line.
      if (queue.length > 0) this.#queues.set(clientId, queue);
      group.push(next);
    }
    return group;
  }

  async #carry(group: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#dispatch(group.map(({ query }) => query));
      for (const [i, { outcome }] of group.entries()) {
        const released = outcomes[i];
        if (released) outcome.resolve(released);
        else outcome.reject(new WjfError("internal", "fewer outcomes than questions"));
      }
    } catch (error) {
      for (const { outcome } of group) outcome.reject(error);
    } finally {
      for (const { query } of group) this.#known.delete(query.item.query_id);
      this.#inFlight--;
      this.#pump();
    }
  }
}
