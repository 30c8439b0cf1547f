// When to try again. An alert: exponential backoff with full jitter, until it is three days old (Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015). An institution: after a round in which nothing got through, one alert at a time, after
// a pause, so that a backlog of thousands does not knock thousands of times at a door that is shut.
import type { Random } from "../../core/random.ts";
import type { AlertOutcome, AlertState } from "./schema.ts";

const FIRST_MS = 1000;
const LONGEST_MS = 3_600_000;
/** An outage over a weekend loses nothing. */
export const GIVE_UP_MS = 3 * 86_400_000;

/** Alerts under way to one institution at a time, from one process. */
export const AT_ONCE = 16;
const LONGEST_PAUSE_MS = 60_000;

export interface Next {
  readonly state: AlertState;
  readonly dueAtMs: number;
}

/** What becomes of an alert after an attempt. */
export function decideNext(
  alert: { readonly attempts: number; readonly since: number },
  outcome: AlertOutcome,
  nowMs: number,
  random: Random,
): Next {
  if (outcome === "delivered") return { state: "delivered", dueAtMs: nowMs };
  const isOld = nowMs - alert.since >= GIVE_UP_MS;
  if (outcome === "gone" || isOld) return { state: "dead", dueAtMs: nowMs };
  const waitMs = jittered(alert.attempts, LONGEST_MS, random);
  return { state: "pending", dueAtMs: nowMs + waitMs };
}

/** How fast one institution is tried. */
export class Pace {
  readonly #random: Random;
  #failedRounds = 0;
  #pausedUntilMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many alerts to try now. */
  width(nowMs: number): number {
    if (nowMs < this.#pausedUntilMs) return 0;
    return this.#failedRounds === 0 ? AT_ONCE : 1;
  }

  /** A refusal of one alert among others that got through says nothing about the sink. */
  note(outcomes: readonly AlertOutcome[], nowMs: number): void {
    if (outcomes.some((outcome) => outcome === "delivered" || outcome === "gone")) {
      this.#failedRounds = 0;
      this.#pausedUntilMs = 0;
      return;
    }
    this.#failedRounds += 1;
    this.#pausedUntilMs = nowMs + jittered(this.#failedRounds, LONGEST_PAUSE_MS, this.#random);
  }
}

function jittered(attempt: number, longestMs: number, random: Random): number {
  return Math.floor(random.unit() * Math.min(longestMs, FIRST_MS * 2 ** (attempt - 1)));
}
