// Canary values in raw data and requests. They may be in their province and at their bank; a failure is any of them in a
// log line, in a gRPC message that the gateway sends or gets, in a response, in the gateway's memory or on its disk, in
// the audit log, or at the authority. The gateway runs as a process of its own.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Admitter } from "../../consent/admitter.ts";
import { showLeaves } from "../../consent/log/index.ts";
import { Releaser } from "../../consent/release/index.ts";
import { partyFolder } from "../../core/config.ts";
import { createLogger } from "../../core/log.ts";
import { AuthorityClient, readTlsIdentity } from "../../proto/index.ts";
import { FanOutAnswerer } from "../../province-node/answer.ts";
import { Bank, type GivenConsent } from "./bank.ts";
import { CANARY, CANARY_IN_MEMORY, canariesIn, plantCanary } from "./canaries.ts";
import { type Federation, startFederation } from "./federation.ts";
import { HostileGateway } from "./hostile-gateway.ts";
import { type GatewayProcess, searchMemory, startGatewayProcess } from "./gateway-process.ts";

const PRODUCTS = ["identity-verification@1", "interest-verification@1", "credit-score@1"];

/** Everything that crosses the gateway's gRPC links, recorded at the other ends. */
const messages: Uint8Array[] = [];
const logLines: string[] = [];
const responses: string[] = [];
let federation: Federation;
let gateway: GatewayProcess;
let bank: Bank;
let consent: GivenConsent;

beforeAll(async () => {
  record(FanOutAnswerer.prototype, "answer");
  record(Admitter.prototype, "admit");
  record(Releaser.prototype, "release");
  federation = await startFederation({
    provinces: 3,
    peoplePerProvince: 4,
    plant: (rawFolder, code) => {
      if (code === "11") plantCanary(rawFolder);
    },
    log: createLogger({
      service: "parties",
      level: "trace",
      destination: { write: (line) => logLines.push(line) },
    }),
    startGateway: async (settings) => {
      const diagnostics = join(settings.home, "diagnostics");
      mkdirSync(diagnostics);
      return (gateway = await startGatewayProcess(settings, diagnostics));
    },
  });
  bank = await Bank.register(federation, { clientId: "bank-in-plain-sight", products: PRODUCTS });
  consent = await bank.consent({ subject: CANARY.msisdn, products: PRODUCTS });
});
afterAll(() => federation[Symbol.asyncDispose]());

/** Keeps the bytes of what goes in and comes out, and changes nothing. */
function record<K extends string>(
  target: Record<K, (...parameters: never[]) => Promise<unknown>>,
  method: K,
): void {
  const original = target[method];
  vi.spyOn(target, method as never).mockImplementation(async function (
    this: unknown,
    ...parameters: never[]
  ) {
    keep(parameters);
    const result = await original.apply(this as never, parameters);
    keep(result);
    return result;
  } as never);
}

function keep(value: unknown): void {
  if (value instanceof Uint8Array) messages.push(Uint8Array.from(value));
  else if (typeof value === "string") messages.push(Buffer.from(value));
  else if (typeof value === "object" && value !== null) Object.values(value).forEach(keep);
}

async function ask(product: string, claims?: unknown, about = consent): Promise<string> {
  const sealed = claims === undefined ? {} : { claims: await bank.sealClaims(claims) };
  const response = await bank.send(about, { product, ...sealed });
  const text = await response.text();
  responses.push(text, JSON.stringify([...response.headers]));
  return text;
}

const three = (name: string) => ({
  checks: [
    {
      indicator: "id.three_elements",
      claim: { msisdn: CANARY.msisdn, name, cn_id_number: CANARY.cnId },
    },
  ],
});

describe("after questions about the canary", () => {
  beforeAll(async () => {
    const byId = await bank.consent({ subject: CANARY.cnId, products: PRODUCTS });
    expect(await ask(PRODUCTS[0] as string, three(CANARY.name))).toContain('"value":"yes"');
    expect(await ask(PRODUCTS[0] as string, three(CANARY.otherName))).toContain('"value":"no"');
    expect(await ask(PRODUCTS[0] as string, three(CANARY.name), byId)).toContain('"value":"yes"');
    const interest = {
      checks: [
        { indicator: "web.domain_visited", params: { views: 1 }, claim: { domain: CANARY.domain } },
        {
          indicator: "web.keyword_searched",
          params: { times: 1 },
          claim: { keyword: CANARY.keyword },
        },
      ],
    };
    expect(await ask(PRODUCTS[1] as string, interest)).toContain('"value":"yes"');
    expect(await ask("credit-score@1")).toContain('"kind":"score"');
    // Claims that do not fit: the province that holds the person cannot use them.
    const unfit = { checks: [{ indicator: "id.three_elements", claim: { name: CANARY.name } }] };
    expect(await ask(PRODUCTS[0] as string, unfit)).toContain("claims-invalid");
  });

  test("the searches find what is there to be found", () => {
    expect(canariesIn(JSON.stringify(CANARY)).length).toBeGreaterThan(6);
    expect(canariesIn(Buffer.from(`x${CANARY.name}y`).toString("base64url"))).not.toEqual([]);
    const raw = join(federation.settings.home, "sandbox", "11", "subscriber.csv");
    expect(canariesIn(readFileSync(raw))).not.toEqual([]);
  });

  test("no gRPC message that the gateway sent or got has any of it", async () => {
    // Six questions: an admission, three nodes and a release each.
    expect(messages.length).toBeGreaterThan(100);
    const secrets = join(partyFolder(federation.settings.home, "gateway"), "secrets");
    using authority = new AuthorityClient(
      federation.settings.authorityEndpoint,
      readTlsIdentity(secrets),
    );
    const stop = new AbortController();
    for await (const update of authority.follow(stop.signal)) {
      keep(update);
      if (update.update === "status_list") stop.abort();
    }
    expect(messages.flatMap(canariesIn)).toEqual([]);
  });

  test("the gateway's heap has none of it, and what it may know it has: who issues tokens", async () => {
    const heap = readFileSync(await gateway.heapSnapshot());
    expect(canariesIn(heap)).toEqual([]);
    expect(heap.includes(federation.settings.authorityUrl)).toBe(true);
    // Of a request that is answered it keeps nothing, not even who asked.
    expect(heap.includes(bank.clientId)).toBe(false);
  });

  test("nor its memory, buffers and all", (context) => {
    const visible = Buffer.from(federation.settings.authorityUrl);
    const found = searchMemory(gateway.pid, [...CANARY_IN_MEMORY, visible]);
    if (found === undefined) return context.skip("this system shows no process's memory");
    expect(found.has(visible)).toBe(true);
    found.delete(visible);
    expect([...found].map(String)).toEqual([]);
  });

  test("nor its disk, nor the authority's, nor the audit log, nor the other provinces'", async () => {
    const home = federation.settings.home;
    const others = federation.provinces.map(({ code }) => code).filter((code) => code !== "11");
    for (const party of ["gateway", "authority", ...others] as const) {
      const folder = partyFolder(home, party);
      const files = readdirSync(folder, { recursive: true, withFileTypes: true });
      expect(files.length).toBeGreaterThan(0);
      for (const file of files.filter((entry) => entry.isFile())) {
        const path = join(file.parentPath, file.name);
        expect(canariesIn(readFileSync(path)), path).toEqual([]);
      }
    }
    let leaves = 0;
    for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
      expect(canariesIn(JSON.stringify(leaf))).toEqual([]);
      leaves++;
    }
    expect(leaves).toBeGreaterThan(10);
  });

  test("the province that holds it keeps no name, number or claim in its serving store: only tags", () => {
    const store = readFileSync(
      join(partyFolder(federation.settings.home, "11" as never), "store.db"),
    );
    expect(canariesIn(store)).toEqual([]);
  });
});

describe("after requests that put the canary where it does not belong", () => {
  beforeAll(async () => {
    const { msisdn, name, cnId, address } = CANARY;
    const bodies = [
      { product: name },
      { product: "credit-score@1", subject: msisdn },
      { product: "credit-score@1", [cnId]: address },
      { product: "identity-verification@1", claims: three(name) },
      { product: "identity-verification@1", claims: `${name}.${msisdn}` },
      { product: "credit-score@1", query_id: cnId },
      name,
      `{"product":"${name}`,
    ];
    for (const body of bodies) {
      const response = await bank.send(consent, body);
      expect(response.status).toBeGreaterThanOrEqual(400);
      responses.push(await response.text(), JSON.stringify([...response.headers]));
    }
    const { url } = federation.gateway;
    const token = Buffer.from(JSON.stringify({ sub: msisdn, name })).toString("base64url");
    for (const [path, headers] of [
      [`/v1/queries?phone=${encodeURIComponent(msisdn)}`, {}],
      [`/v1/people/${cnId}`, {}],
      [`/${encodeURIComponent(name)}`, {}],
      ["/v1/queries", { authorization: `DPoP ${token}` }],
      ["/v1/queries", { authorization: `DPoP e30.${token}.e30`, dpop: `e30.${token}.e30` }],
      ["/v1/queries", { "x-request-id": msisdn, "user-agent": cnId, "content-type": cnId }],
    ] as const) {
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ product: "credit-score@1", phone: msisdn }),
      });
      expect(response.status).toBeGreaterThanOrEqual(400);
      responses.push(await response.text(), JSON.stringify([...response.headers]));
    }
    await forwardAllTheSame();
  });

  /** Nodes and authority get such a body from a hostile gateway, and have reason to log a refusal. */
  async function forwardAllTheSame(): Promise<void> {
    using hostile = await HostileGateway.open(federation);
    const body = { product: "credit-score@1", name: CANARY.name, [CANARY.msisdn]: CANARY.cnId };
    const fanOut = await hostile.fanOut([await bank.sign(consent, body)]);
    const { digested, credentials, replies } = fanOut;
    expect(hostile.refusals("11", replies[0] as never)).toMatchObject([
      { code: "request-malformed" },
    ]);
    await expect(hostile.evaluate("11", digested, credentials)).rejects.toThrow();
    expect(await hostile.release(fanOut)).toMatchObject([{ refusal: "request-malformed" }]);
    await expect(hostile.release(fanOut, { receipts: [] })).rejects.toThrow();
  }

  test("no response, header or error repeats it", () => {
    expect(responses.length).toBeGreaterThan(30);
    expect(responses.flatMap(canariesIn)).toEqual([]);
  });

  test("no party has logged it, at the finest level", () => {
    expect(logLines.join("")).toContain("descriptor-invalid");
    expect(logLines.flatMap(canariesIn)).toEqual([]);
    const output = gateway.output();
    // It does log these refusals, by code.
    expect(output).toContain("request-malformed");
    expect(output).toContain("route-unknown");
    expect(canariesIn(output)).toEqual([]);
  });
});
