// The life of a consent, the same tests over either engine: every action in every state, spending under concurrency and
// through failures, frequency, status bits, erasure. A failure is: a state or a count that no event accounts for, or a
// use more than the person allowed. Not a failure: an action that is refused and changes nothing.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { type Database, openDatabase } from "../../core/database.ts";
import { systemRandom } from "../../core/random.ts";
import { subjectTag } from "../../crypto/subject.ts";
import { AtRest } from "../../consent/at-rest.ts";
import { addClient } from "../../consent/clients.ts";
import { QueryAuthorization } from "../../consent/consent-claims.ts";
import { type ConsentAction, type ConsentEvent, TRANSITIONS } from "../../consent/consent-event.ts";
import { CONSENT_STATES, type ConsentState, readConsent } from "../../consent/consent-record.ts";
import { ConsentLifecycle } from "../../consent/lifecycle.ts";
import { consentMigrations, type ConsentSchema, type Transact } from "../../consent/schema.ts";
import { GroupSpending } from "../../consent/spend-group.ts";
import { StatusListCache } from "../../consent/status-list.ts";
import { LIST_SIZE, StatusIssuer } from "../../consent/status-slots.ts";
import { bank, makeClientKeys } from "./oidc-fixture.ts";

const START = 1_800_000_000_000;
const DAY_MS = 86_400_000;

const ONCE = QueryAuthorization.parse({
  type: "weijifen_query",
  actions: ["credit-score@1"],
  fetch: "ONETIME",
  max_uses: 1,
  result: "score",
  retention: { unit: "DAY", value: 30 },
  term: { unit: "DAY", value: 10 },
});

interface Bench extends AsyncDisposable {
  readonly db: Database<ConsentSchema>;
  readonly clock: ManualClock;
  readonly atRest: AtRest;
  readonly lifecycle: ConsentLifecycle;
  readonly events: ConsentEvent[];
  readonly transact: Transact;
  /** Makes the next event fail to be recorded. */
  failNextEvent(): void;
  give(terms?: QueryAuthorization): Promise<string>;
  in(state: ConsentState): Promise<string>;
  state(id: string): Promise<ConsentState>;
}

async function openBench(url: string): Promise<Bench> {
  const db = await openDatabase<ConsentSchema>(url, consentMigrations);
  const clock = new ManualClock(START);
  const atRest = new AtRest(randomBytes(32));
  const events: ConsentEvent[] = [];
  let failing = false;
  const lifecycle = new ConsentLifecycle({
    atRest,
    timeOf: () => clock.nowMs(),
    random: systemRandom,
    recordEvent: async (_tx, event) => {
      if (failing) {
        failing = false;
        throw new Error("the log is full");
      }
      events.push(event);
    },
  });
  await addClient(db, clock, bank(await makeClientKeys()));
  const transact: Transact = (work) => db.transaction().execute(work);
  let count = 0;

  const request = async (terms: QueryAuthorization) => {
    const id = `consent-${String(++count).padStart(20, "0")}`;
    await transact((tx) =>
      lifecycle.request(tx, {
        id,
        clientId: "demo-bank",
        recipient: "示范银行",
        purpose: "dpv:CreditChecking",
        terms,
        audience: "https://gateway.example",
        subjectTag: subjectTag(Buffer.alloc(32, 1), "msisdn", "+8613812345678"),
        contactIndex: "phone",
        notice: {
          uri: "https://authority.example/notices/x",
          version: "1",
          sha256: "x".repeat(43),
        },
        lapsesAt: clock.nowMs() + 600_000,
      }),
    );
    return id;
  };
  const give = async (terms = ONCE) => {
    const id = await request(terms);
    await transact((tx) => lifecycle.approve(tx, id, { terms, evidence: {} }));
    return id;
  };
  const act = (id: string, action: "pause" | "resume" | "revoke") =>
    transact((tx) => lifecycle.change(tx, id, action, "person"));

  return {
    db,
    clock,
    atRest,
    lifecycle,
    events,
    transact,
    failNextEvent: () => {
      failing = true;
    },
    give,
    state: async (id) => (await readConsent(db, atRest, id)).state,
    async in(state) {
      if (state === "REQUESTED") return request(ONCE);
      if (state === "DENIED") {
        const id = await request(ONCE);
        await transact((tx) => lifecycle.deny(tx, id, "person"));
        return id;
      }
      const id = await give();
      if (state === "PAUSED") await act(id, "pause");
      if (state === "REVOKED") await act(id, "revoke");
      if (state === "CONSUMED") await transact((tx) => spend(lifecycle, tx, id, "q"));
      if (state === "EXPIRED") {
        clock.advance(10 * DAY_MS);
        await transact((tx) => lifecycle.expireDue(tx));
      }
      return id;
    },
    [Symbol.asyncDispose]: () => db.destroy(),
  };
}

function spend(
  lifecycle: ConsentLifecycle,
  tx: Parameters<ConsentLifecycle["spend"]>[0],
  consentId: string,
  releaseId: string,
) {
  return lifecycle.spend(tx, { consentId, releaseId, product: "credit-score@1" });
}

function perform(bench: Bench, id: string, action: ConsentAction): Promise<unknown> {
  const { lifecycle, transact } = bench;
  switch (action) {
    case "approve":
      return transact((tx) => lifecycle.approve(tx, id, { terms: ONCE, evidence: {} }));
    case "deny":
      return transact((tx) => lifecycle.deny(tx, id, "person"));
    case "pause":
    case "resume":
    case "revoke":
      return transact((tx) => lifecycle.change(tx, id, action, "person"));
    case "consume":
      return transact((tx) => spend(lifecycle, tx, id, "another"));
    case "expire":
      throw new Error("time's, not anybody's");
  }
}

function code(expected: string) {
  return expect.objectContaining({ code: expected });
}

/** @param address gives the address of an empty database. */
export function lifecycleSuite(address: () => Promise<string>): void {
  test("every action in every state: legal ones change it with one event, others change nothing", async () => {
    await using bench = await openBench(await address());
    const actions = (Object.keys(TRANSITIONS) as ConsentAction[]).filter((a) => a !== "expire");
    for (const state of CONSENT_STATES) {
      for (const action of actions) {
        const id = await bench.in(state);
        const before = bench.events.length;
        const { from, to } = TRANSITIONS[action];
        if ((from as readonly string[]).includes(state)) {
          await perform(bench, id, action);
          expect(await bench.state(id), `${action} in ${state}`).toBe(to);
          const made = bench.events.slice(before);
          expect(made.map((e) => [e.action, e.from, e.to])).toEqual([[action, state, to]]);
        } else {
          await expect(perform(bench, id, action), `${action} in ${state}`).rejects.toThrow();
          expect(await bench.state(id)).toBe(state);
          expect(bench.events).toHaveLength(before);
        }
      }
    }
  });

  test("an illegal transition is consent-transition; an unknown consent is consent-unknown", async () => {
    await using bench = await openBench(await address());
    const id = await bench.in("REVOKED");
    await expect(perform(bench, id, "resume")).rejects.toThrow(code("consent-transition"));
    await expect(perform(bench, "nobody", "pause")).rejects.toThrow(code("consent-unknown"));
  });

  test("a change whose event cannot be recorded has not happened", async () => {
    await using bench = await openBench(await address());
    const id = await bench.give();
    bench.failNextEvent();
    await expect(perform(bench, id, "revoke")).rejects.toThrow("the log is full");
    expect(await bench.state(id)).toBe("ACTIVE");
    bench.failNextEvent();
    await expect(perform(bench, id, "consume")).rejects.toThrow("the log is full");
    expect((await readConsent(bench.db, bench.atRest, id)).uses).toBe(0);
    await perform(bench, id, "consume");
    expect(await bench.state(id)).toBe("CONSUMED");
  });

  test("time: what is over cannot be used or changed, and becomes EXPIRED once", async () => {
    await using bench = await openBench(await address());
    const [active, paused] = [await bench.give(), await bench.in("PAUSED")];
    const asked = await bench.in("REQUESTED");
    bench.clock.advance(600_000);
    await expect(perform(bench, asked, "approve")).rejects.toThrow(code("consent-expired"));
    bench.clock.advance(10 * DAY_MS);
    for (const action of ["pause", "revoke", "consume"] as const) {
      await expect(perform(bench, active, action)).rejects.toThrow(code("consent-expired"));
    }
    const { lifecycle, transact, db } = bench;
    await expect(lifecycle.requireActive(db, active)).rejects.toThrow(code("consent-expired"));
    expect(await transact((tx) => lifecycle.expireDue(tx))).toBe(3);
    expect(await transact((tx) => lifecycle.expireDue(tx))).toBe(0);
    for (const id of [active, paused, asked]) expect(await bench.state(id)).toBe("EXPIRED");
  });

  test("max_uses under concurrency: exactly that many releases spend, then CONSUMED, once", async () => {
    await using bench = await openBench(await address());
    const id = await bench.give({ ...ONCE, max_uses: 5 });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        bench.transact((tx) => spend(bench.lifecycle, tx, id, `query-${i}`)),
      ),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toEqual(code("consent-consumed"));
    }
    expect(await readConsent(bench.db, bench.atRest, id)).toMatchObject({
      uses: 5,
      state: "CONSUMED",
    });
    expect(bench.events.filter(({ action }) => action === "consume")).toHaveLength(1);
  });

  test("one release spends once, however often and however concurrently it is retried", async () => {
    await using bench = await openBench(await address());
    const id = await bench.give({ ...ONCE, max_uses: 3 });
    const results = await Promise.all(
      Array.from({ length: 10 }, () =>
        bench.transact((tx) => spend(bench.lifecycle, tx, id, "the-query")),
      ),
    );
    expect(results.filter(({ already }) => !already)).toHaveLength(1);
    expect((await readConsent(bench.db, bench.atRest, id)).uses).toBe(1);
  });

  test("a crash before the commit has spent nothing; after it, once", async () => {
    await using bench = await openBench(await address());
    const id = await bench.give();
    const crashing = bench.transact(async (tx) => {
      await spend(bench.lifecycle, tx, id, "the-query");
      throw new Error("kill -9");
    });
    await expect(crashing).rejects.toThrow("kill -9");
    expect(await readConsent(bench.db, bench.atRest, id)).toMatchObject({
      uses: 0,
      state: "ACTIVE",
    });
    await bench.transact((tx) => spend(bench.lifecycle, tx, id, "the-query"));
    const again = await bench.transact((tx) => spend(bench.lifecycle, tx, id, "the-query"));
    expect(again).toEqual({ already: true, uses: 1, maxUses: 1 });
  });

  test("frequency: at most so many in any one period, also under concurrency; later again", async () => {
    await using bench = await openBench(await address());
    const id = await bench.give({
      ...ONCE,
      fetch: "PERIODIC",
      frequency: { unit: "DAY", value: 2 },
      max_uses: 10,
    });
    const ask = (releaseId: string) =>
      bench.transact((tx) => spend(bench.lifecycle, tx, id, releaseId));
    const results = await Promise.allSettled(["a", "b", "c", "d"].map(ask));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    await expect(ask("e")).rejects.toThrow(code("consent-frequency"));
    bench.clock.advance(DAY_MS - 1);
    await expect(ask("f")).rejects.toThrow(code("consent-frequency"));
    bench.clock.advance(1);
    expect(await ask("g")).toMatchObject({ already: false, uses: 3 });
  });

  test("frequency of many at once: each consent's own period, of uses before and of this group", async () => {
    await using bench = await openBench(await address());
    const periodic = (unit: "HOUR" | "DAY") => ({
      ...ONCE,
      fetch: "PERIODIC" as const,
      frequency: { unit, value: 2 },
      max_uses: 20,
    });
    const hourly = await bench.give(periodic("HOUR"));
    const daily = await bench.give(periodic("DAY"));
    const free = await bench.give({ ...ONCE, max_uses: 20 });
    const ids = [hourly, daily, free];
    /** How many of so many uses each consent lets through. */
    const spendAll = (name: string, each: number): Promise<number[]> =>
      bench.transact(async (tx) => {
        const group = await GroupSpending.read(tx, ids, bench.clock.nowMs());
        const spent = ids.map((consentId) => {
          const uses = Array.from({ length: each }, (_, i) => `${name}-${i}`);
          return uses.filter((releaseId) => {
            try {
              group.spend({ consentId, releaseId, product: "credit-score@1" });
              return true;
            } catch (error) {
              expect(error).toHaveProperty("code", "consent-frequency");
              return false;
            }
          }).length;
        });
        await group.settle(tx, async () => {});
        return spent;
      });
    expect(await spendAll("a", 1)).toEqual([1, 1, 1]);
    expect(await spendAll("b", 3)).toEqual([1, 1, 3]);
    bench.clock.advance(3_600_000);
    expect(await spendAll("c", 3)).toEqual([2, 0, 3]);
    bench.clock.advance(DAY_MS);
    expect(await spendAll("d", 3)).toEqual([2, 2, 3]);
  });

  test("spending another product, or a consent that is paused, revoked or never given: refused", async () => {
    await using bench = await openBench(await address());
    const { lifecycle, transact } = bench;
    const active = await bench.give();
    const other = { consentId: active, releaseId: "q", product: "id-check@1" };
    await expect(transact((tx) => lifecycle.spend(tx, other))).rejects.toThrow(
      code("product-not-consented"),
    );
    for (const [state, expected] of [
      ["PAUSED", "consent-paused"],
      ["REVOKED", "consent-revoked"],
      ["CONSUMED", "consent-consumed"],
      ["DENIED", "consent-unknown"],
      ["REQUESTED", "consent-unknown"],
    ] as const) {
      const id = await bench.in(state);
      await expect(transact((tx) => spend(lifecycle, tx, id, "r"))).rejects.toThrow(code(expected));
    }
  });

  test("the status lists say what the states are, and free slots say nothing against", async () => {
    await using bench = await openBench(await address());
    const { db, clock, atRest } = bench;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const issuer = new StatusIssuer({
      db,
      clock,
      issuer: "https://authority.example",
      signingKey: () => ({ kid: "k", privateKey }),
    });
    const ids = {
      active: await bench.give(),
      paused: await bench.in("PAUSED"),
      revoked: await bench.in("REVOKED"),
      consumed: await bench.in("CONSUMED"),
    };
    const { uri, token } = (await issuer.all())[0] as { uri: string; token: string };
    const cache = new StatusListCache(clock);
    await cache.update(uri, token, new Map([["k", publicKey]]), "https://authority.example");
    const word = async (id: string) => {
      const { status } = await readConsent(db, atRest, id);
      if (status === undefined) throw new Error("no slot");
      const reference = { status_list: { uri: issuer.uri(status.list), idx: status.index } };
      try {
        cache.requireValid(reference);
        return "valid";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(await word(ids.active)).toBe("valid");
    expect(await word(ids.paused)).toBe("consent-paused");
    expect(await word(ids.revoked)).toBe("consent-revoked");
    expect(await word(ids.consumed)).toBe("consent-consumed");
    const slots = await db.selectFrom("consent").select("status_index").execute();
    const taken = new Set(slots.map(({ status_index }) => status_index));
    expect(taken.size).toBe(4);
    // A consent given a moment ago must work before the next list arrives.
    const free = Array.from({ length: LIST_SIZE }, (_, i) => i).find((i) => !taken.has(i)) ?? 0;
    expect(() => cache.requireValid({ status_list: { uri, idx: free } })).not.toThrow();
  });

  test("a withdrawal is in the very next list, and a list is not older than it says", async () => {
    await using bench = await openBench(await address());
    const { db, clock } = bench;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const signingKey = () => ({ kid: "k", privateKey });
    const issuer = new StatusIssuer({ db, clock, issuer: "https://a.example", signingKey });
    const id = await bench.give();
    const before = await issuer.signed(0);
    await perform(bench, id, "revoke");
    expect((await issuer.signed(0)).token).toBe(before.token);
    expect((await issuer.rebuild(0)).token).not.toBe(before.token);
    clock.advance(1000);
    const { token } = await issuer.signed(0);
    const [, payload = ""] = token.split(".");
    expect(JSON.parse(Buffer.from(payload, "base64url").toString())).toMatchObject({
      iat: (START + 1000) / 1000,
      exp: (START + 1000) / 1000 + 60,
      ttl: 60,
    });
  });

  test("erasing: only what is over; then nothing says who it was", async () => {
    await using bench = await openBench(await address());
    const { lifecycle, transact, db, atRest } = bench;
    const id = await bench.give();
    await expect(transact((tx) => lifecycle.erase(tx, id))).rejects.toThrow(
      code("consent-transition"),
    );
    await perform(bench, id, "revoke");
    await transact((tx) => lifecycle.erase(tx, id));
    expect(await readConsent(db, atRest, id)).toMatchObject({ subjectTag: null, state: "REVOKED" });
    const row = await db.selectFrom("consent").selectAll().executeTakeFirstOrThrow();
    expect([row.subject_sealed, row.evidence_sealed]).toEqual([null, null]);
    expect([row.subject_index, row.contact_index]).toEqual([`erased:${id}`, `erased:${id}`]);
  });
}
