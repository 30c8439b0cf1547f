// The watches' rows and leases, the same on both engines: one holder at a time, whoever falls silent is followed and asks for
// the same moment, an outcome and its events are recorded once. Two stores over one database are two replicas.
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { AlertStore, type Reader } from "../../gateway/alerts/alert-store.ts";
import type { OnGone } from "../../gateway/alerts/settlements.ts";
import type { AlertState } from "../../gateway/alerts/schema.ts";
import { type GatewayDb, gatewayMigrations, type GatewaySchema } from "../../gateway/database.ts";
import { endUnwanted } from "../../gateway/watches/watch-endings.ts";
import type { NewWatch } from "../../gateway/watches/watch-creation.ts";
import { LEASE_MS, type Watch, WatchStore } from "../../gateway/watches/watch-store.ts";
import { onBothEngines } from "../core/both-engines.ts";

const HOUR_S = 3600;
const DAY_MS = 86_400_000;
const START_S = 1_800_000_000;

function suite(emptyDatabase: () => Promise<string>): void {
  let db: GatewayDb;
  let clock: ManualClock;
  let one: WatchStore;
  let two: WatchStore;

  beforeEach(async () => {
    db = await openDatabase<GatewaySchema>(await emptyDatabase(), gatewayMigrations);
    clock = new ManualClock(START_S * 1000);
    one = new WatchStore(db, clock, "one");
    two = new WatchStore(db, clock, "two");
  });
  afterEach(() => db.destroy());

  async function watch(id: string, more: Partial<Watch> = {}): Promise<void> {
    await one.create([wanted(id, more)]);
  }

  function wanted(id: string, more: Partial<Watch> = {}): NewWatch {
    return {
      id,
      client_id: "bank",
      jkt: "key",
      consent_id: `consent of ${id}`,
      status_uri: "https://authority.example/status-lists/0",
      status_idx: 1,
      product: "watch-phone@1",
      token: "token",
      proof: "proof",
      body: "body",
      body_sha256: "00",
      sealed: 0,
      sink: "https://bank.example/",
      every_s: HOUR_S,
      due_at: START_S,
      expires_at: null,
      max_events: null,
      ...more,
    };
  }

  const event = (id: string) => ({ id, type: "t", subject: "w1", time: START_S, data: { id } });
  const told = async (): Promise<string[]> => {
    const rows = await db.selectFrom("alert").select("id").orderBy("seq").execute();
    return rows.map(({ id }) => id);
  };

  test("many at once: each is new, there already, or refused alone", async () => {
    await watch("w1");
    const many = [
      wanted("w1"),
      wanted("w2"),
      wanted("w2"),
      wanted("w2", { body_sha256: "11" }),
      wanted("w1", { jkt: "another key" }),
      ...Array.from({ length: 25 }, (_, i) => wanted(`c${i}`, { consent_id: "one consent" })),
    ];
    const results = (await one.create(many)).map((result) =>
      "refusal" in result ? result.refusal.code : `${result.watch.id} ${result.created}`,
    );
    expect(results.slice(0, 5)).toEqual([
      "w1 false",
      "w2 true",
      "w2 false",
      "query-conflict",
      "query-conflict",
    ]);
    expect(results.slice(5)).toEqual([
      ...Array.from({ length: 24 }, (_, i) => `c${i} true`),
      "rate-limited",
    ]);
    expect((await told()).length).toBe(26);
  });

  test("the same many at two replicas at once: each is created once", async () => {
    const many = Array.from({ length: 150 }, (_, i) => wanted(`w${i}`));
    const results = (await Promise.all([one.create(many), two.create(many)])).flat();
    const ids = results.flatMap((result) => ("watch" in result ? [result.watch.id] : []));
    expect(ids.toSorted()).toEqual([...many, ...many].map(({ id }) => id).toSorted());
    expect(results.filter((result) => "watch" in result && result.created).length).toBe(150);
    expect((await told()).toSorted()).toEqual(many.map(({ id }) => `${id}.started`).toSorted());
  });

  test("outcomes together: each with its news, in order of the institutions", async () => {
    for (const i of [0, 1, 2, 3, 4])
      await watch(`w${i}`, { client_id: i < 2 ? "z-bank" : "a-bank" });
    const taken = (await one.lease(10)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const outcomes = taken.map((each, i) => ({
      watch: each,
      events: Array.from({ length: i % 3 }, (_, n) => event(`${each.id}.${n}`)),
    }));
    await one.record(outcomes);
    expect((await told()).filter((id) => !id.endsWith("started")).toSorted()).toEqual(
      outcomes.flatMap(({ events }) => events.map(({ id }) => id)).toSorted(),
    );
    const counted = await Promise.all(taken.map(async ({ id }) => (await one.find(id))?.events));
    expect(counted).toEqual([0, 1, 2, 0, 1]);
    expect(await one.lease(10)).toEqual([]);
  });

  test("what is due has one holder; when it falls silent the next asks for the same moment", async () => {
    await watch("w1");
    await watch("w2", { due_at: START_S + 60 });
    const [taken] = await one.lease(10);
    expect(taken).toMatchObject({ id: "w1", due_at: START_S, asked: 1 });
    expect(await two.lease(10)).toEqual([]);
    clock.advance(LEASE_MS / 2);
    await one.renew([taken as Watch]);
    clock.advance(LEASE_MS / 2 + 1);
    expect((await two.lease(10)).map(({ id }) => id)).toEqual([]);
    clock.advance(5 * HOUR_S * 1000);
    const later = await two.lease(10);
    // w1 was asked for, and its outcome is not known; of w2's moments the newest counts.
    expect(later.map(({ id, due_at }) => [id, due_at])).toEqual([
      ["w1", START_S],
      ["w2", START_S + 60 + 4 * HOUR_S],
    ]);
  });

  test("an outcome is recorded once, by whoever holds the lease", async () => {
    await watch("w1");
    const [first] = (await one.lease(10)) as [Watch];
    clock.advance(LEASE_MS + 1);
    const [second] = (await two.lease(10)) as [Watch];
    await one.record([{ watch: first, events: [event("late")] }]);
    await two.record([{ watch: second, events: [event("e1")] }]);
    await two.record([{ watch: second, events: [event("e2")] }]);
    expect(await told()).toEqual(["w1.started", "e1"]);
    expect(await one.find("w1")).toMatchObject({
      evaluated_at: START_S,
      due_at: START_S + HOUR_S,
      events: 1,
      asked: 0,
    });
    expect(await two.lease(10)).toEqual([]);
  });

  test("nothing new moves it on; a passing refusal brings it again; enough told ends it", async () => {
    await watch("w1", { max_events: 1 });
    const [taken] = (await one.lease(10)) as [Watch];
    await one.record([{ watch: taken, events: [] }]);
    clock.advance(HOUR_S * 1000);
    const [next] = (await one.lease(10)) as [Watch];
    expect(next.due_at).toBe(START_S + HOUR_S);
    await one.record([{ watch: next, againAt: clock.nowMs() + 5000, failed: true }]);
    expect(await one.lease(10)).toEqual([]);
    clock.advance(5000);
    const [again] = (await one.lease(10)) as [Watch];
    expect(again).toMatchObject({ due_at: START_S + HOUR_S, failures: 1 });
    await one.record([{ watch: again, events: [event("e1")] }]);
    expect(await told()).toEqual(["w1.started", "e1", "w1.ended"]);
    expect(await one.find("w1")).toMatchObject({
      state: "ended",
      reason: "max-events",
      token: null,
      body: null,
    });
  });

  test("ended under an evaluation: what it finds is not told, and it ends once", async () => {
    await watch("w1");
    const [taken] = (await one.lease(10)) as [Watch];
    await two.end("w1", "consent-revoked");
    await two.end("w1", "deleted");
    await one.record([{ watch: taken, events: [event("e1")] }]);
    expect(await told()).toEqual(["w1.started", "w1.ended"]);
    expect(await one.find("w1")).toMatchObject({ reason: "consent-revoked" });
  });

  test("a sink that answers 410 ends its watch; not one that tells another sink by now", async () => {
    await watch("w1");
    await watch("w2");
    const onGone: OnGone = async (tx, alert) => await endUnwanted(tx, alert, clock);
    const alerts = new AlertStore({ db, clock, owner: "one", onGone });
    const sink = "https://bank.example/";
    const claimed = await alerts.claim({ clientId: "bank", sink, limit: 10 });
    expect(claimed.map(({ id }) => id).toSorted()).toEqual(["w1.started", "w2.started"]);
    await one.change("w2", { sink: "https://bank.example/other" }, "moved");
    const gone = { outcome: "gone", status: 410, tookMs: 1, state: "dead" } as const;
    await alerts.settle(claimed.map((alert) => ({ ...gone, alert, dueAtMs: clock.nowMs() })));
    expect(await one.find("w1")).toMatchObject({
      state: "ended",
      reason: "sink-gone",
      token: null,
      body: null,
    });
    expect(await one.find("w2")).toMatchObject({ state: "active", reason: null });
    const ids = async (state: AlertState): Promise<string[]> =>
      (await alerts.read({ clientId: "bank" }, 0, 10, state)).map(({ id }) => id);
    // Its end is not sent to a sink that wants no more, and can be read.
    expect(await ids("dead")).toEqual(["w1.started", "w2.started", "w1.ended"]);
    expect(await ids("pending")).toEqual(["w2.updated.moved"]);
    expect((await one.lease(10)).map(({ id }) => id)).toEqual(["w2"]);
  });

  test("one that has ended is kept for 34 days, and for as long as an alert of it can be read", async () => {
    const alerts = new AlertStore({ db, clock, owner: "one" });
    await watch("w1");
    await watch("w2", {
      client_id: "lender",
      jkt: "key of lender",
      sink: "https://lender.example/",
    });
    const settle = async (clientId: string, state: "dead" | "delivered"): Promise<void> => {
      const sink = `https://${clientId}.example/`;
      const outcome = state === "dead" ? "connect" : state;
      const claimed = await alerts.claim({ clientId, sink, limit: 10 });
      const result = {
        outcome,
        status: undefined,
        tookMs: 1,
        state,
        dueAtMs: clock.nowMs(),
      } as const;
      await alerts.settle(claimed.map((alert) => ({ ...result, alert })));
    };
    const moveTo = async (day: number): Promise<void> => {
      clock.advance(START_S * 1000 + day * DAY_MS - clock.nowMs());
      await alerts.purge();
      await one.purge();
    };
    const known = async () => [(await one.find("w1"))?.id, (await one.find("w2"))?.id];
    await one.end("w1", "deleted");
    await one.end("w2", "deleted");
    await settle("lender", "delivered");
    await moveTo(3);
    await settle("bank", "dead");
    await moveTo(32);
    expect(await known()).toEqual(["w1", "w2"]);
    expect(await alerts.redeliver({ clientId: "bank" })).toBe(2);
    await moveTo(35);
    await settle("bank", "dead");
    expect(await known()).toEqual(["w1", undefined]);
    await moveTo(64);
    const reader = await alerts.readerBy("key");
    expect(await alerts.read(reader as Reader, 0, 10, "dead")).toHaveLength(2);
    await moveTo(65);
    expect(await known()).toEqual([undefined, undefined]);
  });

  test("sealed ones and others are not taken together", async () => {
    await watch("w1");
    await watch("w2", { sealed: 1 });
    const taken = [await one.lease(10), await two.lease(10)];
    const sealed = taken.map((some) => some.map((each) => each.sealed).join());
    expect(sealed.toSorted()).toEqual(["0", "1"]);
  });
}

onBothEngines(suite);
