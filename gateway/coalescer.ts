// Requests that wait together travel together: one ciphertext per node carries up to 2,047 slots of answers, at the
// price of one. While fan-outs are in flight whatever arrives queues for the next; when idle nothing waits.
// Institutions take turns. What waits is bounded by what few fan-outs can carry, shared by the institutions that wait: what is over
// capacity is refused while it can still be asked elsewhere or later. Who has nothing waiting is never refused for what waits of others.
// docs/decisions/091-turned-away-early.md.
import { WjfError } from "../core/errors.ts";
import { HE_PARAMETERS } from "../crypto/index.ts";
import type { ReleaseOutcome } from "../proto/index.ts";
import { isSameQuestion, type PendingQuery } from "./pending-query.ts";

/** Carries one group through fan-out and release; outcomes in the group's order. */
export type Dispatch = (group: readonly PendingQuery[]) => Promise<readonly ReleaseOutcome[]>;

export interface CoalescerLimits {
  /** Fan-outs under way at once. */
  readonly inFlight: number;
  /** Questions that may wait, of all institutions; beyond it one of each. */
  readonly waiting: number;
  /** Fan-outs that may wait; an institution is taken no further question from while its own fill its share of them. */
  readonly waitingFanOuts: number;
  /** Questions in one fan-out. */
  readonly groupItems: number;
}

export const DEFAULT_LIMITS: CoalescerLimits = {
  inFlight: 2,
  // More than 29 institutions come to that fill their shares one after another with the narrowest: 1,024 × (1 + 1/2 + … + 1/29).
  waiting: 4096,
  waitingFanOuts: 2,
  groupItems: 512,
};

/** Slot 0 counts participants. */
const SLOTS = HE_PARAMETERS.polyModulusDegree - 1;

/** As whom everybody counts, until verified, who claims an id that no institution has. No institution's id itself. */
const STRANGERS = "";

interface Waiting {
  readonly query: PendingQuery;
  readonly outcome: PromiseWithResolvers<ReleaseOutcome>;
}

/** An institution's questions, first come first. */
interface Line {
  readonly questions: Waiting[];
  /** What they take of a fan-out, in slots. */
  slots: number;
}

export class Coalescer {
  readonly #dispatch: Dispatch;
  readonly #isInstitution: (clientId: string) => boolean;
  readonly limits: CoalescerLimits;
  /** By institution; the map's order is whose turn is next. */
  readonly #lines = new Map<string, Line>();
  /** Waiting or in flight, by query id. */
  readonly #known = new Map<string, Waiting>();
  /** Questions that are being verified, by the institution that they claim to be of, or of strangers. */
  readonly #held = new Map<string, number>();
  #waiting = 0;
  #inFlight = 0;
  /** Of a question in the last fan-out, on average: what one is taken to need before it is read. */
  #usualSlots: number;

  /** @param isInstitution whether an id is one that the authority has registered; without it nobody's is. */
  constructor(
    dispatch: Dispatch,
    limits: CoalescerLimits = DEFAULT_LIMITS,
    isInstitution: (clientId: string) => boolean = () => false,
  ) {
    this.#dispatch = dispatch;
    this.#isInstitution = isInstitution;
    this.limits = limits;
    this.#usualSlots = leastSlots(limits);
  }

  get waiting(): number {
    return this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * @param clientId the institution, or which one it claims to be.
   * @throws WjfError `overloaded` if a question of it would not be taken now.
   */
  requireRoom(clientId: string): void {
    const line = this.#lines.get(clientId);
    const slots = (line?.slots ?? 0) + this.#heldSlots(clientId);
    const institutions = this.#lines.size + (line === undefined ? 1 : 0);
    const hasItsShare = slots * institutions >= SLOTS * this.limits.waitingFanOuts;
    const isBeyond = line !== undefined && this.#waiting >= this.limits.waiting;
    if (hasItsShare || isBeyond) throw new WjfError("overloaded");
  }

  #heldSlots(clientId: string): number {
    const held = this.#held.get(this.#claimed(clientId)) ?? 0;
    // Nothing waits, so nothing says that these are as wide as those before them: they are not refused for that.
    return held * (this.#waiting > 0 ? this.#usualSlots : leastSlots(this.limits));
  }

  /** Anybody can make up ids; all that were made up have one institution's share of what is verified, and take nobody's. */
  #claimed(clientId: string): string {
    return this.#isInstitution(clientId) ? clientId : STRANGERS;
  }

  /**
   * Keeps room for a question while it is verified, until disposed: or everything that comes meanwhile is verified for the same
   * room. @param clientId which institution it claims to be. @throws WjfError `overloaded`.
   */
  holdRoom(clientId: string): Disposable {
    this.requireRoom(clientId);
    const claimed = this.#claimed(clientId);
    this.#held.set(claimed, (this.#held.get(claimed) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#held.get(claimed) ?? 0) - 1;
        if (left > 0) this.#held.set(claimed, left);
        else this.#held.delete(claimed);
      },
    };
  }

  /**
   * Resolves with the authority's outcome. A repetition of a question already under way joins it, and takes no room; but it
   * must come as far as this: `requireRoom` and `holdRoom` cannot tell that it is one, and refuse it as any other.
   * @param query verified: its `clientId` is of an institution that the authority knows.
   * @throws WjfError `overloaded`, `query-conflict`, or the fan-out's own failure.
   */
  async submit(query: PendingQuery): Promise<ReleaseOutcome> {
    const known = this.#known.get(query.item.query_id);
    if (known !== undefined) {
      if (!isSameQuestion(known.query, query)) throw new WjfError("query-conflict");
      return await known.outcome.promise;
    }
    this.requireRoom(query.clientId);
    const waiting: Waiting = { query, outcome: Promise.withResolvers() };
    this.#known.set(query.item.query_id, waiting);
    const line = this.#lines.get(query.clientId) ?? { questions: [], slots: 0 };
    this.#lines.set(query.clientId, line);
    line.questions.push(waiting);
    line.slots += this.#slotsOf(waiting);
    this.#waiting++;
    this.#pump();
    return await waiting.outcome.promise;
  }

  /** A fan-out is full by slots or by questions, whichever is first. */
  #slotsOf({ query }: Waiting): number {
    return Math.max(query.item.slot_width, leastSlots(this.limits));
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
      const [clientId, line] = this.#lines.entries().next().value as [string, Line];
      const next = line.questions[0] as Waiting;
      if (slots + next.query.item.slot_width > SLOTS) break;
      slots += next.query.item.slot_width;
      line.questions.shift();
      line.slots -= this.#slotsOf(next);
      this.#waiting--;
      this.#lines.delete(clientId);
      // The next institution's turn.
      if (line.questions.length > 0) this.#lines.set(clientId, line);
      group.push(next);
    }
    this.#usualSlots = Math.max(slots / group.length, leastSlots(this.limits));
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

function leastSlots({ groupItems }: CoalescerLimits): number {
  return Math.ceil(SLOTS / groupItems);
}
