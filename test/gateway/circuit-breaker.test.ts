// When a province is left out of a fan-out, and when it is tried again.
import { beforeEach, expect, test } from "vitest";
import { CircuitBreaker } from "../../gateway/circuit-breaker.ts";

let nowMs: number;
let breaker: CircuitBreaker;
beforeEach(() => {
  nowMs = 0;
  breaker = new CircuitBreaker({ nowMs: () => nowMs });
});

function fail(times: number): void {
  for (let i = 0; i < times; i++) breaker.failed();
}

test("one failure is forgiven, two in a row are not", () => {
  fail(1);
  expect(breaker.allows()).toBe(true);
  breaker.succeeded();
  fail(1);
  expect(breaker.allows()).toBe(true);
  fail(1);
  expect(breaker.allows()).toBe(false);
});

test("after the rest one caller tries; until it has heard, nobody else does", () => {
  fail(2);
  nowMs = 999;
  expect(breaker.allows()).toBe(false);
  nowMs = 1000;
  expect([breaker.allows(), breaker.allows()]).toEqual([true, false]);
  breaker.succeeded();
  expect([breaker.allows(), breaker.allows()]).toEqual([true, true]);
});

test("each failed trial doubles the rest, up to half a minute", () => {
  fail(2);
  const rests = [];
  for (let trial = 0; trial < 8; trial++) {
    const startMs = nowMs;
    while (!breaker.allows()) nowMs += 500;
    rests.push((nowMs - startMs) / 1000);
    breaker.failed();
  }
  expect(rests).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
});

test("many that fail at once are one failure more", () => {
  fail(20);
  nowMs = 1000;
  expect(breaker.allows()).toBe(true);
});

test("one that says itself that it takes nothing rests at once", () => {
  breaker.declined();
  expect(breaker.allows()).toBe(false);
  nowMs = 1000;
  expect(breaker.allows()).toBe(true);
});

test("its state is told in the usual words", () => {
  expect(breaker.state).toBe("closed");
  fail(2);
  expect(breaker.state).toBe("open");
  nowMs = 1000;
  breaker.allows();
  expect(breaker.state).toBe("half-open");
  breaker.failed();
  expect(breaker.state).toBe("open");
  breaker.succeeded();
  expect(breaker.state).toBe("closed");
});
