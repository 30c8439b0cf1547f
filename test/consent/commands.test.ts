// The operator's and the regulator's commands against a running federation, in this process but through the command line's
// own parser: `wjf client`, `wjf consent`, `wjf authority`, `wjf audit`, `wjf keys rotate-token`,
// `wjf ask` and `wjf batch` when they are refused. What is printed with --json is what is asserted.
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { registerAuditCommands } from "../../cli/audit-commands.ts";
import { registerSuspensionCommands } from "../../cli/authority-commands.ts";
import { registerBatchCommands } from "../../cli/batch-commands.ts";
import { registerClientCommands } from "../../cli/client-commands.ts";
import { registerConsentCommands } from "../../cli/consent-commands.ts";
import { registerFederationCommands } from "../../cli/federation-commands.ts";
import { ConsentOperator } from "../../consent/index.ts";
import { decodeBundle, encodeBundle } from "../../consent/log/tile.ts";
import { generateP256, publicP256 } from "../../crypto/index.ts";
import { cnIdCheckCharacter } from "../../crypto/subject.ts";
import { runCommand } from "../cli/run-command.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";

const PRODUCT = "credit-score@1";
const folder = mkdtempSync(join(tmpdir(), "wjf-commands-"));
let federation: Federation;
let bank: Bank;
let consent: GivenConsent;

beforeAll(async () => {
  federation = await startFederation({ provinces: 2, peoplePerProvince: 4 });
  const { home, gatewayPort, authorityPort, authorityGrpcPort } = federation.settings;
  vi.stubEnv("WJF_HOME", home);
  vi.stubEnv("WJF_GATEWAY_PORT", String(gatewayPort));
  vi.stubEnv("WJF_AUTHORITY_PORT", String(authorityPort));
  vi.stubEnv("WJF_AUTHORITY_GRPC_PORT", String(authorityGrpcPort));
  bank = await Bank.register(federation);
  consent = await give();
  const answer = await bank.ask(consent, PRODUCT);
  writeFileSync(join(folder, "answer.json"), JSON.stringify(answer));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
  await federation[Symbol.asyncDispose]();
});

async function give(): Promise<GivenConsent> {
  const subject = federation.truth[0]?.numbers[0]?.msisdn ?? "";
  return await bank.consent({ subject, maxUses: 5, products: [PRODUCT] });
}

const REGISTERS = [
  (program: Command) => registerSuspensionCommands(program.command("authority")),
  registerClientCommands,
  registerConsentCommands,
  registerAuditCommands,
  registerFederationCommands,
  registerBatchCommands,
];

const wjf = async (...args: string[]) => await runCommand(REGISTERS, ...args);

test("client: add with generated keys, list, rotate with a JWK Set, disable", async () => {
  const about = ["--name", "Second Bank", "--contact", "privacy@second.example"];
  const { result } = await wjf(
    "client",
    "add",
    "second-bank",
    ...about,
    "--generate",
    "--per-second",
    "7",
    "--per-person-per-day",
    "30",
    "--claims-per-person-per-day",
    "none",
  );
  expect(result).toMatchObject({ client_id: "second-bank", sealed_only: false });
  expect(result["limits"]).toMatchObject({ queries_per_second: 7, queries_per_day: 5_000_000 });
  expect(result["limits"]).toMatchObject({
    queries_per_person_per_day: 30,
    claims_per_person_per_day: null,
  });
  const keys = String(result["private_keys"]);
  expect(statSync(join(keys, "signing.jwk")).mode & 0o777).toBe(0o600);
  // The authority has no private member.
  expect(JSON.stringify(result["jwks"])).not.toContain('"d"');
  await expect(wjf("client", "add", "second-bank", ...about, "--generate")).rejects.toMatchObject({
    code: "data-invalid",
  });
  await expect(wjf("client", "add", "third-bank", ...about)).rejects.toThrow("one of them");

  const jwk = generateP256("sig");
  const file = join(folder, "jwks.json");
  writeFileSync(file, JSON.stringify({ keys: [{ ...publicP256(jwk), alg: "ES256" }] }));
  const rotated = await wjf("client", "rotate", "second-bank", "--jwks", file, "--overlap");
  const { keys: kept } = rotated.result["jwks"] as { keys: { kid: string; use: string }[] };
  expect(kept.map(({ use }) => use)).toEqual(["sig", "sig"]);
  expect(kept[0]?.kid).toBe(jwk.kid);
  writeFileSync(file, JSON.stringify({ keys: [jwk] }));
  await expect(wjf("client", "rotate", "second-bank", "--jwks", file)).rejects.toMatchObject({
    code: "data-invalid",
  });

  await wjf("client", "disable", "second-bank");
  const { clients } = (await wjf("client", "list")).result as {
    clients: { client_id: string; disabled_at: number | null }[];
  };
  expect(clients.map(({ client_id }) => client_id)).toEqual(
    [bank.clientId, "second-bank"].toSorted(),
  );
  expect(clients.find((each) => each.client_id === "second-bank")?.disabled_at).not.toBeNull();
});

test("consent: list, show, pause, resume, revoke; the running authority follows at once", async () => {
  const { result: listed } = await wjf(
    "consent",
    "list",
    "--client",
    bank.clientId,
    "--state",
    "active",
  );
  expect(listed["consents"]).toMatchObject([{ id: consent.id, uses: 1, max_uses: 5 }]);
  const shown = await wjf("consent", "show", consent.id);
  expect(shown.result).toMatchObject({ state: "ACTIVE", used: [{ product: PRODUCT }] });
  // Whose it is cannot be seen here.
  const { msisdn = "" } = federation.truth[0]?.numbers[0] ?? {};
  expect(JSON.stringify(shown.result)).not.toContain(msisdn.slice(-8));
  expect(JSON.stringify(shown.result)).not.toMatch(/subject|tag/);

  const other = await give();
  expect((await wjf("consent", "pause", other.id)).result["state"]).toBe("PAUSED");
  const paused = await bank.ask(other, PRODUCT);
  expect(paused).toMatchObject({ status: 403, code: "consent-paused" });
  expect((await wjf("consent", "resume", other.id)).result["state"]).toBe("ACTIVE");
  const file = join(folder, "revoked.tlog-proof");
  const { result } = await wjf("consent", "revoke", other.id, "--receipt", file);
  expect(result["state"]).toBe("REVOKED");
  expect((await bank.ask(other, PRODUCT)).status).toBe(403);
  const { result: receipt } = await wjf("audit", "receipt", file);
  expect(receipt["leaf"]).toMatchObject({ event: "revoked", reason: "by-operator" });
  await expect(wjf("consent", "resume", other.id)).rejects.toMatchObject({
    code: "consent-transition",
  });
  await expect(wjf("consent", "show", "0".repeat(32))).rejects.toMatchObject({
    code: "consent-unknown",
  });
});

test("an institution that has had its day's queries is told so, and when it was told stands in the log", async () => {
  const limited = await Bank.register(federation, { clientId: "limited-bank" });
  const { db } = federation.authority.service.options;
  const limits = { queries_per_second: 9, queries_per_day: 1, consent_requests_per_minute: 9 };
  const update = db.updateTable("client").set({ limits: JSON.stringify(limits) });
  await update.where("client_id", "=", limited.clientId).execute();
  const subject = federation.truth[0]?.numbers[0]?.msisdn ?? "";
  const theirs = await limited.consent({ subject, maxUses: 5, products: [PRODUCT] });
  expect((await limited.ask(theirs, PRODUCT)).status).toBe(200);
  const response = await limited.send(theirs, { product: PRODUCT });
  expect(response.status).toBe(429);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  await response.body?.cancel();
  const { result } = await wjf("audit", "show", "--consent", theirs.id);
  const { leaf } = (result["leaves"] as { leaf: object }[]).at(-1) ?? {};
  expect(leaf).toMatchObject({ type: "refusal", code: "rate-limited", client_id: "limited-bank" });
});

test("consent retention: nothing is due, and saying so changes nothing", async () => {
  const { result } = await wjf("consent", "retention", "--dry-run");
  expect(result).toEqual({ answers: [], consents: [], commitments: 0, destroyed: false });
});

test("audit: the copy verifies, names what was changed in it, and holds the answer's leaf", async () => {
  const copy = join(folder, "log");
  await wjf("audit", "export", copy, "--from", `${federation.authority.url}/log`);
  expect(readFileSync(join(copy, "keys"), "utf8").split("\n")).toHaveLength(3);
  const sound = await wjf("audit", "verify", copy, "--keys", join(copy, "keys"));
  expect(sound).toMatchObject({ status: 0, result: { ok: true, keys_from: "given" } });
  expect(sound.text).toMatch(/\d+ leaves\/s\nOK\n$/);
  const answer = JSON.parse(readFileSync(join(folder, "answer.json"), "utf8")) as {
    query_id: string;
  };
  const { result } = await wjf("audit", "show", copy, "--query", answer.query_id);
  const [release] = result["leaves"] as { index: number; leaf: { type: string } }[];
  expect(release?.leaf).toMatchObject({ type: "release", consent_id: consent.id });

  const bundle = join(copy, "tile/entries", tileName(copy));
  const entries = decodeBundle(readFileSync(bundle)).map((entry) => Buffer.from(entry));
  const entry = entries[release?.index ?? 0] as Buffer;
  entry[20] = (entry[20] as number) ^ 1;
  writeFileSync(bundle, encodeBundle(entries));
  const spoilt = await wjf("audit", "verify", copy);
  expect(spoilt).toMatchObject({ status: 1, result: { ok: false, keys_from: "home" } });
  expect(spoilt.text).toContain(`leaf ${release?.index}: leaf-mismatch`);
});

test("audit: from the address, from the database, and against an earlier receipt", async () => {
  const earlier = join(folder, "answer.json");
  const online = await wjf(
    "audit",
    "verify",
    `${federation.authority.url}/log`,
    "--earlier",
    earlier,
  );
  expect(online).toMatchObject({ status: 0, result: { ok: true } });
  const own = await wjf("audit", "verify");
  expect(own.result["rootHash"]).toBe(online.result["rootHash"]);
  const receipt = await wjf("audit", "receipt", earlier);
  expect(receipt.result["leaf"]).toMatchObject({ type: "release", client_id: bank.clientId });
  const stranger = "example.com+00000000+AQ==";
  await expect(wjf("audit", "receipt", earlier, "--key", stranger)).rejects.toMatchObject({
    code: "config-invalid",
  });
  await expect(wjf("audit", "show")).rejects.toThrow("--consent");
});

test("ask and batch: what the authority refuses has a code, and costs a batch no more than its row", async () => {
  const about = ["--name", "Asking Bank", "--contact", "privacy@asking.example", "--generate"];
  await wjf("client", "add", "asking-bank", ...about);
  const client = ["--client", "asking-bank"];
  const [, , person] = federation.truth;
  const phone = person?.numbers[0]?.msisdn ?? "";
  const id17 = "11010119900307721";
  const id_number = `${id17}${cnIdCheckCharacter(id17)}`;
  const wrongPurpose = ["--purpose", "dpv:IdentityVerification"];
  await expect(wjf("ask", "--phone", phone, ...client, ...wrongPurpose)).rejects.toMatchObject({
    code: "scope-refused",
    detail: "this client is not registered for the purpose",
  });
  await expect(wjf("ask", "--id-number", id_number, ...client)).rejects.toMatchObject({
    code: "person-unknown",
  });
  const query_id = randomUUID();
  const rows = [
    ...Array.from({ length: 6 }, () => ({ product: PRODUCT, phone })),
    // Six messages to one phone are as many as there may be.
    { product: PRODUCT, phone },
    { product: PRODUCT, id_number, query_id },
    { product: PRODUCT, phone: "110" },
    { product: PRODUCT, phone, id_number },
  ];
  const file = join(folder, "people.ndjson");
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const { result } = await wjf("batch", file, ...client);
  const refusals = { "rate-limited": 1, "person-unknown": 1, "request-malformed": 2 };
  expect(result).toMatchObject({ rows: 10, answered: 6, refused: 4, refusals });
  const results = readFileSync(String(result["results"]), "utf8").trim().split("\n");
  expect(JSON.parse(results[7] ?? "")).toMatchObject({
    line: 8,
    query_id,
    error: { code: "person-unknown", status: 404, next: expect.stringContaining("Check") },
  });
  // Who goes on with it elsewhere has the id, and not the file.
  const out = ["--out", join(folder, "resumed.ndjson")];
  const resumed = await wjf("batch", "--resume", String(result["id"]), ...out, ...client);
  expect(resumed.result).toMatchObject({ rows: 10, answered: 6, refused: 4, refusals });
  expect(
    readFileSync(out[1] as string, "utf8")
      .trim()
      .split("\n")[7],
  ).toBe(results[7]);
  await expect(wjf("batch", "--resume", "../audit", ...client)).rejects.toMatchObject({
    code: "request-malformed",
  });
  // Neither what is sent nor what comes back names who was refused.
  expect(readFileSync(`${file}.rows.ndjson`, "utf8") + results.join("")).not.toContain(id17);
  await wjf("client", "disable", "asking-bank");
  await expect(wjf("ask", "--phone", phone, ...client)).rejects.toMatchObject({
    code: "client-unknown",
  });
  await expect(wjf("batch", file, ...client)).rejects.toMatchObject({ code: "client-unknown" });
});

test("keys rotate-token: the running authority publishes the new set, and asks go on", async () => {
  const { result } = await wjf("keys", "rotate-token");
  const next = await give();
  expect((await bank.ask(next, PRODUCT)).status).toBe(200);
  expect((await bank.ask(consent, PRODUCT)).status).toBe(200);
  await vi.waitFor(
    async () => {
      const jwks = await fetch(`${federation.authority.url}/oidc/jwks`);
      const { keys } = (await jwks.json()) as { keys: { kid: string }[] };
      expect(keys[0]?.kid).toBe(result["current"]);
    },
    { timeout: 20_000 },
  );
});

/** The one bundle of a small log. */
function tileName(copy: string): string {
  const size = readFileSync(join(copy, "checkpoint"), "utf8").split("\n")[1] ?? "";
  const name = join("000.p", size);
  expect(existsSync(join(copy, "tile/entries", name))).toBe(true);
  return name;
}

test("authority: a suspended gateway is listed, then reinstated, with its leaf; another is not known", async () => {
  expect((await wjf("authority", "suspensions")).result).toEqual({ suspensions: [] });
  await expect(wjf("authority", "reinstate", "nobody")).rejects.toMatchObject({
    code: "gateway-unknown",
  });
  const suspension = {
    gateway: "thumbprint-of-a-key",
    descriptor: "0".repeat(64),
    commitment: Buffer.from("signed"),
    signature: Buffer.from("so"),
    suspended_at: 1_700_000_000_000,
  };
  await using operator = await ConsentOperator.open(federation.settings);
  await operator.db.insertInto("gateway_suspension").values(suspension).execute();
  const { result: listed } = await wjf("authority", "suspensions");
  expect(listed).toMatchObject({
    suspensions: [{ gateway: suspension.gateway, commitment: "c2lnbmVk", signature: "c28" }],
  });
  const { result } = await wjf("authority", "reinstate", suspension.gateway);
  expect(result).toMatchObject({ gateway: suspension.gateway, leaf: expect.any(Number) as number });
  expect((await wjf("authority", "suspensions")).result).toEqual({ suspensions: [] });
});
