// How fast a sink is tried, by itself. Failure would be a flood at a door that is shut, one that is found open late, or thousands of
// attempts at one that stays shut for days.
import { describe, expect, test } from "vitest";
import type { Random } from "../../core/random.ts";
import { AT_ONCE, GIVE_UP_MS, Pace } from "../../gateway/alerts/retry.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The longest pauses that there may be. */
const unlucky: Random = { bytes: () => Buffer.alloc(0), unit: () => 0 };
const halfway: Random = { bytes: () => Buffer.alloc(0), unit: () => 0.5 };

/** When a sink is tried that is away for so long, looked at every half second. */
function triesOf(pace: Pace, awayMs: number): number[] {
  const tries: number[] = [];
  for (let nowMs = 0; nowMs <= awayMs; nowMs += 500) {
    if (pace.room(nowMs) === 0) continue;
    tries.push(nowMs);
    pace.begin()("connect", nowMs);
  }
  return tries;
}

function longestPause(tries: readonly number[], untilMs: number): number {
  const before = tries.filter((at) => at <= untilMs);
  return Math.max(...before.map((at, i) => at - (before[i - 1] ?? at)));
}

describe("the pace of a sink", () => {
  test("each failure takes a place away, each success gives all of them back", () => {
    const pace = new Pace(unlucky);
    expect(pace.room(0)).toBe(AT_ONCE);
    const ends = Array.from({ length: 4 }, () => pace.begin());
    expect(pace.room(0)).toBe(AT_ONCE - 4);
    expect(ends.pop()?.("timeout", 1)).toBe(false);
    expect(ends.pop()?.("status-4xx", 1)).toBe(false);
    expect(pace.room(1)).toBe(AT_ONCE - 4);
    expect(ends.pop()?.("delivered", 1)).toBe(false);
    expect(pace.room(1)).toBe(AT_ONCE - 1);
    // It was under way while another got through.
    expect(ends.pop()?.("timeout", 1)).toBe(true);
  });

  test("shut when all have failed: one at a time, until one gets through", () => {
    const pace = new Pace(unlucky);
    const ends = [pace.begin(), pace.begin()];
    ends[0]?.("connect", 0);
    expect(pace.isShut).toBe(false);
    ends[1]?.("connect", 0);
    expect(pace.isShut).toBe(true);
    expect(pace.room(499)).toBe(0);
    expect(pace.room(500)).toBe(1);
    const ended = pace.begin();
    expect(pace.room(500)).toBe(0);
    ended("delivered", 500);
    expect(pace.isShut).toBe(false);
    expect(pace.room(500)).toBe(AT_ONCE);
  });

  test("what was broken off says nothing about the sink", () => {
    const pace = new Pace(unlucky);
    pace.begin()("broken-off", 0);
    expect(pace.isShut).toBe(false);
    expect(pace.room(0)).toBe(AT_ONCE);
  });

  test("an outage of minutes is found over within a quarter, one of an hour within a minute", () => {
    const tries = triesOf(new Pace(unlucky), HOUR_MS);
    expect(longestPause(tries, 12_000)).toBeLessThanOrEqual(3000);
    expect(longestPause(tries, HOUR_MS)).toBe(MINUTE_MS);
  });

  test("one of days costs some hundreds of attempts, and is found over within a quarter of an hour", () => {
    expect(longestPause(triesOf(new Pace(unlucky), GIVE_UP_MS), GIVE_UP_MS)).toBe(15 * MINUTE_MS);
    expect(triesOf(new Pace(halfway), GIVE_UP_MS).length).toBeLessThan(750);
  });
});
