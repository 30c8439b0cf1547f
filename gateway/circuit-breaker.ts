// When to leave a province out. Masks cancel only over those who take part, so this is decided before a fan-out is described, and
// not, as circuit breakers usually do, by failing the call: after two failures in a row a province rests for a second, twice as
// long after each further one, half a minute at most; then one fan-out tries it again. Nygard, "Release It!", ch. 5.
import type { Clock } from "../core/clock.ts";

const FAILURES_TO_OPEN = 2;
const FIRST_REST_MS = 1000;
const LONGEST_REST_MS = 30_000;

export type BreakerState = "closed" | "open" | "half-open";

export class CircuitBreaker {
  readonly #clock: Clock;
  #failures = 0;
  #restsUntilMs = -Infinity;
  #isOnTrial = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As is usual: closed, it is asked; open, it rests; half-open, one fan-out tries it. */
  get state(): BreakerState {
    if (!this.#isOpen()) return "closed";
    return this.#isOnTrial ? "half-open" : "open";
  }

  /** Whether to ask now. A rest that is over allows one trial, and starts again. */
  allows(): boolean {
    if (!this.#isOpen()) return true;
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#restsUntilMs) return false;
    this.#isOnTrial = true;
    this.#restsUntilMs = nowMs + this.#restMs();
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isOnTrial = false;
  }

  /** While it rests, only a trial counts: what was under way when it opened says nothing new. */
  failed(): void {
    if (this.#isOpen() && !this.#isOnTrial) return;
    this.#rest(this.#failures + 1);
  }

  /** It said itself that it takes nothing. */
  declined(): void {
    this.#rest(Math.max(this.#failures, FAILURES_TO_OPEN));
  }

  #rest(failures: number): void {
    this.#isOnTrial = false;
    this.#failures = failures;
    this.#restsUntilMs = this.#clock.nowMs() + this.#restMs();
  }

  #isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN;
  }

  #restMs(): number {
    return Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (this.#failures - FAILURES_TO_OPEN));
  }
}
