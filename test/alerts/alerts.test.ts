// Alerts through a running gateway: from the outbox to examples/alert-receiver.mjs, a program that imports nothing of ours; what an
// institution reads of them and another does not; `wjf alerts`; what gets into the log. The watch's part, putting events into
// the outbox, is played by the test, on the gateway's own database: PostgreSQL, since two connections of one process to one SQLite
// file would wait for each other.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { CompactSign } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nowSeconds, systemClock } from "../../core/clock.ts";
import { createLogger } from "../../core/log.ts";
import { partyFolder } from "../../core/config.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import {
  generateP256,
  importPrivate,
  importPublic,
  sealJson,
  thumbprint,
} from "../../crypto/index.ts";
import { type AlertEvent, enqueue } from "../../gateway/alerts/outbox.ts";
import { type GatewayDb, openGatewayDatabase } from "../../gateway/database.ts";
import { startGateway } from "../../gateway/index.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { CANARY, canariesIn } from "../federation/canaries.ts";
import { type Federation, freePorts, startFederation } from "../federation/federation.ts";
import { endedWatch } from "./outbox-suite.ts";
import { createSinkCa, startSink } from "./sink-server.ts";

const SINK_SECRET = "a-secret-in-the-sink-3f9c";
const LIST = "/v1/alerts";

let postgres: PostgresServer;
let federation: Federation;
let folder: string;
let db: GatewayDb;
let bank: Bank;
let consent: GivenConsent;
let other: Bank;
let otherConsent: GivenConsent;
let receiverPort: number;
let ca: Awaited<ReturnType<typeof createSinkCa>>;
const logged: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wjf-alerts-"));
  postgres = await startPostgres();
  ca = await createSinkCa();
  const { cert, key } = await ca.issue();
  for (const [name, text] of Object.entries({
    "ca.pem": ca.pem,
    "tls.crt": cert,
    "tls.key": key,
  })) {
    writeFileSync(join(folder, name), text);
  }
  federation = await startFederation({
    provinces: 2,
    peoplePerProvince: 2,
    log: createLogger({
      service: "test",
      level: "trace",
      destination: { write: (line) => logged.push(line) },
    }),
    environment: {
      WJF_ALERT_SANDBOX_CA: join(folder, "ca.pem"),
      WJF_GATEWAY_DATABASE_URL: await postgres.emptyDatabase(),
    },
  });
  db = await openGatewayDatabase(federation.settings);
  bank = await Bank.register(federation);
  other = await Bank.register(federation);
  const subject = federation.truth[0]?.numbers[0]?.msisdn as string;
  consent = await bank.consent({ subject });
  otherConsent = await other.consent({ subject });
  [receiverPort] = (await freePorts(1)) as [number];
}, 120_000);
afterAll(async () => {
  await db.destroy();
  await federation[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function crossed(id: string, data: AlertEvent["data"] = {}): AlertEvent {
  const time = nowSeconds(systemClock) - 1;
  return { id, type: "org.weijifen.watch.crossed", subject: "watch-1", time, data };
}

async function put(sink: string, ...events: AlertEvent[]): Promise<void> {
  const destination = { clientId: bank.clientId, sink };
  await db.transaction().execute(async (tx) => await enqueue(tx, destination, events));
}

interface Call {
  readonly method?: string;
  readonly by?: Bank;
  readonly token?: string;
  readonly claims?: Record<string, unknown>;
}

async function call(path: string, { method = "GET", by = bank, ...bent }: Call = {}) {
  const url = new URL(path, federation.settings.gatewayUrl);
  const token = bent.token ?? (by === bank ? consent : otherConsent).token;
  const htu = `${url.origin}${url.pathname}`;
  const dpop = await by.proof(token, "", { claims: { htm: method, htu, ...bent.claims } });
  return await fetch(url, { method, headers: { authorization: `DPoP ${token}`, dpop } });
}

interface Page {
  readonly alerts: {
    readonly cursor: number;
    readonly state: string;
    readonly outcome: string | null;
    readonly event: { readonly id: string };
  }[];
  readonly next: number;
}

async function page(path: string, options?: Call): Promise<Page> {
  const response = await call(path, options);
  expect(response.status).toBe(200);
  return (await response.json()) as Page;
}

/** Asks until all that is pending has been tried: there is no other sign of it from outside. */
async function until(state: string, count: number, path = LIST): Promise<Page> {
  for (;;) {
    const found = await page(path);
    if (found.alerts.filter((alert) => alert.state === state).length >= count) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("from the outbox to a receiver that imports nothing of ours: verified, once each", async () => {
  const trust = join(partyFolder(federation.settings.home, "gateway"), "secrets", "trust.jwk");
  const args = { gateway: federation.settings.gatewayUrl, trust, "client-id": bank.clientId };
  const files = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  const options = Object.entries({ ...args, ...files, port: String(receiverPort) });
  const receiver = spawn(
    process.execPath,
    ["examples/alert-receiver.mjs", ...options.map(([name, value]) => `--${name}=${value}`)],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  try {
    await new Promise((resolve) => receiver.stderr.once("data", resolve));
    const url = `https://127.0.0.1:${receiverPort}/alerts?key=${SINK_SECRET}`;
    const jwe = await sealJson({ direction: "up" }, importPublic(bank.encryptionKey), {
      typ: "weijifen-alert+jwe",
    });
    await put(url, crossed("first", { note: CANARY.name }));
    await put(url, crossed("first", { note: CANARY.name }), crossed("second", { jwe }));
    const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
    const got: Record<string, unknown>[] = [];
    while (got.length < 2) {
      got.push(JSON.parse((await lines.next()).value as string) as Record<string, unknown>);
    }
    const byId = new Map(got.map((each) => [each["id"], each]));
    expect(byId.get("first")).toMatchObject({
      specversion: "1.0",
      source: federation.settings.gatewayUrl,
      type: "org.weijifen.watch.crossed",
      subject: "watch-1",
      recipient: bank.clientId,
      datacontenttype: "application/json",
      data: { note: CANARY.name },
    });
    expect(byId.get("second")?.["data"]).toEqual({ jwe });
    await until("delivered", 2);
    expect(await forgedStatuses(url, byId.get("first") as object)).toEqual([401, 401, 401]);
  } finally {
    receiver.kill();
  }
});

/** What the receiver says to alerts that the gateway did not sign, or not as alerts, or not at all. */
async function forgedStatuses(url: string, event: object): Promise<number[]> {
  const post = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", ca: ca.pem, headers }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      sent.on("error", reject).end(JSON.stringify(event));
    });
  const sign = async (key: unknown, typ: string): Promise<string> => {
    const signed = new CompactSign(Buffer.from(JSON.stringify(event)));
    const jws = await signed.setProtectedHeader({ alg: "ES256", typ }).sign(key as never);
    return jws.replace(/\..*\./, "..");
  };
  const secrets = join(partyFolder(federation.settings.home, "gateway"), "secrets");
  const own = JSON.parse(readSecretFile(join(secrets, "signing.jwk")).toString()) as object;
  const foreign = generateP256("sig");
  return [
    await post({}),
    await post({ "x-jws-signature": await sign(foreign, "weijifen-alert+jws") }),
    await post({ "x-jws-signature": await sign(own, "JWT") }),
  ];
}

describe("what an institution reads", () => {
  test("its own alerts from a cursor on, in order; another institution sees none of them", async () => {
    const all = await page(LIST);
    expect(all.alerts.map(({ cursor, event }) => [cursor, event.id])).toEqual([
      [1, "first"],
      [2, "second"],
    ]);
    expect(all.next).toBe(2);
    expect((await page(`${LIST}?after=1`)).alerts.map(({ event }) => event.id)).toEqual(["second"]);
    expect(await page(`${LIST}?after=0&limit=1`)).toMatchObject({ next: 1 });
    expect(await page(`${LIST}?after=2`)).toEqual({ alerts: [], next: 2 });
    expect(await page(LIST, { by: other })).toEqual({ alerts: [], next: 0 });
    const attempts = await call(`${LIST}/1/attempts`);
    expect(await attempts.json()).toMatchObject({
      attempts: [{ attempt: 1, outcome: "delivered", status: 204 }],
    });
    expect(await (await call(`${LIST}/1/attempts`, { by: other })).json()).toEqual({
      attempts: [],
    });
  });

  test("nobody without a token and a proof by its key", async () => {
    const refused = async (response: Response): Promise<unknown> =>
      ((await response.json()) as { code: string }).code;
    const url = `${federation.settings.gatewayUrl}${LIST}`;
    expect(await refused(await fetch(url))).toBe("token-missing");
    const authorization = `DPoP ${consent.token}`;
    expect(await refused(await fetch(url, { headers: { authorization } }))).toBe("dpop-missing");
    const thief = { by: other, token: consent.token };
    expect(await refused(await call(LIST, thief))).toBe("dpop-key");
    const bend = async (claims: Record<string, unknown>) =>
      await refused(await call(LIST, { claims }));
    expect(await bend({ htm: "POST" })).toBe("dpop-binding");
    expect(await bend({ htu: `${url}/dead-letters` })).toBe("dpop-binding");
    expect(await bend({ ath: "x" })).toBe("dpop-binding");
    expect(await bend({ ath: undefined })).toBe("dpop-binding");
    expect(await bend({ iat: nowSeconds(systemClock) - 100 })).toBe("dpop-expired");
    const jti = "used-once-and-no-more";
    expect((await call(LIST, { claims: { jti } })).status).toBe(200);
    expect(await bend({ jti })).toBe("dpop-replayed");
    const past = nowSeconds(systemClock) - 60;
    const expired = await bank.signToken({ ...consent.claims, exp: past });
    expect(await refused(await call(LIST, { token: expired }))).toBe("token-expired");
    const key = importPrivate(generateP256("sig"));
    const forged = await bank.signToken(consent.claims, { key });
    expect(await refused(await call(LIST, { token: forged }))).toBe("token-signature");
  });

  test("a cursor that is none", async () => {
    for (const query of ["after=-1", "after=x", "after=1.5", "limit=0", "limit=1001", "more=1"]) {
      expect((await call(`${LIST}?${query}`)).status).toBe(400);
    }
    expect((await call(`${LIST}/x/redeliver`, { method: "POST" })).status).toBe(400);
  });
});

test("what the sink wants no more of is a dead letter, and is delivered after all when asked for", async () => {
  let status = 410;
  await using sink = await startSink(await ca.issue(), (request, response) => {
    request.resume().on("end", () => response.writeHead(status).end());
  });
  await put(sink.url, crossed("unwanted"));
  const { alerts } = await until("dead", 1, `${LIST}/dead-letters`);
  expect(alerts).toMatchObject([{ cursor: 3, outcome: "gone", event: { id: "unwanted" } }]);
  const redeliver = (path: string, by = bank) =>
    call(`${LIST}/${path}/redeliver`, { method: "POST", by });
  expect((await redeliver("3", other)).status).toBe(404);
  expect((await redeliver("1")).status).toBe(404);
  expect(await (await redeliver("dead-letters", other)).json()).toEqual({ redelivered: 0 });
  expect(await (await redeliver("3")).json()).toEqual({ redelivered: 1 });
  await until("dead", 1, `${LIST}/dead-letters`);
  status = 204;
  expect(await (await redeliver("dead-letters")).json()).toEqual({ redelivered: 1 });
  await until("delivered", 3);
  expect(await page(`${LIST}/dead-letters`)).toEqual({ alerts: [], next: 0 });
});

test("when the token has expired, the key that signed the watch reads what it told, and no other key", async () => {
  const alone = async (path: string, by: Bank, method = "GET"): Promise<Response> => {
    const url = new URL(path, federation.settings.gatewayUrl);
    const htu = `${url.origin}${url.pathname}`;
    const dpop = await by.proof("", "", { claims: { htm: method, htu, ath: undefined } });
    return await fetch(url, { method, headers: { dpop } });
  };
  const problem = async (response: Response) => (await response.json()) as { code: string };
  expect(await problem(await alone(LIST, bank))).toMatchObject({ code: "token-missing" });
  const { jkt } = consent.claims["cnf"] as { readonly jkt: string };
  await db
    .insertInto("watch")
    .values(endedWatch("watch-1", bank.clientId, jkt))
    .execute();
  const response = await alone(`${LIST}?after=1`, bank);
  expect(await response.json()).toMatchObject({ next: 3, alerts: [{ cursor: 2 }, { cursor: 3 }] });
  expect(await problem(await alone(LIST, other))).toMatchObject({ code: "token-missing" });
  const redelivered = await alone(`${LIST}/dead-letters/redeliver`, bank, "POST");
  expect(await redelivered.json()).toEqual({ redelivered: 0 });
});

test("wjf alerts: opens what is sealed, says what was given up", async () => {
  const signing = generateP256("sig");
  const home = join(federation.settings.home, "institutions", bank.clientId);
  mkdirSync(home, { recursive: true });
  const trust = readSecretFile(
    join(partyFolder(federation.settings.home, "gateway"), "secrets", "trust.jwk"),
  );
  const encryption = bank.encryptionKey;
  for (const [name, jwk] of Object.entries({ signing, encryption })) {
    writeFileSync(join(home, `${name}.jwk`), JSON.stringify(jwk), { mode: 0o600 });
  }
  writeFileSync(join(home, "trust.jwk"), trust, { mode: 0o600 });
  const claims = { ...consent.claims, cnf: { jkt: thumbprint(signing) } };
  const token = join(folder, "token.jwt");
  writeFileSync(token, await bank.signToken(claims));
  await db
    .updateTable("watch")
    .set({ jkt: thumbprint(signing) })
    .execute();
  const byToken = ["--token", token];
  const wjf = async (...args: string[]): Promise<unknown> => {
    const owner = ["--client", bank.clientId, "--json"];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["cli/main.ts", "alerts", ...args, ...owner],
      {
        env: {
          ...process.env,
          WJF_HOME: federation.settings.home,
          WJF_GATEWAY_PORT: String(federation.settings.gatewayPort),
        },
      },
    );
    return JSON.parse(stdout);
  };
  const [told, dead, redelivered, byKey] = await Promise.all([
    wjf("tail", "--after", "1", ...byToken),
    wjf("dead-letters", ...byToken),
    wjf("redeliver", ...byToken),
    wjf("tail", "--after", "1"),
  ]);
  expect(byKey).toEqual(told);
  const tail = told as { alerts: { event: { data: unknown } }[] };
  expect(tail).toMatchObject({ next: 3, alerts: [{ cursor: 2 }, { cursor: 3 }] });
  expect(tail.alerts[0]?.event.data).toEqual({ sealed: { direction: "up" } });
  expect([dead, redelivered]).toEqual([{ alerts: [], next: 0 }, { redelivered: 0 }]);
});

test("nothing of what alerts say, or of where they go, is in a log or on the metrics page", async () => {
  const metrics = await (await fetch(`${federation.settings.gatewayUrl}/metrics`)).text();
  expect(metrics).toMatch(/^wjf_gateway_alerts_delivered_total [3-9]/m);
  expect(metrics).toMatch(/^wjf_gateway_alerts_dead_total\{reason="gone"\} 2/m);
  const text = logged.join("\n");
  expect(text).toContain("alerts are given up");
  for (const written of [text, metrics]) {
    expect(canariesIn(written)).toEqual([]);
    expect(written).not.toContain(SINK_SECRET);
    expect(written).not.toContain(`127.0.0.1:${receiverPort}`);
  }
});

test("production has no sandbox for sinks: the gateway does not start", async () => {
  const settings = { ...federation.settings, production: true };
  await expect(
    startGateway(settings, createLogger({ service: "test", level: "silent" })),
  ).rejects.toThrow(/WJF_ALERT_SANDBOX_CA/);
});
