// How many watches the scheduler asks for at once: fewer after a fan-out that failed as a whole, or for most
// because a province was too slow, more again after one that did not.
// Failure would be a machine that is too slow for a whole fan-out, and tries the same one for ever.
import { expect, test, vi } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { silentLogger } from "../../core/log.ts";
import type { AdmitWatchesRequest } from "../../proto/index.ts";
import { WatchRunner, type WatchRunnerParts } from "../../gateway/watches/watch-runner.ts";
import type { Watch } from "../../gateway/watches/watch-store.ts";

const MOST_AT_ONCE = 200;
const LEASES = 12;

test("a fan-out that fails is tried with fewer watches", async () => {
  const limits: number[] = [];
  const clock = new ManualClock(0);
  const due = { token: "t", proof: "p", body: "b", due_at: 0, every_s: 3600, expires_at: null };
  const store = {
    lease: async (limit: number) => {
      if (limits.length === LEASES) return [];
      limits.push(limit);
      return Array.from({ length: limit }, () => due as unknown as Watch);
    },
    postpone: vi.fn(async () => undefined),
    record: vi.fn(async () => undefined),
    release: async () => undefined,
    renew: async () => undefined,
    purge: async () => undefined,
  };
  const admitWatches = async ({ watches }: AdmitWatchesRequest) => {
    if (watches.length > 2 * MOST_AT_ONCE) throw new WjfError("coverage-incomplete");
    // A province was too slow, and nothing can be told without it.
    const isSlow = watches.length > MOST_AT_ONCE;
    if (isSlow) clock.advance(20_000);
    const refusal = isSlow ? "coverage-incomplete" : "watch-not-due";
    const outcome = { result: "refusal", refusal };
    const settled = watches.map((_, row) => ({ row, outcome, receipt: "" }));
    return { settled, blocks: watches.length, checkpoint: "" };
  };
  const parts = {
    store,
    authority: { admitWatches },
    view: { ready: true, requireActive: () => undefined },
    clock,
    log: silentLogger,
    lookEveryMs: 1000,
  };
  await using runner = new WatchRunner(parts as unknown as WatchRunnerParts);
  await runner.look();
  // Two are under way at once.
  expect(limits.slice(0, 8)).toEqual([1024, 1024, 512, 512, 256, 256, 128, 128]);
  expect(limits.slice(8)).toEqual([192, 192, 256, 256]);
  expect(store.postpone).toHaveBeenCalled();
  expect(store.record).toHaveBeenCalled();
});
