// When to try again. An alert that fails while others get through: exponential backoff with full jitter, until it is three days old
// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A sink that nothing gets through to: one alert
// at a time, after pauses that grow with how long it has been away, and its alerts lose no time of their own by it. So a backlog
// of thousands does not knock thousands of times at a door that is shut, and goes on soon after it opens.
import type { Random } from "../../core/random.ts";
import type { AlertOutcome, AlertState } from "./schema.ts";

const FIRST_MS = 1000;
const LONGEST_MS = 3_600_000;
/** An outage over a weekend loses nothing. */
export const GIVE_UP_MS = 3 * 86_400_000;

/** Alerts under way to one sink at a time, from one process. */
export const AT_ONCE = 16;
const SHORTEST_PAUSE_MS = 500;
/** By how long it has been away: a share of that, and no longer. Minutes are found over within as much again; then it is days. */
const PAUSES = [
  { share: 1 / 4, longestMs: 60_000 },
  { share: 1 / 60, longestMs: 900_000 },
] as const;

/** What may lie with the sink as a whole; another failure is about this alert. */
const OF_THE_SINK = new Set<AlertOutcome>([
  "dns",
  "connect",
  "tls",
  "timeout",
  "protocol",
  "status-5xx",
]);

export interface Next {
  readonly state: AlertState;
  readonly dueAtMs: number;
}

/**
 * What becomes of an alert after an attempt.
 * @param others whether any other has got through meanwhile.
 */
export function decideNext(
  alert: { readonly attempts: number; readonly since: number },
  { outcome, others }: { readonly outcome: AlertOutcome; readonly others: boolean },
  nowMs: number,
  random: Random,
): Next {
  if (outcome === "delivered") return { state: "delivered", dueAtMs: nowMs };
  const isOld = nowMs - alert.since >= GIVE_UP_MS;
  if (outcome === "gone" || isOld) return { state: "dead", dueAtMs: nowMs };
  // When the sink is away, its pace says when; the alert itself comes after those that have not been tried.
  const attempts = OF_THE_SINK.has(outcome) && !others ? 1 : alert.attempts;
  return { state: "pending", dueAtMs: nowMs + jittered(attempts, random) };
}

function jittered(attempt: number, random: Random): number {
  return Math.floor(random.unit() * Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1)));
}

/** How fast one sink is tried. */
export class Pace {
  readonly #random: Random;
  #underWay = 0;
  #through = 0;
  /** In a row. */
  #failures = 0;
  #failingSinceMs = 0;
  #isShut = false;
  #pausedUntilMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Nothing gets through: one at a time. */
  get isShut(): boolean {
    return this.#isShut;
  }

  /** Milliseconds: a sink that is shut is not tried before; 0 of one that is open. */
  get restUntilMs(): number {
    return this.#isShut ? this.#pausedUntilMs : 0;
  }

  /** How many more to try now. Each failure in a row takes a place away, each success gives all of them back. */
  room(nowMs: number): number {
    if (!this.#isShut) return Math.max(0, AT_ONCE - this.#failures - this.#underWay);
    return nowMs < this.#pausedUntilMs ? 0 : 1 - this.#underWay;
  }

  /** One is tried. Call what comes back when it is known what came of it: it says whether others got through meanwhile. */
  begin(): (outcome: AlertOutcome | "broken-off", nowMs: number) => boolean {
    const before = this.#through;
    this.#underWay++;
    return (outcome, nowMs) => {
      this.#underWay--;
      const others = this.#through > before;
      this.#note(outcome, nowMs);
      return others;
    };
  }

  #note(outcome: AlertOutcome | "broken-off", nowMs: number): void {
    if (outcome === "broken-off") return;
    if (outcome === "delivered" || outcome === "gone") {
      this.#through++;
      this.#failures = 0;
      this.#isShut = false;
      return;
    }
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures++;
    if (this.#underWay > 0) return;
    this.#isShut = true;
    const awayMs = nowMs - this.#failingSinceMs;
    const pauses = PAUSES.map(({ share, longestMs }) => Math.min(longestMs, awayMs * share));
    const pauseMs = Math.max(SHORTEST_PAUSE_MS, ...pauses);
    // Half of it by chance: sinks that went away together are not all tried together.
    this.#pausedUntilMs = Math.ceil(nowMs + pauseMs * (1 - this.#random.unit() / 2));
  }
}
