// Refusals in the audit log, before they are told: of single questions, of rows of batches, of evaluations of watches, at whichever
// stage. The same question refused for the same reason leaves no second leaf while this process remembers the first, and an
// institution's refusals leave so many leaves at once and a second. What leaves none is counted, and the counts are leaves too: the first
// before it is told, the next ones within half a minute, unless this process dies before.
// docs/decisions/054-refusals-in-the-log.md.
import { canonicalJson } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { Bucket } from "../bucket.ts";
import type { ConsentLedger } from "../ledger.ts";
import type { LeafDraft } from "../log/leaf.ts";

type RefusalLeaf = Extract<LeafDraft, { type: "refusal" }>;

/**
 * What is known of a question that is refused. Institution and consent are a verified token's or absent. Query id and product are
 * verified only where the credentials hold: else they are what the gateway says it was asked, and may be somebody else's.
 */
export interface Refusal extends Omit<RefusalLeaf, "type" | "left_out"> {
  readonly code: ErrorCode;
}

interface Count {
  readonly of: Pick<Refusal, "code" | "client_id">;
  /** Told since the last leaf with a count. Less than 0 while that leaf has some that were not told after all. */
  leftOut: number;
  toldAtMs: number;
}

/** Leaves that one institution's refusals may leave. Those of nobody known count as one institution's. */
export const REFUSAL_LEAVES = { most: 16_384, perSecond: 10 };
/** The newest are remembered; what was forgotten leaves another leaf. */
const REMEMBERED = 16_384;
/** No more often is a count told by the refusals that it counts. */
const COUNT_EVERY_MS = 30_000;

export class RefusalLog {
  readonly #ledger: Pick<ConsentLedger, "log">;
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #logged = new Set<string>();
  /** By institution; only registered ones have tokens that verify. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #counts = new Map<string, Count>();

  constructor(ledger: Pick<ConsentLedger, "log">, clock: Clock) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /**
   * Resolves when they may be told: each has a leaf that is durable, or is counted. The first to be counted of an institution and a
   * code, and one every half minute after it, has its count in the log by then; the others' comes with it, or by `tellCounts`.
   * @throws WjfError what the log fails with: then they are not to be told, and nothing of them is counted.
   */
  async record(refusals: readonly Refusal[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const fresh: Refusal[] = [];
    const counted: Refusal[] = [];
    const keys = new Set<string>();
    for (const refusal of refusals) {
      // Without a query id nothing tells whether it is the same question.
      const key = refusal.query_id === undefined ? undefined : canonicalJson(refusal);
      const isKnown = key !== undefined && (this.#logged.has(key) || keys.has(key));
      if (isKnown || !this.#bucketOf(refusal, nowMs).take(nowMs, REFUSAL_LEAVES)) {
        counted.push(refusal);
        this.#count(refusal, 1);
        continue;
      }
      fresh.push(refusal);
      if (key !== undefined) keys.add(key);
    }
    try {
      await this.#append(fresh, nowMs - COUNT_EVERY_MS, nowMs);
    } catch (error) {
      for (const refusal of fresh) this.#bucketOf(refusal, nowMs).putBack();
      for (const refusal of counted) this.#count(refusal, -1);
      throw error;
    }
    this.#remember(keys);
  }

  /** Puts into the log what was counted and not yet told there. @throws WjfError what the log fails with: it stays counted. */
  async tellCounts(): Promise<void> {
    await this.#append([], Number.POSITIVE_INFINITY, this.#clock.nowMs());
  }

  async #append(refusals: readonly Refusal[], toldUntilMs: number, nowMs: number): Promise<void> {
    const counts = [...this.#counts.values()]
      .filter(({ leftOut, toldAtMs }) => leftOut > 0 && toldAtMs <= toldUntilMs)
      .map((count) => ({ count, left_out: count.leftOut }));
    const leaves: RefusalLeaf[] = [
      ...refusals.map((refusal) => ({ type: "refusal" as const, ...refusal })),
      ...counts.map(({ count, left_out }) => ({ type: "refusal" as const, ...count.of, left_out })),
    ];
    if (leaves.length === 0) return;
    for (const { count } of counts) count.leftOut = 0;
    try {
      await this.#ledger.log.append(leaves);
    } catch (error) {
      for (const { count, left_out } of counts) count.leftOut += left_out;
      throw error;
    }
    // Not before: who is counted meanwhile is not told on the strength of a leaf that is not durable.
    for (const { count } of counts) count.toldAtMs = nowMs;
  }

  #bucketOf({ client_id = "" }: Refusal, nowMs: number): Bucket {
    const bucket = this.#buckets.get(client_id) ?? new Bucket(REFUSAL_LEAVES, nowMs);
    this.#buckets.set(client_id, bucket);
    return bucket;
  }

  #count({ code, client_id }: Refusal, by: 1 | -1): void {
    const key = `${code} ${client_id}`;
    const of = { code, ...(client_id !== undefined && { client_id }) };
    const count = this.#counts.get(key) ?? { of, leftOut: 0, toldAtMs: Number.NEGATIVE_INFINITY };
    count.leftOut += by;
    this.#counts.set(key, count);
  }

  #remember(keys: ReadonlySet<string>): void {
    for (const key of keys) this.#logged.add(key);
    for (const oldest of this.#logged) {
      if (this.#logged.size <= REMEMBERED) break;
      this.#logged.delete(oldest);
    }
  }
}
