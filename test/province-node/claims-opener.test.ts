// What a reply owes for claims that were not opened: what opening costs this process, however long it took. Failure would be
// a busy machine's other work counted once for everybody who is not held, or nothing counted, which tells who is not.
import { generateKeyPairSync } from "node:crypto";
import { expect, test, vi } from "vitest";
import { ClaimsOpener } from "../../province-node/claims-opener.ts";
import { ObservedCost } from "../../province-node/reply-quantum.ts";

/** Work whose processor time is given, and whose end is up to the test. */
function pieceOfWork() {
  const clock = { usedUs: 0 };
  const cost = new ObservedCost(() => clock.usedUs);
  const begin = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { ended: cost.measure(() => promise), end: resolve };
  };
  return { clock, cost, begin };
}

test("a piece of work costs what the process used meanwhile", async () => {
  const { clock, cost, begin } = pieceOfWork();
  expect(cost.typicalMs).toBe(0);
  const work = begin();
  clock.usedUs += 300;
  work.end();
  await work.ended;
  expect(cost.typicalMs).toBe(0.3);
});

test("runs beside each other are not remembered, whichever ends first", async () => {
  const { clock, cost, begin } = pieceOfWork();
  const long = begin();
  const short = begin();
  clock.usedUs += 300;
  short.end();
  await short.ended;
  clock.usedUs += 300;
  long.end();
  await long.ended;
  expect(cost.typicalMs).toBe(0);
});

test("one run in which something else was done is not what the work costs", async () => {
  const { clock, cost, begin } = pieceOfWork();
  for (const us of [300, 310, 50_000, 290, 305]) {
    const work = begin();
    clock.usedUs += us;
    work.end();
    await work.ended;
  }
  expect(cost.typicalMs).toBe(0.305);
});

test("what is opened among other questions is not learnt from", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const clock = { usedUs: 0 };
  const opener = await ClaimsOpener.create(
    privateKey,
    new ObservedCost(() => (clock.usedUs += 300)),
  );
  const pending = { owe: vi.fn<(ms: number) => void>(), due: async () => undefined };
  for (let i = 0; i < 64; i++) {
    const opened = opener.open("none", 512);
    // What the others cost, while this one is opened.
    clock.usedUs += 1e6;
    await opened;
  }
  await opener.spare(pending, 512);
  expect(pending.owe).toHaveBeenCalledExactlyOnceWith(0.3);
});

test("among few questions a decoy is opened, among many its cost is owed", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const opener = await ClaimsOpener.create(privateKey);
  const pending = { owe: vi.fn<(ms: number) => void>(), due: async () => undefined };
  expect(await opener.spare(pending, 4)).toEqual({ checks: [] });
  expect(pending.owe).not.toHaveBeenCalled();
  expect(await opener.spare(pending, 5)).toBeUndefined();
  expect(pending.owe).toHaveBeenCalledOnce();
  expect(pending.owe.mock.calls[0]![0]).toBeGreaterThan(0);
});
