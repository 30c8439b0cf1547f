// DPoP proofs are good once (RFC 9449 §11.1), for as long as they could be used, and memory stays bounded.
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { ReplayGuard } from "../../gateway/replay-guard.ts";

const START_MS = 1_764_000_000_000;

describe("ReplayGuard", () => {
  test("a proof is taken once; another proof, or the same id under another key, is another", () => {
    const guard = new ReplayGuard(new ManualClock(START_MS), 70);
    guard.requireFresh("key-1", "proof-1");
    expect(() => guard.requireFresh("key-1", "proof-1")).toThrow(
      expect.objectContaining({ code: "dpop-replayed" }),
    );
    guard.requireFresh("key-1", "proof-2");
    guard.requireFresh("key-2", "proof-1");
  });

  test("it is remembered to the end of its window, and a repetition does not prolong it", () => {
    const clock = new ManualClock(START_MS);
    const guard = new ReplayGuard(clock, 70);
    guard.requireFresh("key", "proof");
    clock.advance(69_999);
    expect(() => guard.requireFresh("key", "proof")).toThrow();
    clock.advance(1);
    guard.requireFresh("key", "proof");
  });

  test("when no more can be remembered it refuses rather than forgets, until time has passed", () => {
    const clock = new ManualClock(START_MS);
    const guard = new ReplayGuard(clock, 70, 100);
    for (let i = 0; i < 100; i++) guard.requireFresh("key", `proof-${i}`);
    expect(() => guard.requireFresh("key", "one-more")).toThrow(
      expect.objectContaining({ code: "overloaded" }),
    );
    expect(() => guard.requireFresh("key", "proof-0")).toThrow(
      expect.objectContaining({ code: "dpop-replayed" }),
    );
    clock.advance(70_000);
    guard.requireFresh("key", "one-more");
    guard.requireFresh("key", "proof-0");
  });
});
