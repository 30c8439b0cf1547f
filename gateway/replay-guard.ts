// Remembers DPoP proofs for as long as they could be used again (RFC 9449 §11.1). One per gateway process; across
// replicas the authority's one release per query id holds the line.
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";

/** Enough for 60 s at 5,000 requests per second. */
const MAX_REMEMBERED = 300_000;

export class ReplayGuard {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #maxRemembered: number;
  /** Insertion order is time order, so the oldest come first. */
  readonly #seenUntil = new Map<string, number>();

  constructor(clock: Clock, windowS: number, maxRemembered = MAX_REMEMBERED) {
    this.#clock = clock;
    this.#windowMs = windowS * 1000;
    this.#maxRemembered = maxRemembered;
  }

  /** @throws WjfError `dpop-replayed`; `overloaded` when no more can be remembered. */
  requireFresh(keyThumbprint: string, proofId: string): void {
    const now = this.#clock.nowMs();
    for (const [key, until] of this.#seenUntil) {
      if (until > now) break;
      this.#seenUntil.delete(key);
    }
    const key = `${keyThumbprint}/${proofId}`;
    if (this.#seenUntil.has(key)) throw new WjfError("dpop-replayed");
    if (this.#seenUntil.size >= this.#maxRemembered) throw new WjfError("overloaded");
    this.#seenUntil.set(key, now + this.#windowMs);
  }
}
