// The batches' rows and leases, the same on both engines: one holder at a time, whoever falls silent is followed, results are
// stored once, what has expired is gone. Two stores over one database are two replicas.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { type Database, openDatabase } from "../../core/database.ts";
import { BatchStore, LEASE_MS } from "../../gateway/batches/batch-store.ts";
import { batchMigrations, type BatchSchema } from "../../gateway/batches/schema.ts";

const DAY_MS = 86_400_000;
const HASH = Buffer.alloc(32, 1);

export function batchStoreSuite(emptyDatabase: () => Promise<string>): void {
  describe("batch store", () => {
    let db: Database<BatchSchema>;
    let clock: ManualClock;
    let [one, two]: BatchStore[] = [];

    beforeEach(async () => {
      db = await openDatabase<BatchSchema>(await emptyDatabase(), batchMigrations);
      clock = new ManualClock(1_800_000_000_000);
      [one, two] = ["one", "two"].map((owner) => new BatchStore({ db, clock, owner }));
    });
    afterEach(() => db.destroy());

    const replica = (store: BatchStore | undefined): BatchStore => store as BatchStore;

    async function received(id: string, blocks = 3): Promise<void> {
      await replica(one).begin({
        id,
        client_id: "bank",
        jkt: "key",
        proof: "proof",
        rows: blocks * 93,
        sealed: 0,
        deadline_at: clock.nowMs() + DAY_MS,
      });
      await replica(one).addBlocks(
        id,
        Array.from({ length: blocks }, (_, idx) => ({
          idx,
          rows: 93,
          hash: HASH,
          lines: Buffer.from(`lines ${idx}`),
        })),
      );
      await replica(one).receive(id, 1000);
    }

    const result = (idx: number) => ({
      idx,
      result: Buffer.from(`result ${idx}`),
      answered: 90,
      refused: 3,
    });

    test("a batch has one holder; when it falls silent the next carries on where it stopped", async () => {
      await received("b1");
      expect((await replica(one).lease())?.id).toBe("b1");
      expect(await replica(two).lease()).toBeUndefined();
      await replica(one).store("b1", [result(1)]);
      clock.advance(LEASE_MS - 1);
      expect(await replica(two).lease()).toBeUndefined();
      expect(await replica(one).renew("b1")).toBe(true);
      clock.advance(LEASE_MS + 1);
      expect((await replica(two).lease())?.id).toBe("b1");
      expect(await replica(one).renew("b1")).toBe(false);
      expect((await replica(two).blocks("b1")).open).toEqual([0, 2]);
    });

    test("a holder that lost its lease stores nothing; a result is stored once", async () => {
      await received("b2");
      await replica(one).lease();
      clock.advance(LEASE_MS + 1);
      await replica(two).lease();
      await expect(replica(one).store("b2", [result(0)])).rejects.toThrow(/another process/);
      expect((await replica(two).blocks("b2")).open).toEqual([0, 1, 2]);
      await replica(two).store("b2", [result(0), result(2)]);
      await replica(two).store("b2", [result(0), result(1)]);
      expect(await replica(two).find("b2")).toMatchObject({ answered: 270, refused: 9 });
      const stored = await replica(two).results("b2", 0, 10);
      expect(stored.map(({ idx }) => idx)).toEqual([0, 1, 2]);
      expect(stored[2]?.result.toString()).toBe("result 2");
    });

    test("two replicas that look at once lease different batches", async () => {
      await received("b3");
      await received("b4");
      const leased = await Promise.all([replica(one).lease(), replica(two).lease()]);
      const again = await Promise.all([replica(one).lease(), replica(two).lease()]);
      const ids = [...leased, ...again].flatMap((batch) => batch?.id ?? []);
      expect(ids.toSorted()).toEqual(["b3", "b4"]);
    });

    test("answered lines are destroyed at once, results when they expire", async () => {
      await received("b5", 1);
      await replica(one).lease();
      expect((await replica(one).lines("b5", [0])).get(0)?.toString()).toBe("lines 0");
      await replica(one).store("b5", [result(0)]);
      expect((await replica(one).lines("b5", [0])).size).toBe(0);
      await replica(one).finish("b5", 7 * DAY_MS);
      expect(await replica(one).purge()).toBe(0);
      clock.advance(7 * DAY_MS + 1);
      expect(await replica(two).purge()).toBe(1);
      expect(await replica(one).find("b5")).toBeUndefined();
      expect(await replica(one).results("b5", 0, 10)).toEqual([]);
    });

    test("an upload that breaks off leaves nothing; one that pauses goes on", async () => {
      const batch = {
        id: "b6",
        client_id: "bank",
        jkt: "key",
        proof: "proof",
        rows: 93,
        sealed: 0,
        deadline_at: clock.nowMs() + DAY_MS,
      };
      await replica(one).begin(batch);
      await expect(replica(two).begin(batch)).rejects.toThrow(/being received/);
      expect(await replica(two).countOpen("bank")).toBe(1);
      clock.advance(LEASE_MS + 1);
      expect(await replica(two).purge()).toBe(0);
      expect(await replica(two).lease()).toBeUndefined();
      const block = { idx: 0, rows: 93, hash: HASH, lines: Buffer.from("lines") };
      await replica(one).addBlocks("b6", [block]);
      clock.advance(10 * LEASE_MS);
      expect(await replica(two).purge()).toBe(1);
      await expect(replica(one).addBlocks("b6", [block])).rejects.toThrow(/another process/);
      expect(await replica(two).countOpen()).toBe(0);
    });
  });
}
