// Time as a value that is passed in, so that tests own it. Nothing else in the product reads the wall clock.

/** A source of wall-clock time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** Whole seconds since the Unix epoch (JWT NumericDate, RFC 7519 §2). */
export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.nowMs() / 1000);
}

/** The day it is by the tables' clock, Asia/Shanghai, YYYY-MM-DD: between midnight and eight it is not UTC's. */
export function shanghaiDay(clock: Clock): string {
  const now = Temporal.Instant.fromEpochMilliseconds(clock.nowMs());
  return now.toZonedDateTimeISO("Asia/Shanghai").toPlainDate().toString();
}

/** A clock for tests and simulations; it moves only when told to. */
export class ManualClock implements Clock {
  #nowMs: number;
  constructor(startMs: number) {
    this.#nowMs = startMs;
  }
  nowMs(): number {
    return this.#nowMs;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
