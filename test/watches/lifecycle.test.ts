// The life of watches at the gateway and the authority: who may create, see and change them, and what ends them. Failure would
// be an evaluation of somebody whose consent does not hold, or an institution that is not told.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { importPrivate, openJson } from "../../crypto/index.ts";
import type { ItemCredentials } from "../../proto/index.ts";
import { WjfError } from "../../core/errors.ts";
import { ProvincePool } from "../../gateway/province-pool.ts";
import { WatchStore } from "../../gateway/watches/watch-store.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { openScene, type Scene } from "../federation/scene.ts";
import { moveOn, useMovingClock } from "./moving-clock.ts";
import {
  HOURLY,
  resultsOf,
  SINK,
  type UploadResult,
  WatchClient,
  type WatchWish,
} from "./watch-client.ts";

const PRODUCT = "watch-phone@1";
const HOUR_MS = 3_600_000;
/** For whoever waits for a machine that does much else. */
const LONG = { timeout: 60_000 };

let scene: Scene;
let bank: Bank;
let client: WatchClient;

beforeAll(async () => {
  useMovingClock();
  scene = await openScene();
  bank = await Bank.register(scene.federation, { products: [PRODUCT, "identity-verification@1"] });
  client = new WatchClient(scene.federation, bank);
}, 120_000);
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
  vi.restoreAllMocks();
});

const CLOSED: WatchWish = { product: PRODUCT, conditions: [{ indicator: "watch.closed" }] };

async function consent(wish: Partial<Parameters<Bank["consent"]>[0]> = {}, of = bank) {
  return await of.consent({
    subject: scene.msisdn(0),
    products: [PRODUCT],
    frequency: { unit: "HOUR", value: 10 },
    result: "boolean",
    ...wish,
  });
}

async function change(given: GivenConsent, action: "pause" | "resume" | "revoke"): Promise<void> {
  const { service } = scene.federation.authority;
  await service.options.transact((tx) => service.lifecycle.change(tx, given.id, action, "person"));
}

async function refusal(given: GivenConsent, wish: WatchWish, proof?: string): Promise<string> {
  const response = await client.send(given, await client.body(wish), proof);
  return `${response.status} ${((await response.json()) as { code: string }).code}`;
}

/** On to the next moment; a consent given brings the gateway a fresh status list. */
async function nextHour(): Promise<void> {
  moveOn(HOUR_MS);
  await consent();
}

async function toldOf(id: string) {
  const told = await client.told();
  return told.filter(({ watch }) => watch === id).map(({ type, data }) => [type, data["reason"]]);
}

describe("creation", () => {
  test("the same request is the same watch, also when it is signed again", async () => {
    const given = await consent();
    const watch_id = crypto.randomUUID();
    const body = await client.body({ ...CLOSED, body: { watch_id } });
    const first = await client.send(given, body);
    const again = await client.send(given, body);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(await again.json()).toMatchObject({ watch_id, product: PRODUCT, sink: { url: SINK } });
    const other = await client.send(given, await client.body({ ...CLOSED, body: { watch_id } }));
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([
      409,
      "query-conflict",
    ]);
    expect(await toldOf(watch_id)).toEqual([["subscription-started", undefined]]);
  });

  test("a watch without an id gets it from the proof, which is used once", async () => {
    const given = await consent();
    const body = await client.body(CLOSED);
    const proof = await client.sign(given, body);
    const response = await client.send(given, body, proof);
    expect(response.status).toBe(201);
    const replayed = await client.send(given, body, proof);
    expect(((await replayed.json()) as { code: string }).code).toBe("dpop-replayed");
  });

  test("what does not hold is refused", async () => {
    const given = await consent();
    const body = (more: Record<string, unknown>): WatchWish => ({ ...CLOSED, body: more });
    const once = await bank.consent({ subject: scene.msisdn(0), products: [PRODUCT] });
    expect(await refusal(once, CLOSED)).toBe("403 product-not-consented");
    expect(await refusal(given, body({ product: "watch-risk@1" }))).toBe(
      "403 product-not-consented",
    );
    const hourly = { every: { unit: "HOUR", value: 1 } };
    const daily = await consent({ frequency: { unit: "DAY", value: 2 } });
    expect(await refusal(daily, body({ schedule: hourly }))).toBe("422 watch-frequency");
    for (const url of ["http://bank.example/", "https://127.0.0.1/", "https://[::1]/x"]) {
      expect(await refusal(given, body({ sink: { url } }))).toBe("400 sink-refused");
    }
    expect(await refusal(given, body({ expires: "2026-01-01T00:00:00Z" }))).toBe(
      "409 watch-expired",
    );
    expect(await refusal(given, body({ conditions: 9 }))).toBe("400 request-malformed");
    expect(await refusal(given, body({ colour: "red" }))).toBe("400 request-malformed");
    const text = await client.body(CLOSED);
    const elsewhere = await bank.proof(given.token, text);
    expect(await refusal(given, CLOSED, elsewhere)).toBe("401 dpop-binding");
    await change(given, "revoke");
    await vi.waitUntil(async () => (await refusal(given, CLOSED)) === "403 consent-revoked", LONG);
  });

  test("a product to watch cannot be asked, and what can be asked not watched", async () => {
    const given = await consent();
    const asked = await bank.ask(given, PRODUCT, { conditions: [{ indicator: "watch.closed" }] });
    expect(asked.code).toBe("watch-only");
    const identity = await consent({ products: ["identity-verification@1"] });
    expect(await refusal(identity, { ...CLOSED, product: "identity-verification@1" })).toBe(
      "404 product-unknown",
    );
  });
});

describe("in bulk", () => {
  const outcome = ({ created, error }: UploadResult) => error?.code ?? created;

  test("rows good and bad: each has its own result, sent again they are there already", async () => {
    const given = await consent();
    const revoked = await consent();
    await change(revoked, "revoke");
    const heard = async () => (await refusal(revoked, CLOSED)) === "403 consent-revoked";
    await vi.waitUntil(heard, LONG);
    const stranger = new WatchClient(scene.federation, await Bank.register(scene.federation));
    const watch_id = crypto.randomUUID();
    const named: WatchWish = { ...CLOSED, body: { watch_id } };
    const good = await client.row(given, named);
    const sent: [string, unknown][] = [
      [good, true],
      ["", "request-malformed"],
      ["{", "request-malformed"],
      [good, false],
      [await client.row(given, named), "query-conflict"],
      [await client.row(given, CLOSED), true],
      [await client.row(revoked, CLOSED), "consent-revoked"],
      [
        await client.row(given, { ...CLOSED, body: { sink: { url: "https://10.0.0.1/" } } }),
        "sink-refused",
      ],
      [await client.row(given, { ...CLOSED, body: { conditions: 9 } }), "request-malformed"],
      [await stranger.row(given, CLOSED), "dpop-key"],
      [good.replace('"body":"{', '"body":"{ '), "dpop-binding"],
      [await client.row(given, CLOSED, { iat: Math.floor(Date.now() / 1000) - 3000 }), true],
      [
        await client.row(given, CLOSED, { iat: Math.floor(Date.now() / 1000) - 3700 }),
        "dpop-expired",
      ],
    ];
    const texts = sent.map(([row]) => row);
    const results = await client.upload(texts);
    const expected = sent.map(([, wanted]) => wanted);
    expect(results.map(({ line }) => line)).toEqual(sent.map((_, i) => i + 1));
    expect(results.map(outcome)).toEqual(expected);
    expect(results[0]).toMatchObject({ line: 1, watch_id, state: "active" });
    const asThere = expected.map((wanted) => (wanted === true ? false : wanted));
    expect((await client.upload(texts)).map(outcome)).toEqual(asThere);
    expect(await toldOf(watch_id)).toEqual([["subscription-started", undefined]]);
  });

  test("results come while the upload goes on; broken off, what was told stays", async () => {
    const all: string[] = [];
    for (let given = await consent(); all.length < 200; given = await consent()) {
      for (let i = 0; i < 20; i++) all.push(await client.row(given, CLOSED));
    }
    const upload = request(client.url, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
    });
    upload.on("error", () => undefined);
    upload.write(
      all
        .slice(0, 100)
        .map((row) => `${row}\n`)
        .join(""),
    );
    const [response] = (await once(upload, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of response) {
      text += String(chunk);
      if (text.split("\n").length > 93) break;
    }
    upload.destroy();
    const told = resultsOf(text);
    expect(told.length).toBe(93);
    expect(told.map(outcome)).toEqual(told.map(() => true));
    const again = await client.upload(all);
    expect(again.map(({ line }) => line)).toEqual(all.map((_, i) => i + 1));
    expect(again.slice(0, 93).map(outcome)).toEqual(told.map(() => false));
    expect(again.slice(100).map(outcome)).toEqual(all.slice(100).map(() => true));
    expect(new Set(again.map(({ watch_id }) => watch_id)).size).toBe(200);
  });
});

describe("afterwards", () => {
  test("only the key that signed it sees, changes and ends it", async () => {
    const { watch_id: id } = await client.create(await consent(), CLOSED);
    const stranger = new WatchClient(scene.federation, await Bank.register(scene.federation));
    for (const method of ["GET", "DELETE"]) {
      expect((await stranger.ask(`/${id}`, method)).status).toBe(404);
    }
    const list = (await (await client.ask("?limit=1000")).json()) as {
      watches: { watch_id: string }[];
    };
    expect(list.watches.map((watch) => watch.watch_id)).toContain(id);
    expect(await (await stranger.ask("")).json()).toEqual({ watches: [] });
    const moved = await client.ask(`/${id}`, "PATCH", { sink: { url: `${SINK}/2` } });
    expect(await moved.json()).toMatchObject({ sink: { url: `${SINK}/2` } });
    expect((await client.ask(`/${id}`, "PATCH", { schedule: HOURLY })).status).toBe(400);
    expect((await client.ask(`/${id}`, "DELETE")).status).toBe(204);
    expect(await client.read(id)).toMatchObject({ state: "ended", reason: "deleted" });
    expect(await toldOf(id)).toEqual([
      ["subscription-started", undefined],
      ["subscription-updated", undefined],
      ["subscription-ended", "deleted"],
    ]);
  });

  test("withdrawn: it ends without being due, nobody is asked about the person again", async () => {
    const given = await consent();
    const { watch_id: id } = await client.create(given, CLOSED);
    await client.until(id, ({ evaluated }) => evaluated !== undefined);
    await change(given, "revoke");
    expect(await client.until(id, ({ state }) => state === "ended")).toMatchObject({
      reason: "consent-revoked",
    });
    const before = (await scene.leaves("release")).filter((leaf) => leaf.consent_id === given.id);
    await nextHour();
    const theirs = await consent();
    // Refused until the fresh status list is there.
    const other = await vi.waitFor(() => client.create(theirs, CLOSED), LONG);
    await client.until(other.watch_id, ({ evaluated }) => evaluated !== undefined);
    const after = (await scene.leaves("release")).filter((leaf) => leaf.consent_id === given.id);
    expect([before.length, after.length]).toEqual([1, 1]);
    expect((await toldOf(id)).at(-1)).toEqual(["subscription-ended", "consent-revoked"]);
  });

  test("paused: nothing is asked; resumed: it goes on", async () => {
    const given = await consent();
    const { watch_id: id } = await client.create(given, CLOSED);
    const { evaluated: first } = await client.until(id, ({ evaluated }) => evaluated !== undefined);
    await change(given, "pause");
    await client.until(id, ({ state }) => state === "paused");
    await nextHour();
    const evaluate = vi.spyOn(ProvincePool.prototype, "evaluateBatch");
    await change(given, "resume");
    const resumed = await client.until(id, ({ evaluated }) => evaluated !== first);
    expect(resumed.state).toBe("active");
    expect(evaluate).toHaveBeenCalled();
    evaluate.mockRestore();
    expect(await toldOf(id)).toEqual([
      ["subscription-started", undefined],
      ["subscription-updated", "consent-paused"],
      ["subscription-updated", undefined],
    ]);
  });

  test("used up, expired, told enough: it ends and says so", async () => {
    const used = await client.create(await consent({ maxUses: 1 }), CLOSED);
    const gone = { subject: "13900000000" };
    const expires = new Date(Date.now() + HOUR_MS / 2).toISOString();
    const expired = await client.create(await consent(), { ...CLOSED, body: { expires } });
    // Nobody holds this number, so the first evaluation tells that it cannot tell.
    const told = await client.create(await consent(gone), { ...CLOSED, body: { max_events: 1 } });
    expect(await client.until(told.watch_id, ({ state }) => state === "ended")).toMatchObject({
      reason: "max-events",
      events: 1,
    });
    expect(await client.until(used.watch_id, ({ state }) => state === "ended")).toMatchObject({
      reason: "consent-consumed",
    });
    await nextHour();
    expect(await client.until(expired.watch_id, ({ state }) => state === "ended")).toMatchObject({
      reason: "watch-expired",
    });
    expect(await toldOf(told.watch_id)).toEqual([
      ["subscription-started", undefined],
      ["unknown", undefined],
      ["subscription-ended", "max-events"],
    ]);
  });

  test("released and not recorded: told again, released once", async () => {
    const given = await consent({ subject: "13900000002" });
    const record = vi.spyOn(WatchStore.prototype, "record");
    record.mockImplementation(() =>
      Promise.reject(new WjfError("federation-unavailable", "lost before it was recorded")),
    );
    const { watch_id: id } = await client.create(given, CLOSED);
    const isLost = () =>
      record.mock.calls.some(([outcomes]) => outcomes.some(({ watch }) => watch.id === id));
    await vi.waitUntil(isLost, LONG);
    record.mockRestore();
    await client.until(id, ({ events }) => events > 0);
    const releases = await scene.leaves("release");
    expect(releases.filter((leaf) => leaf.consent_id === given.id).length).toBe(1);
    expect(await toldOf(id)).toEqual([
      ["subscription-started", undefined],
      ["unknown", undefined],
    ]);
  });

  test("thresholds outside of the catalogue's range are found where the person is held", async () => {
    const wish = { indicator: "watch.sim_changed", params: { days: 91 } };
    const { watch_id: id } = await client.create(await consent(), {
      ...CLOSED,
      conditions: [wish],
    });
    expect(await client.until(id, ({ state }) => state === "ended")).toMatchObject({
      reason: "claims-invalid",
    });
  });

  test("sealed: the gateway learns that there is a change, and not which", async () => {
    const given = await consent({ subject: "13900000001" });
    const wish = { ...CLOSED, body: { sealed: true } };
    const { watch_id: id } = await client.create(given, wish);
    await client.until(id, ({ events }) => events > 0);
    const told = await client.told();
    const { data } = told.find(({ watch, type }) => watch === id && type === "changed") ?? {};
    expect(Object.keys(data ?? {})).toEqual(["jwe"]);
    const key = importPrivate(bank.encryptionKey);
    const opened = await openJson(String(data?.["jwe"]), key, "internal");
    expect(opened).toMatchObject({
      answer: { kind: "alerts", changes: [{ condition: 0, state: "unknown" }] },
    });
  });
});

describe("a gateway in an enemy's hands", () => {
  const nowS = (): number => Math.floor(Date.now() / 1000);

  async function signed(body: Record<string, unknown> = {}) {
    const given = await consent();
    const text = await client.body({ ...CLOSED, body });
    const proof = await client.sign(given, text);
    return { given, credentials: { token: given.token, proof, body: Buffer.from(text) } };
  }

  async function admitted(credentials: ItemCredentials, due: number): Promise<string> {
    const { authority } = scene.hostile;
    const reply = await authority.admitWatches({ watches: [{ credentials, due }] }, 30_000);
    const [first] = reply.settled;
    if (first === undefined) return "open";
    return first.outcome.result === "refusal" ? first.outcome.refusal : first.outcome.result;
  }

  test("asks only for moments that were signed and have come", async () => {
    const starts = new Date((nowS() - 7200) * 1000).toISOString();
    const { credentials } = await signed({ schedule: { ...HOURLY, starts } });
    const first = Math.floor(Date.parse(starts) / 1000);
    expect(await admitted(credentials, first)).toBe("open");
    expect(await admitted(credentials, first + 3600)).toBe("open");
    for (const due of [first + 1, first - 3600, first + 3 * 3600]) {
      expect(await admitted(credentials, due)).toBe("watch-not-due");
    }
    const expires = new Date((nowS() - 600) * 1000).toISOString();
    const over = await signed({ schedule: { ...HOURLY, starts }, expires });
    expect(await admitted(over.credentials, first + 7200)).toBe("watch-expired");
  });

  test("has the same evaluation refused twice: one leaf, and a count", async () => {
    const { credentials, given } = await signed();
    await change(given, "revoke");
    const due = nowS();
    for (let i = 0; i < 2; i++) expect(await admitted(credentials, due)).toBe("consent-revoked");
    const left = (await scene.leaves("refusal")).filter(
      ({ client_id, code }) => client_id === bank.clientId && code === "consent-revoked",
    );
    expect(left.filter(({ consent_id }) => consent_id === given.id)).toHaveLength(1);
    expect(left.at(-1)).toMatchObject({ left_out: 1 });
  });

  test("changes nothing of what was signed", async () => {
    const { credentials, given } = await signed();
    const other = await signed();
    const due = nowS();
    const text = credentials.body.toString().replace('"value":1', '"value":2');
    expect(await admitted({ ...credentials, body: Buffer.from(text) }, due)).toBe("dpop-binding");
    expect(await admitted({ ...credentials, token: other.credentials.token }, due)).toBe(
      "dpop-binding",
    );
    const question = await bank.sign(given, await client.body(CLOSED));
    expect(await admitted(question, due)).toBe("dpop-binding");
  });

  test("learns nothing by asking again, and nothing after the consent", async () => {
    const { credentials, given } = await signed({ watch_id: crypto.randomUUID() });
    const { watch_id: id } = (await (
      await client.send(given, credentials.body.toString(), credentials.proof)
    ).json()) as { watch_id: string };
    const { evaluated } = await client.until(id, (watch) => watch.evaluated !== undefined);
    const due = Date.parse(evaluated as string) / 1000;
    expect(await admitted(credentials, due)).toBe("answer");
    const releases = await scene.leaves("release");
    expect(releases.filter((leaf) => leaf.consent_id === given.id).length).toBe(1);
    await change(given, "revoke");
    // The answer that was given is given again, to whoever has the request; another moment is not asked for.
    moveOn(HOUR_MS);
    expect(await admitted(credentials, due + 3600)).toBe("consent-revoked");
  });
});
