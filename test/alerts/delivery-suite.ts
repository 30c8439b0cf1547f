// The delivery on either engine, over sinks that the test plays: leases, retries, dead letters, fairness. Failure would be an alert
// that is neither delivered nor dead nor pending, one that is tried by two replicas at once, or a sink that waits for another. An alert that arrives twice is not a failure: its id is the same.
import { generateKeyPairSync } from "node:crypto";
import type { Kysely } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { silentLogger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import {
  type Alert,
  AlertStore,
  type Claim,
  LEASE_MS,
  type Reader,
} from "../../gateway/alerts/alert-store.ts";
import { AlertDelivery, LOT, SINKS_AT_ONCE } from "../../gateway/alerts/delivery.ts";
import { type CloudEvent, type Envelope, Envelopes } from "../../gateway/alerts/envelope.ts";
import { enqueue } from "../../gateway/alerts/outbox.ts";
import { AT_ONCE } from "../../gateway/alerts/retry.ts";
import type { AlertOutcome } from "../../gateway/alerts/schema.ts";
import type { Attempt } from "../../gateway/alerts/send.ts";
import type { Settlement } from "../../gateway/alerts/settlements.ts";
import { PUBLIC_SINKS, parseSink } from "../../gateway/alerts/sink.ts";
import { putOff } from "../../gateway/alerts/sink-moments.ts";
import { gatewayMigrations, type GatewayDb, type GatewaySchema } from "../../gateway/database.ts";
import { endedWatch, event } from "./outbox-suite.ts";

const DAY_MS = 86_400_000;
const KEYS = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** What a sink says to an event. */
type Sink = (event: CloudEvent, sink: string) => AlertOutcome | Promise<AlertOutcome>;

/** mulberry32: a deterministic stream of numbers. */
function seeded(seed: number): Random {
  let state = seed;
  return {
    bytes: () => Buffer.alloc(0),
    unit() {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `w${i}`);

export function deliverySuite(emptyDatabase: () => Promise<string>): void {
  describe("delivery", () => {
    let db: GatewayDb;
    let clock: ManualClock;
    let store: AlertStore;

    beforeEach(async () => {
      db = await openDatabase<GatewaySchema>(await emptyDatabase(), gatewayMigrations);
      clock = new ManualClock(1_800_000_000_000);
      store = new AlertStore({ db, clock, owner: "one" });
    });
    afterEach(async () => {
      // Whatever a test did: a sink that something is pending for is looked for, and no other.
      const pending = db.selectFrom("alert").where("state", "=", "pending");
      const sinks = await pending.select(["client_id", "sink"]).distinct().execute();
      const looked = await db.selectFrom("alert_sink").select(["client_id", "sink"]).execute();
      await db.destroy();
      const known = (rows: typeof sinks) => rows.map((row) => `${row.client_id} ${row.sink}`);
      expect(known(looked).toSorted()).toEqual(known(sinks).toSorted());
    });

    const sinkOf = (clientId: string): string => `https://${clientId}.example/alerts`;

    async function put(clientId: string, ...ids: string[]): Promise<void> {
      await putTo(clientId, sinkOf(clientId), ids);
    }

    async function putTo(clientId: string, sink: string, ids: readonly string[]): Promise<void> {
      const events = ids.map((id) => event(id, `watch-${id.split("/")[0]}`));
      await db.transaction().execute(async (tx) => await enqueue(tx, { clientId, sink }, events));
    }

    const claim = async (of: AlertStore, limit: number): Promise<Alert[]> =>
      await of.claim({ clientId: "bank", sink: sinkOf("bank"), limit });

    function delivery(sink: Sink, of = store, random: Random = seeded(1)): AlertDelivery {
      const post = async (
        url: string,
        { body }: Envelope,
        signal: AbortSignal,
      ): Promise<Attempt> => {
        const said = await sink(JSON.parse(body.toString()) as CloudEvent, url);
        signal.throwIfAborted();
        return { outcome: said, status: said === "delivered" ? 204 : undefined, tookMs: 5 };
      };
      const envelopes = new Envelopes(KEYS.privateKey, "https://gateway.example");
      return new AlertDelivery({
        store: of,
        envelopes,
        sinks: { post },
        clock,
        random,
        log: silentLogger,
      });
    }

    async function round(of: AlertDelivery): Promise<void> {
      await of.look();
      await of.idle();
    }

    const states = async (clientId = "bank"): Promise<Record<string, string>> =>
      Object.fromEntries(
        (await store.read({ clientId }, 0, 1000)).map(({ id, state }) => [id, state]),
      );

    test("what is due is delivered, once, to its sink", async () => {
      await put("bank", "a", "b");
      await put("lender", "c");
      const got: string[] = [];
      await using carrier = delivery(({ id, recipient }, sink) => {
        got.push(`${id} ${recipient} ${sink}`);
        return "delivered";
      });
      await round(carrier);
      await round(carrier);
      expect(got.toSorted()).toEqual([
        "a bank https://bank.example/alerts",
        "b bank https://bank.example/alerts",
        "c lender https://lender.example/alerts",
      ]);
      expect(await states()).toEqual({ a: "delivered", b: "delivered" });
      const [attempt, ...more] = await store.attempts({ clientId: "bank" }, 1, 10);
      expect(more).toEqual([]);
      expect(attempt).toMatchObject({ attempt: 1, outcome: "delivered", status: 204, took_ms: 5 });
    });

    test("a receiver that is down half the time, and loses answers, gets every alert at least once", async () => {
      const ids = numbered(120);
      await put("bank", ...ids);
      const dice = seeded(7);
      const got = new Map<string, number>();
      await using carrier = delivery(({ id }) => {
        if (dice.unit() < 0.5) return "connect";
        got.set(id, (got.get(id) ?? 0) + 1);
        return dice.unit() < 0.2 ? "timeout" : "delivered";
      });
      for (let rounds = 0; (await store.countPending()) > 0; rounds++) {
        expect(rounds).toBeLessThan(1000);
        await round(carrier);
        clock.advance(5000);
      }
      expect([...got.keys()].toSorted()).toEqual(ids.toSorted());
      expect(Math.max(...got.values())).toBeGreaterThan(1);
      expect(new Set(Object.values(await states()))).toEqual(new Set(["delivered"]));
    });

    test("a sink that stays down: tried less and less, one at a time, and given up after three days", async () => {
      await put("bank", ...numbered(50));
      let tries = 0;
      await using carrier = delivery(() => {
        tries += 1;
        return "connect";
      });
      await round(carrier);
      // One round of sixteen, and then one alert after each pause.
      expect(tries).toBeLessThanOrEqual(24);
      const pending: number[] = [];
      for (let hours = 1; hours <= 73; hours++) {
        clock.advance(DAY_MS / 24);
        await round(carrier);
        pending.push(await store.countPending());
      }
      // None a minute before its time, and then the whole backlog at once, however long it would take to try it all.
      expect(pending.slice(0, 71)).toEqual(Array.from({ length: 71 }, () => 50));
      expect(pending.at(-1)).toBe(0);
      expect(new Set(Object.values(await states()))).toEqual(new Set(["dead"]));
      const dead = await store.read({ clientId: "bank" }, 0, 100, "dead");
      expect(dead).toHaveLength(50);
      expect(new Set(dead.map(({ outcome }) => outcome))).toEqual(new Set(["connect"]));
      // One or a few an hour for all of them together, and not fifty.
      expect(tries).toBeLessThan(50 * 24);
    });

    test("a look sees the sinks that something is due for, and no others", async () => {
      const waiting = async () =>
        (await store.waiting()).map(({ clientId }) => clientId).toSorted();
      await put("bank", "a", "b");
      await put("lender", "c");
      expect(await waiting()).toEqual(["bank", "lender"]);
      const [held] = await claim(store, 1);
      // Another is due still.
      expect(await waiting()).toEqual(["bank", "lender"]);
      await claim(store, 1);
      expect(await waiting()).toEqual(["lender"]);
      await store.release([held as Alert]);
      expect(await waiting()).toEqual(["bank", "lender"]);
      await using carrier = delivery((_, sink) =>
        sink === sinkOf("lender") ? "delivered" : "status-4xx",
      );
      await round(carrier);
      expect(await waiting()).toEqual([]);
      const later = { ...event("later"), time: clock.nowMs() / 1000 + 3600 };
      const to = { clientId: "lender", sink: sinkOf("lender") };
      await db.transaction().execute(async (tx) => await enqueue(tx, to, [later]));
      expect(await waiting()).toEqual([]);
      clock.advance(3_600_000);
      // And the lease of the one that nobody gave back.
      expect(await waiting()).toEqual(["bank", "lender"]);
    });

    test("a sink that is away is not looked at before it is tried again, but for what is new", async () => {
      await put("bank", ...numbered(2 * AT_ONCE));
      await using carrier = delivery(() => "connect");
      for (let minutes = 0; minutes < 20; minutes++) {
        await round(carrier);
        clock.advance(60_000);
      }
      await round(carrier);
      // Away for twenty minutes, it rests for half a minute at least; all of it is due, a second later at most.
      clock.advance(10_000);
      expect(await store.waiting()).toEqual([]);
      expect(await claim(store, 1)).toHaveLength(1);
      await put("bank", "new");
      expect(await store.waiting()).toHaveLength(1);
    });

    test("sinks that had something pending when this came are looked at", async () => {
      await put("bank", "a", "b");
      await put("lender", "c");
      await db.schema.dropTable("alert_sink").execute();
      const adding = gatewayMigrations.find(({ name }) => name.endsWith("-alert-sinks"));
      await adding?.up(db as unknown as Kysely<unknown>, { bytes: "blob" });
      expect((await store.waiting()).map(({ sink }) => sink).toSorted()).toEqual(
        ["bank", "lender"].map(sinkOf),
      );
    });

    test("what was written without a word of when it is due is found, and a sink that rests is left alone", async () => {
      await put("bank", "a", "b");
      await put("lender", "c");
      await put("resting", "d");
      const restUntilMs = clock.nowMs() + 60_000;
      await store.claim({ clientId: "resting", sink: sinkOf("resting"), limit: 1, restUntilMs });
      // As a replica writes them that knows no rows of sinks.
      await db.deleteFrom("alert_sink").where("client_id", "!=", "resting").execute();
      const got: string[] = [];
      await using carrier = delivery(({ id }) => {
        got.push(id);
        return "delivered";
      });
      await round(carrier);
      expect(got).toEqual([]);
      await store.findMissed();
      await round(carrier);
      expect(got.toSorted()).toEqual(["a", "b", "c"]);
      await store.findMissed();
      expect(await store.waiting()).toEqual([]);
    });

    test("a dead letter that is wanted after all has three days again", async () => {
      await put("bank", "a", "b");
      let up = false;
      await using carrier = delivery(() => (up ? "delivered" : "status-4xx"));
      for (let hours = 0; hours < 100; hours++) {
        await round(carrier);
        clock.advance(DAY_MS / 24);
      }
      expect(await states()).toEqual({ a: "dead", b: "dead" });
      expect(await store.redeliver({ clientId: "lender" })).toBe(0);
      expect(await store.redeliver({ clientId: "lender" }, 1)).toBe(0);
      up = true;
      expect(await store.redeliver({ clientId: "bank" }, 2)).toBe(1);
      clock.advance(60_000);
      await round(carrier);
      expect(await states()).toEqual({ a: "dead", b: "delivered" });
      expect(await store.redeliver({ clientId: "bank" }, 2)).toBe(0);
      expect(await store.redeliver({ clientId: "bank" })).toBe(1);
      await round(carrier);
      expect(await states()).toEqual({ a: "delivered", b: "delivered" });
    });

    test("410 ends what waits for that watch, and for no other", async () => {
      await put("bank", ...Array.from({ length: 20 }, (_, i) => `gone/${i}`), "other");
      await put("lender", "gone/1");
      let asked = 0;
      await using carrier = delivery(({ subject, recipient }) => {
        if (subject !== "watch-gone" || recipient !== "bank") return "delivered";
        asked += 1;
        return "gone";
      });
      await round(carrier);
      const { other, ...ended } = await states();
      expect(other).toBe("delivered");
      expect(new Set(Object.values(ended))).toEqual(new Set(["dead"]));
      expect(asked).toBeLessThanOrEqual(16);
      expect(await states("lender")).toEqual({ "gone/1": "delivered" });
    });

    test("a sink that hangs holds up nobody else", async () => {
      await put("slow", "a", "b");
      await put("bank", "c");
      await putTo("slow", "https://slow.example/other", ["d"]);
      const hanging = Promise.withResolvers<AlertOutcome>();
      let others = 0;
      await using carrier = delivery((_, sink) => {
        if (sink === sinkOf("slow")) return hanging.promise;
        others += 1;
        return "delivered";
      });
      await carrier.look();
      await put("bank", "e");
      // The lane that is free takes what has come meanwhile; the one that hangs is not waited for.
      for (let all = false; !all; all = others >= 3) {
        await carrier.look();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await states("slow")).toMatchObject({ a: "pending", b: "pending" });
      hanging.resolve("delivered");
      await carrier.idle();
      expect(await states("slow")).toEqual({ a: "delivered", b: "delivered", d: "delivered" });
    });

    test("of two replicas one has an alert; what a dead one held is tried by the other, later", async () => {
      const two = new AlertStore({ db, clock, owner: "two" });
      await put("bank", "a", "b", "c");
      const [mine, theirs] = await Promise.all([claim(store, 2), claim(two, 3)]);
      const claimed = [...mine, ...theirs].map(({ id }) => id);
      expect(new Set(claimed).size).toBe(claimed.length);
      await claim(two, 3);
      expect(await claim(two, 3)).toEqual([]);
      clock.advance(LEASE_MS - 1);
      expect(await claim(two, 3)).toEqual([]);
      clock.advance(1);
      const again = await claim(two, 3);
      expect(again.map(({ id }) => id).toSorted()).toEqual(["a", "b", "c"]);
    });

    test("who has lost its lease settles nothing", async () => {
      const two = new AlertStore({ db, clock, owner: "two" });
      await put("bank", "a");
      const [mine] = (await claim(store, 1)) as [Alert];
      clock.advance(LEASE_MS);
      const [theirs] = (await claim(two, 1)) as [Alert];
      const dead = {
        outcome: "tls",
        status: undefined,
        tookMs: 1,
        state: "dead",
        dueAtMs: 0,
      } as const;
      await store.settle([{ alert: mine, ...dead }]);
      await store.release([mine]);
      expect(await states()).toEqual({ a: "pending" });
      expect(await claim(store, 1)).toEqual([]);
      await two.settle([{ alert: theirs, ...dead, outcome: "delivered", state: "delivered" }]);
      expect(await states()).toEqual({ a: "delivered" });
      expect(
        (await store.attempts({ clientId: "bank" }, 1, 9)).map(({ attempt }) => attempt),
      ).toEqual([2]);
    });

    test("a process that stops gives back all that it holds, as if it had not been claimed", async () => {
      await put("bank", ...numbered(LOT));
      const hanging = Promise.withResolvers<AlertOutcome>();
      const carrier = delivery(() => hanging.promise);
      await carrier.look();
      while ((await store.read({ clientId: "bank" }, 0, 1))[0]?.attempts === 0)
        await carrier.look();
      const stopping = carrier[Symbol.asyncDispose]();
      hanging.resolve("delivered");
      await stopping;
      const again = await claim(store, 2 * LOT);
      expect(again).toHaveLength(LOT);
      expect(new Set(again.map(({ attempts }) => attempts))).toEqual(new Set([1]));
    });

    test("so does a lane with a fault", async () => {
      await put("bank", ...numbered(LOT));
      await using carrier = delivery(() => {
        throw new Error("a fault of ours");
      });
      await round(carrier);
      const again = await claim(store, 2 * LOT);
      expect(again).toHaveLength(LOT);
      expect(new Set(again.map(({ attempts }) => attempts))).toEqual(new Set([1]));
    });

    test("what is given back goes before what has come since", async () => {
      await put("bank", "a", "b");
      const later = { ...event("c"), time: event("c").time + 1 };
      const to = { clientId: "bank", sink: sinkOf("bank") };
      await db.transaction().execute(async (tx) => await enqueue(tx, to, [later]));
      clock.advance(5000);
      const held = await claim(store, 2);
      clock.advance(10_000);
      await store.release(held);
      expect((await claim(store, 2)).map(({ id }) => id).toSorted()).toEqual(["a", "b"]);
    });

    test("a transaction that fails makes nothing come twice", async () => {
      await put("bank", ...numbered(LOT + 1));
      let failures = 1;
      class Failing extends AlertStore {
        override async turn(settlements: readonly Settlement[], to?: Claim) {
          if (settlements.length > 0 && failures-- > 0) throw new Error("no database");
          return await super.turn(settlements, to);
        }
      }
      const got: string[] = [];
      await using carrier = delivery(
        ({ id }) => {
          got.push(id);
          return "delivered";
        },
        new Failing({ db, clock, owner: "one" }),
      );
      await round(carrier);
      await round(carrier);
      clock.advance(LEASE_MS);
      await round(carrier);
      expect(failures).toBeLessThan(0);
      expect(got.toSorted()).toEqual(numbered(LOT + 1).toSorted());
      expect(await store.countPending()).toBe(0);
    });

    test("where one place is free a whole lot is claimed, and not one alert", async () => {
      await put("bank", ...numbered(3 * LOT));
      const limits: number[] = [];
      class Noting extends AlertStore {
        override async turn(settlements: readonly Settlement[], to?: Claim) {
          if (to !== undefined) limits.push(to.limit);
          return await super.turn(settlements, to);
        }
      }
      const hanging = Promise.withResolvers<AlertOutcome>();
      let begun = 0;
      await using carrier = delivery(
        () => {
          begun += 1;
          if (begun === 2 * LOT) hanging.resolve("delivered");
          return begun < AT_ONCE ? hanging.promise : "delivered";
        },
        new Noting({ db, clock, owner: "one" }),
      );
      await round(carrier);
      expect(await store.countPending()).toBe(0);
      expect(new Set(limits)).toEqual(new Set([LOT]));
    });

    test("a dead sink's backlog holds up no other sink of the same institution", async () => {
      await put("bank", ...numbered(40));
      const live = "https://bank.example/live";
      await using carrier = delivery((_, sink) => (sink === live ? "delivered" : "connect"));
      for (let minutes = 0; minutes < 10; minutes++) {
        await round(carrier);
        clock.advance(60_000);
      }
      await putTo("bank", live, ["new"]);
      await round(carrier);
      const { new: told, ...others } = await states();
      expect(told).toBe("delivered");
      expect(new Set(Object.values(others))).toEqual(new Set(["pending"]));
    });

    test("an institution with many sinks that hang opens no more than its share, and each has its turn", async () => {
      const sinks = numbered(SINKS_AT_ONCE + 3).map((name) => `https://${name}.example/`);
      for (const sink of sinks) await putTo("bank", sink, [sink]);
      const hanging = Promise.withResolvers<AlertOutcome>();
      const full = Promise.withResolvers<void>();
      let tried = 0;
      await using carrier = delivery(() => {
        tried += 1;
        if (tried === SINKS_AT_ONCE) full.resolve();
        return hanging.promise;
      });
      await carrier.look();
      await full.promise;
      for (let looks = 0; looks < 10; looks++) {
        await carrier.look();
        await new Promise((resolve) => setImmediate(resolve));
      }
      const atOnce = tried;
      hanging.resolve("timeout");
      await carrier.idle();
      expect(atOnce).toBe(SINKS_AT_ONCE);
      // All are due again, and those that have had no turn come first.
      clock.advance(10_000);
      await round(carrier);
      const attempts = (await store.read({ clientId: "bank" }, 0, 100)).map(
        (alert) => alert.attempts,
      );
      expect(Math.min(...attempts)).toBe(1);
    });

    test("the longest address that is taken fits into every index", async () => {
      const dice = seeded(3);
      // Nothing that an engine could make shorter.
      const bytes = Buffer.from(Array.from({ length: 1600 }, () => Math.floor(dice.unit() * 256)));
      const path = bytes.toString("base64url").slice(0, 2048 - "https://bank.example/".length);
      const { href } = parseSink(`https://bank.example/${path}`, PUBLIC_SINKS);
      expect(href).toHaveLength(2048);
      await putTo("b".repeat(64), href, ["a"]);
      expect(await store.waiting()).toEqual([{ clientId: "b".repeat(64), sink: href }]);
    });

    test("a key alone reads what its own watches told, and what is another's is not there", async () => {
      const watch = async (id: string, clientId: string, jkt: string): Promise<void> => {
        await db
          .insertInto("watch")
          .values(endedWatch(`watch-${id}`, clientId, jkt))
          .execute();
      };
      await put("bank", "a/1", "b/1", "a/2");
      await put("lender", "c/1", "a/1");
      await watch("a", "bank", "key");
      await watch("b", "bank", "key of old");
      await watch("c", "lender", "key of lender");
      const reader = (await store.readerBy("key")) as Reader;
      const ids = async (of = reader) => (await store.read(of, 0, 9)).map(({ id }) => id);
      expect(await ids()).toEqual(["a/1", "a/2"]);
      expect(await ids((await store.readerBy("key of lender")) as Reader)).toEqual(["c/1"]);
      await using carrier = delivery(() => "gone");
      await round(carrier);
      expect(await store.attempts(reader, 2, 9)).toEqual([]);
      expect(await store.redeliver(reader, 2)).toBe(0);
      expect(await store.redeliver(reader)).toBe(2);
      expect((await store.read(reader, 1, 9, "pending")).map(({ seq }) => seq)).toEqual([3]);
      // Of nobody, and of two: it does not say who asks.
      expect(await store.readerBy("unknown")).toBeUndefined();
      await watch("d", "lender", "key");
      expect(await store.readerBy("key")).toBeUndefined();
    });

    test("on PostgreSQL, what is enqueued while its sink is put off is looked for all the same", async () => {
      if (db.engine !== "postgres") return;
      await put("bank", "a");
      const to = { clientId: "bank", sink: sinkOf("bank") };
      // Enqueued first, committed last: the row is somebody else's, and stays as it is.
      await db.transaction().execute(async (tx) => {
        await enqueue(tx, to, [event("b")]);
        expect(await claim(store, 9)).toHaveLength(1);
      });
      expect(await store.waiting()).toHaveLength(1);
      // Put off first: what is enqueued meanwhile waits, and then finds that it has to be brought forward.
      const putting = Promise.withResolvers<void>();
      const claimed = Promise.withResolvers<void>();
      const held = db.transaction().execute(async (tx) => {
        await tx.updateTable("alert").set({ state: "delivered", settled_at: 1 }).execute();
        await putOff(tx, "postgres", to, 0);
        claimed.resolve();
        await putting.promise;
      });
      await claimed.promise;
      const enqueued = put("bank", "c");
      putting.resolve();
      await Promise.all([held, enqueued]);
      expect(await store.waiting()).toHaveLength(1);
    });

    test("on PostgreSQL, what another replica is claiming is not waited for", async () => {
      if (db.engine !== "postgres") return;
      await put("bank", "a", "b");
      await db.transaction().execute(async (tx) => {
        await tx.selectFrom("alert").select("seq").where("id", "=", "a").forUpdate().execute();
        expect((await claim(store, 2)).map(({ id }) => id)).toEqual(["b"]);
      });
    });

    test("what was settled long ago is destroyed, and its attempts with it", async () => {
      await put("bank", "a");
      await using carrier = delivery(() => "delivered");
      await round(carrier);
      clock.advance(29 * DAY_MS);
      await put("bank", "b");
      await store.purge();
      expect(Object.keys(await states())).toEqual(["a", "b"]);
      clock.advance(DAY_MS);
      await store.purge();
      expect(await states()).toEqual({ b: "pending" });
      expect(await store.attempts({ clientId: "bank" }, 1, 10)).toEqual([]);
      const { last } = await db
        .selectFrom("alert_stream")
        .select("last")
        .where("client_id", "=", "bank")
        .executeTakeFirstOrThrow();
      expect(last).toBe(2);
    });
  });
}
