// Refusals in the audit log. Failure: one is told that is neither a leaf nor counted, the same one leaves two leaves, an institution's
// refusals leave more than their rate, or a count says another number than was told.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type Leaf, showLeaves, verifyLog } from "../../../consent/log/index.ts";
import { type Refusal, REFUSAL_LEAVES, RefusalLog } from "../../../consent/release/refusal-log.ts";
import { ManualClock } from "../../../core/clock.ts";
import type { LedgerBench } from "../ledger-fixture.ts";
import { openLedgerBench } from "../ledger-fixture.ts";

const HALF_A_MINUTE_MS = 30_000;
const REFUSED = {
  code: "consent-revoked",
  client_id: "bank",
  consent_id: "consent-1",
  product: "credit-score@1",
} as const;

/** Another question, refused. */
function refusal(bent: Partial<Refusal> = {}): Refusal {
  return { ...REFUSED, query_id: randomUUID(), ...bent };
}

function many(count: number, bent: Partial<Refusal> = {}): Refusal[] {
  return Array.from({ length: count }, () => refusal(bent));
}

type Written = Refusal & { readonly left_out?: number };

/** A log that only remembers, and fails, or waits, when told to. */
function openRefusals() {
  const clock = new ManualClock(1_800_000_000_000);
  const written: Written[] = [];
  let append = async (): Promise<void> => await Promise.resolve();
  const log = {
    append: async (leaves: readonly Written[]) => {
      await append();
      written.push(...leaves);
    },
  };
  return {
    clock,
    refusals: new RefusalLog({ log } as never, clock),
    written,
    /** Leaves of single refusals, and what the counts come to. */
    told: () => {
      const counts = written.flatMap(({ left_out = 0 }) => left_out);
      const leftOut = counts.reduce((sum, count) => sum + count, 0);
      return { leaves: written.filter(({ left_out }) => left_out === undefined).length, leftOut };
    },
    appending: (next: () => Promise<void>) => void (append = next),
  };
}

test("the same question for the same reason is one leaf; another consent, product, reason or institution is another", async () => {
  const { refusals, told } = openRefusals();
  const first = refusal();
  await refusals.record([first, first]);
  await refusals.record([first]);
  expect(told()).toEqual({ leaves: 1, leftOut: 1 });
  const others: Partial<Refusal>[] = [
    { consent_id: "consent-2" },
    { product: "personal-score@1" },
    { code: "consent-paused" },
    { client_id: "other" },
    { query_id: randomUUID() },
  ];
  await refusals.record(others.map((other) => ({ ...first, ...other })));
  expect(told().leaves).toBe(6);
  // Nothing tells two of these apart, so they are taken for two.
  const unnamed: Refusal = { code: "token-malformed" };
  await refusals.record([unnamed, unnamed]);
  expect(told().leaves).toBe(8);
});

test("what is counted is told at once, then every half minute by itself, and when it is asked for", async () => {
  const { refusals, clock, written } = openRefusals();
  const first = refusal();
  const counts = () => written.flatMap(({ left_out }) => left_out ?? []);
  await refusals.record([first]);
  await refusals.record([first]);
  expect(written.at(-1)).toEqual({
    type: "refusal",
    code: first.code,
    client_id: "bank",
    left_out: 1,
  });
  await refusals.record([first, first]);
  expect(counts()).toEqual([1]);
  clock.advance(HALF_A_MINUTE_MS);
  await refusals.record([first]);
  expect(counts()).toEqual([1, 3]);
  await refusals.record([first]);
  await refusals.tellCounts();
  await refusals.tellCounts();
  expect(counts()).toEqual([1, 3, 1]);
});

test("an institution leaves so many leaves at once and a second, others are not kept from theirs, and nobody is forgotten", async () => {
  const { refusals, clock, told } = openRefusals();
  const { most, perSecond } = REFUSAL_LEAVES;
  for (let at = 0; at < most; at += 1024) await refusals.record(many(1024));
  expect(told()).toEqual({ leaves: most, leftOut: 0 });
  await refusals.record(many(1000));
  await refusals.record(many(500));
  await refusals.record(many(7, { client_id: "other" }));
  expect(told()).toEqual({ leaves: most + 7, leftOut: 1000 });
  clock.advance(1000);
  await refusals.record(many(perSecond + 3));
  expect(told().leaves).toBe(most + 7 + perSecond);
  await refusals.tellCounts();
  expect(told().leftOut).toBe(1000 + 500 + 3);
  // A clock that is set back gives nothing.
  clock.advance(-HALF_A_MINUTE_MS);
  await refusals.record(many(5));
  await refusals.tellCounts();
  expect(told()).toEqual({ leaves: most + 7 + perSecond, leftOut: 1508 });
}, 30_000);

const failing = async () => await Promise.reject(new Error("disk"));
const working = async () => await Promise.resolve();

test("a log that fails has nothing told, counts nothing of it, and takes the refusal when it comes again", async () => {
  const { refusals, clock, appending, told } = openRefusals();
  const first = refusal();
  await refusals.record([first]);
  await refusals.record([first]);
  // Counted and told, and not yet in the log.
  await refusals.record([first]);
  clock.advance(HALF_A_MINUTE_MS);
  const next = refusal();
  appending(failing);
  await expect(refusals.record([first, next])).rejects.toThrow("disk");
  await expect(refusals.tellCounts()).rejects.toThrow("disk");
  await expect(refusals.record([first])).rejects.toThrow("disk");
  appending(working);
  await refusals.record([next]);
  await refusals.tellCounts();
  expect(told()).toEqual({ leaves: 2, leftOut: 2 });
});

test("a log that fails takes no leaves from an institution's allowance", async () => {
  const { refusals, appending, told } = openRefusals();
  const { most } = REFUSAL_LEAVES;
  await refusals.record(many(most - 2));
  appending(failing);
  for (let i = 0; i < 3; i++) await expect(refusals.record(many(3))).rejects.toThrow("disk");
  appending(working);
  await refusals.record(many(3));
  expect(told()).toEqual({ leaves: most, leftOut: 1 });
});

test("a count that was in the log before its refusal failed is made up for by the next", async () => {
  const { refusals, appending, told } = openRefusals();
  const first = refusal();
  await refusals.record([first]);
  await refusals.record([first]);
  const disk = Promise.withResolvers<void>();
  appending(() => disk.promise);
  const failed = refusals.record([first, refusal()]);
  appending(working);
  await refusals.tellCounts();
  disk.reject(new Error("disk"));
  await expect(failed).rejects.toThrow("disk");
  expect(told()).toEqual({ leaves: 1, leftOut: 2 });
  await refusals.record([first]);
  await refusals.tellCounts();
  expect(told()).toEqual({ leaves: 1, leftOut: 2 });
  await refusals.record([first]);
  await refusals.tellCounts();
  expect(told()).toEqual({ leaves: 1, leftOut: 3 });
});

test("while the leaf is not durable, the same refusal is not told on the strength of it", async () => {
  const { refusals, appending, told } = openRefusals();
  const first = refusal();
  const disk = Promise.withResolvers<void>();
  appending(() => disk.promise);
  const both = [refusals.record([first]), refusals.record([first])];
  disk.reject(new Error("disk"));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual([
    "rejected",
    "rejected",
  ]);
  expect(told()).toEqual({ leaves: 0, leftOut: 0 });
});

test("while the first count is not durable, the second is not told on the strength of it", async () => {
  const { refusals, appending, told } = openRefusals();
  const first = refusal();
  await refusals.record([first]);
  const disk = Promise.withResolvers<void>();
  appending(() => disk.promise);
  const both = [refusals.record([first]), refusals.record([first])];
  disk.reject(new Error("disk"));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual([
    "rejected",
    "rejected",
  ]);
  appending(working);
  await refusals.record([first]);
  await refusals.tellCounts();
  expect(told()).toEqual({ leaves: 1, leftOut: 1 });
});

async function leavesOf({ ledger }: LedgerBench): Promise<Leaf[]> {
  const leaves: Leaf[] = [];
  for await (const { leaf } of showLeaves(ledger.log, { client: "bank" })) leaves.push(leaf);
  return leaves;
}

test("in the real log: leaves that verify, counts among them", async () => {
  await using bench = await openLedgerBench();
  const refusals = new RefusalLog(bench.ledger, bench.clock);
  const first = refusal();
  for (let i = 0; i < 3; i++) await refusals.record([first]);
  await refusals.tellCounts();
  const count = { type: "refusal", code: first.code, client_id: "bank", left_out: 1 };
  expect(await leavesOf(bench)).toMatchObject([{ ...first, type: "refusal" }, count, count]);
  const { verifierKeys } = bench;
  expect((await verifyLog(bench.ledger.log, { verifierKeys })).findings).toEqual([]);
});
