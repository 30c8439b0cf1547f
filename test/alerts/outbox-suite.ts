// The outbox on either engine: what is committed is there, what is rolled back is not, one id is one event, and numbers follow the
// commits, so that a reader with a cursor misses nothing.
import type { Insertable } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "../../core/database.ts";
import { type AlertEvent, enqueue } from "../../gateway/alerts/outbox.ts";
import { gatewayMigrations, type GatewayDb, type GatewaySchema } from "../../gateway/database.ts";
import type { WatchTable } from "../../gateway/watches/schema.ts";

export const DESTINATION = { clientId: "bank", sink: "https://bank.example/alerts" };

export function event(id: string, subject = "watch-1"): AlertEvent {
  const type = "org.weijifen.watch.crossed";
  return { id, type, subject, time: 1_800_000_000, data: { indicator: "overdue-count" } };
}

/** A row of the watch that alerts are about: whose it was, and whose key signed it. */
export function endedWatch(id: string, client_id: string, jkt: string): Insertable<WatchTable> {
  const status = { consent_id: "c", status_uri: "https://authority.example/", status_idx: 1 };
  const moments = { every_s: 3600, due_at: 1, next_at: 1000, created_at: 1, ended_at: 1000 };
  const counts = { asked: 0, failures: 0, events: 0, sealed: 0, lease_until: 0 };
  const rest = { product: "watch-phone@1", body_sha256: "", sink: "", state: "ended" };
  return { id, client_id, jkt, ...status, ...moments, ...counts, ...rest };
}

export function outboxSuite(emptyDatabase: () => Promise<string>): void {
  describe("outbox", () => {
    let db: GatewayDb;
    beforeEach(async () => {
      db = await openDatabase<GatewaySchema>(await emptyDatabase(), gatewayMigrations);
    });
    afterEach(() => db.destroy());

    const put = async (events: readonly AlertEvent[], clientId = "bank"): Promise<void> =>
      await db
        .transaction()
        .execute(async (tx) => await enqueue(tx, { ...DESTINATION, clientId }, events));
    const stream = async (clientId = "bank"): Promise<(readonly [number, string])[]> => {
      const rows = db.selectFrom("alert").select(["seq", "id"]).where("client_id", "=", clientId);
      return (await rows.orderBy("seq").execute()).map(({ seq, id }) => [seq, id] as const);
    };

    test("events are numbered from 1 in their order, per institution", async () => {
      await put([event("a"), event("b")]);
      await put([event("c")], "other");
      await put([event("d")]);
      const expected = ["a", "b", "d"].map((id, i) => [i + 1, id]);
      expect(await stream()).toEqual(expected);
      expect(await stream("other")).toEqual([[1, "c"]]);
    });

    test("one id is one event: within a call, across calls, and not across institutions", async () => {
      await put([event("a"), event("a")]);
      await put([event("b"), event("a"), event("c")]);
      await put([event("a")], "other");
      expect(await stream()).toEqual(["a", "b", "c"].map((id, i) => [i + 1, id]));
      expect(await stream("other")).toEqual([[1, "a"]]);
    });

    test("what is rolled back was never there, and leaves no gap", async () => {
      const rolledBack = db.transaction().execute(async (tx) => {
        await enqueue(tx, DESTINATION, [event("a")]);
        throw new Error("the caller's own trouble");
      });
      await expect(rolledBack).rejects.toThrow("own trouble");
      await put([event("b")]);
      expect(await stream()).toEqual([[1, "b"]]);
    });

    test("transactions at once: every event once, no number twice, none left out", async () => {
      const all = Array.from({ length: 8 }, (_, i) => [event(`own-${i}`), event("of-all")]);
      await Promise.all(all.map((events) => put(events)));
      const rows = await stream();
      expect(rows.map(([seq]) => seq)).toEqual(Array.from({ length: 9 }, (_, i) => i + 1));
      expect(new Set(rows.map(([, id]) => id)).size).toBe(9);
    });

    test("more events than a statement takes ids", async () => {
      const many = Array.from({ length: 1200 }, (_, i) => event(`e-${i}`));
      await put(many);
      await put(many);
      expect((await stream()).length).toBe(1200);
    });
  });
}
