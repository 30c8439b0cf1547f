// A bucket that fills with so many a second and holds at most so many; full at the start. How much of something is let through: an
// institution's questions (consent/client-limits.ts), leaves of its refusals (consent/release/refusal-log.ts).
export interface BucketSize {
  readonly most: number;
  readonly perSecond: number;
}

export class Bucket {
  #left: number;
  #filledAtMs: number;

  constructor({ most }: BucketSize, nowMs: number) {
    this.#left = most;
    this.#filledAtMs = nowMs;
  }

  /** One, unless it is empty. A clock that goes back fills nothing. */
  take(nowMs: number, { most, perSecond }: BucketSize): boolean {
    const filled = Math.max(0, ((nowMs - this.#filledAtMs) / 1000) * perSecond);
    this.#left = Math.min(most, this.#left + filled);
    this.#filledAtMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** One that was taken for nothing. */
  putBack(): void {
    this.#left += 1;
  }
}
