// Rate and volume limits of institutions. Failure: a question too many is admitted, one that is asked again is counted twice,
// a limit outlives its second or its day, or a changed registration does not count.
import { expect, test } from "vitest";
import { ClientLimiter } from "../../consent/client-limits.ts";
import { DEFAULT_LIMITS } from "../../consent/clients.ts";
import { type LedgerBench, openLedgerBench } from "./ledger-fixture.ts";

/** 23:00 in China. */
const LATE_EVENING = Date.parse("2026-11-24T15:00:00.000Z");
const HOUR_MS = 3_600_000;

async function setLimits({ db }: LedgerBench, limits: Partial<typeof DEFAULT_LIMITS>) {
  const text = JSON.stringify({ ...DEFAULT_LIMITS, ...limits });
  await db.updateTable("client").set({ limits: text }).execute();
}

async function ask(limiter: ClientLimiter, ...queryIds: string[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(
    queryIds.map(async (queryId) => limiter.take("demo-bank", queryId)),
  );
  return queryIds.filter((_, i) => outcomes[i]?.status === "fulfilled");
}

test("so many a second; what is asked again is counted once; the bucket fills by itself", async () => {
  await using bench = await openLedgerBench();
  await setLimits(bench, { queries_per_second: 2 });
  const limiter = new ClientLimiter(bench.db, bench.clock);
  expect(await ask(limiter, "a", "b", "a", "c", "b")).toEqual(["a", "b", "a", "b"]);
  await expect(limiter.take("demo-bank", "c")).rejects.toMatchObject({
    code: "rate-limited",
    detail: "2 queries a second",
  });
  bench.clock.advance(500);
  expect(await ask(limiter, "c", "d")).toEqual(["c"]);
  bench.clock.advance(10_000);
  expect(await ask(limiter, "e", "f", "g")).toEqual(["e", "f"]);
});

test("so many a day, from midnight in China, with what was released before a start", async () => {
  await using bench = await openLedgerBench(undefined, { startMs: LATE_EVENING - 24 * HOUR_MS });
  await bench.release(await bench.give());
  bench.clock.advance(24 * HOUR_MS);
  await bench.release(await bench.give());
  await setLimits(bench, { queries_per_day: 3 });
  const limiter = new ClientLimiter(bench.db, bench.clock);
  expect(await ask(limiter, "a", "b", "c")).toEqual(["a", "b"]);
  bench.clock.advance(HOUR_MS - 1);
  expect(await ask(limiter, "c")).toEqual([]);
  bench.clock.advance(1);
  expect(await ask(limiter, "c", "d", "e", "f")).toEqual(["c", "d", "e"]);
});

test("a registration that changes counts within a second", async () => {
  await using bench = await openLedgerBench();
  await setLimits(bench, { queries_per_day: 1 });
  const limiter = new ClientLimiter(bench.db, bench.clock);
  expect(await ask(limiter, "a", "b")).toEqual(["a"]);
  await setLimits(bench, { queries_per_day: 2 });
  bench.clock.advance(1000);
  expect(await ask(limiter, "b", "c")).toEqual(["b"]);
});
