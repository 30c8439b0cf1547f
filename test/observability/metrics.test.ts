// What /metrics tells after questions, batches, refusals and attempts to write into it. A failure: a canary, an institution or an
// id on a page; a label whose value is not of its closed set; a node whose counts tell who is held; a count that is wrong.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { ERRORS } from "../../core/errors.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { FAILURES } from "../../gateway/alerts/schema.ts";
import { BatchClient } from "../batches/batch-client.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { CANARY, canariesIn, plantCanary } from "../federation/canaries.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { HostileGateway } from "../federation/hostile-gateway.ts";
import { type NodeProcess, replaceNode } from "../federation/node-process.ts";
import { parsePage, type Sample, total } from "./scrape.ts";

const PRODUCTS = ["identity-verification@1", "credit-score@1"];
const SEEN_BY_TESTS = 'wjf_http_requests_total{method="any",route="unmatched",status="404"}';

let federation: Federation;
let bank: Bank;
let consent: GivenConsent;
let node: NodeProcess;
const ids: string[] = [];

beforeAll(async () => {
  federation = await startFederation({
    provinces: 3,
    peoplePerProvince: 6,
    plant: (rawFolder, code) => {
      if (code === "11") plantCanary(rawFolder);
    },
  });
  node = await replaceNode(federation, "11");
  bank = await Bank.register(federation, { clientId: "bank-in-plain-sight", products: PRODUCTS });
  consent = await bank.consent({ subject: CANARY.msisdn, products: PRODUCTS, maxUses: 100 });
  ids.push(bank.clientId, consent.id, consent.token, String(consent.claims["jti"]));
  // Until the gateway has found the new process, and that has heard from the authority.
  for (;;) {
    const response = await bank.send(consent, { product: "credit-score@1" });
    const { coverage } = (await response.json()) as { coverage?: { answered: number } };
    if (coverage?.answered === 3) break;
  }
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await federation[Symbol.asyncDispose]();
});

async function page(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return await response.text();
}

const urls = (): string[] => [
  `${federation.gateway.url}/metrics`,
  `${federation.authority.url}/metrics`,
  node.metricsUrl,
];

/** Gateway, authority and two nodes share this process, and so their counts; the third node has its own. */
async function scrape(): Promise<Sample[]> {
  return parsePage(await page(`${federation.gateway.url}/metrics`));
}

function difference(after: readonly Sample[], before: readonly Sample[]): Sample[] {
  return after.map((sample) => ({
    ...sample,
    value: sample.value - total(before, sample.name, sample.labels),
  }));
}

async function ask(product: string, claims?: unknown): Promise<void> {
  const queryId = randomUUID();
  ids.push(queryId);
  const sealed = claims === undefined ? {} : { claims: await bank.sealClaims(claims) };
  const response = await bank.send(consent, { product, query_id: queryId, ...sealed });
  expect(response.status).toBe(200);
}

const three = {
  checks: [
    {
      indicator: "id.three_elements",
      claim: { msisdn: CANARY.msisdn, name: CANARY.name, cn_id_number: CANARY.cnId },
    },
  ],
};

describe("after questions, a batch and refusals", () => {
  let before: readonly Sample[];
  beforeAll(async () => {
    before = await scrape();
    for (let i = 0; i < 3; i++) await ask("credit-score@1");
    await ask("identity-verification@1", three);
    const batches = new BatchClient(federation, bank);
    const rows = Array.from({ length: 5 }, () => ({
      token: consent.token,
      product: "credit-score@1",
    }));
    const { id } = await batches.submit([...rows, "not a row"]);
    ids.push(id);
    await batches.finished(id);
    await writeIntoThePage();
  });

  /** Every place of a request that could come to stand in a label, with a canary in it. */
  async function writeIntoThePage(): Promise<void> {
    const { msisdn, cnId, name } = CANARY;
    const bodies = [{ product: name }, { product: `a${msisdn.slice(1)}@1` }, `{"product":"${name}`];
    for (const body of bodies) expect((await bank.send(consent, body)).status).toBeGreaterThan(399);
    for (const url of [federation.gateway.url, federation.authority.url]) {
      for (const path of [`/${cnId}`, `/v1/people/${encodeURIComponent(name)}`, `/log/${cnId}`]) {
        for (const method of ["GET", "POST", "PROPFIND"]) await fetch(`${url}${path}`, { method });
      }
      await fetch(`${url}/healthz?phone=${encodeURIComponent(msisdn)}`);
    }
    using hostile = await HostileGateway.open(federation);
    const signed = await bank.sign(consent, { product: "credit-score@1" });
    for (const item of [{ product: `a${msisdn.slice(1)}@1` }, { product: `${cnId}@1` }]) {
      try {
        const digested = hostile.describe([signed], undefined, { item: item as never });
        await hostile.evaluate("11", digested, [signed]);
        await hostile.evaluate("12", digested, [signed]);
        await hostile.admit(digested, [signed]);
      } catch {
        // Refused as a whole: that is counted too.
      }
    }
  }

  test("no page names a person, an institution, a consent, a token or a question", async () => {
    for (const url of urls()) {
      const text = await page(url);
      expect(text.length).toBeGreaterThan(2000);
      expect(canariesIn(text)).toEqual([]);
      expect(text).not.toContain(CANARY.msisdn.slice(1));
      expect(text).not.toContain(CANARY.cnId.slice(0, 17));
      expect(ids.filter((id) => text.includes(id))).toEqual([]);
    }
  });

  test("every label's value is of its closed set", async () => {
    const codes = ["ok", ...Object.keys(ERRORS)];
    const closed: Readonly<Record<string, readonly string[] | RegExp>> = {
      product: [...loadCatalogue().products.keys()],
      province: PROVINCES.map(({ code }) => code),
      code: codes,
      result: ["answer", "sealed", "refusal", "matched", "mismatched", "withheld"],
      kind: ["query", "batch", "gateway", "node"],
      round: ["first", "second"],
      operation: ["merge", "encrypt", "decrypt", "audit"],
      state: ["unknown", "up", "down", "drained", "closed", "open", "half-open"],
      coverage: ["full", "partial"],
      type: ["consent", "release", "refusal", "epoch", "merge-audit", "roster"],
      reason: FAILURES,
      event: ["requested", "approved"],
      status: /^[1-5]\d\d$/,
      le: /^(\+Inf|[\d.]+)$/,
      quantile: /^[\d.]+$/,
    };
    const grpc = ["Admit", "AdmitBatch", "Evaluate", "EvaluateBatch", "Release", "ReleaseBatch"];
    let labelled = 0;
    for (const url of urls()) {
      for (const { name, labels } of parsePage(await page(url))) {
        if (!name.startsWith("wjf_")) continue;
        for (const [label, value] of Object.entries(labels)) {
          labelled++;
          const about = `${name}{${label}="${value}"}`;
          const isHttp = name.startsWith("wjf_http_");
          if (label === "route") expect(value, about).toMatch(/^(unmatched|\/[a-z0-9/:*._-]*)$/);
          else if (label === "method" && isHttp) expect(value, about).toMatch(/^(any|[A-Z]+)$/);
          else if (label === "method") expect([...grpc, "Follow"], about).toContain(value);
          else {
            const set = closed[label];
            expect(set, about).toBeDefined();
            if (set instanceof RegExp) expect(value, about).toMatch(set);
            else expect(set, about).toContain(value);
          }
        }
      }
    }
    expect(labelled).toBeGreaterThan(1000);
  });

  test("what was asked is counted, by whoever saw it", async () => {
    const now = await scrape();
    const samples = difference(now, before);
    const queries = "wjf_gateway_queries_total";
    expect(total(samples, queries, { product: "credit-score@1", result: "answer" })).toBe(3);
    expect(total(samples, queries, { product: "identity-verification@1" })).toBe(1);
    expect(total(samples, "wjf_gateway_query_duration_seconds_count")).toBe(4);
    expect(total(samples, "wjf_gateway_batch_rows_total", { result: "answer" })).toBe(5);
    expect(total(samples, "wjf_gateway_batch_rows_total", { result: "refusal" })).toBe(1);
    const releases = "wjf_authority_releases_total";
    expect(total(samples, releases, { product: "credit-score@1", coverage: "full" })).toBe(8);
    expect(total(samples, "wjf_authority_log_leaves_total", { type: "release" })).toBe(9);
    expect(total(samples, "wjf_authority_merge_audits_total", { result: "matched" })).toBe(5);
    expect(total(samples, "wjf_gateway_fan_outs_total", { kind: "query", code: "ok" })).toBe(4);
    expect(total(samples, "wjf_gateway_fan_outs_total", { kind: "batch", code: "ok" })).toBe(1);
    expect(total(samples, "wjf_gateway_refusals_total", { code: "product-unknown" })).toBe(1);
    expect(total(samples, "wjf_authority_refusals_total")).toBeGreaterThan(0);
    for (const { code: province } of federation.provinces) {
      expect(total(samples, "wjf_gateway_province_calls_total", { province, code: "ok" })).toBe(5);
      const state = "wjf_gateway_province_state";
      expect(total(now, state, { province, state: "up" })).toBe(1);
      expect(total(now, "wjf_gateway_circuit_breaker_state", { province, state: "closed" })).toBe(
        1,
      );
    }
    const he = (party: string, operation: string): number =>
      total(samples, `wjf_${party}_he_duration_seconds_count`, { operation });
    expect(he("gateway", "merge")).toBe(5);
    expect(he("authority", "decrypt")).toBe(5);
    expect(he("authority", "audit")).toBe(5);
    expect(he("node", "encrypt")).toBeGreaterThanOrEqual(10);
    expect(total(samples, "wjf_gateway_fan_out_slots_count")).toBe(4);
    expect(total(now, "wjf_authority_epoch")).toBe(1);
    expect(total(samples, "wjf_authority_epoch_releases")).toBeGreaterThanOrEqual(9);
    expect(total(now, "wjf_authority_followers", { kind: "gateway" })).toBe(1);
    expect(total(now, "wjf_authority_followers", { kind: "node" })).toBe(3);
    expect(total(now, "wjf_gateway_waiting_limit")).toBe(4096);
  });

  test("routes are patterns; what matches none is one series", async () => {
    const text = await page(`${federation.gateway.url}/metrics`);
    expect(text).toContain('route="/v1/queries"');
    expect(text).toContain('route="/v1/batches/:id/events"');
    expect(text).toContain(SEEN_BY_TESTS);
    expect(text).not.toContain("PROPFIND");
  });
});

describe("a node's own page", () => {
  const timeless = (samples: readonly Sample[]): string[] =>
    samples
      .filter(({ name }) => name.startsWith("wjf_"))
      // A duration falls into one bucket or the next by the machine's mood; that it was counted does not.
      .filter(({ name }) => !/_(bucket|sum)$/.test(name))
      .map(({ name, labels, value }) => `${name}${JSON.stringify(labels)} ${value}`);

  async function growth(subject: string): Promise<string[]> {
    const about = await bank.consent({ subject, products: PRODUCTS });
    const earlier = parsePage(await page(node.metricsUrl));
    const response = await bank.send(about, { product: "credit-score@1" });
    expect(response.status).toBe(200);
    return timeless(difference(parsePage(await page(node.metricsUrl)), earlier));
  }

  test("counts the same for somebody it holds and for somebody it does not", async () => {
    const elsewhere = federation.truth.find(({ numbers }) =>
      numbers.every(({ province }) => province !== "11"),
    );
    const held = await growth(CANARY.msisdn);
    const absent = await growth(elsewhere?.numbers[0]?.msisdn as string);
    expect(held).toContain('wjf_node_questions_total{"product":"credit-score@1"} 1');
    expect(absent).toEqual(held);
  });

  test("takes no time of an evaluation but that of the whole call, which ends on the quantum", async () => {
    const durations = parsePage(await page(node.metricsUrl))
      .filter(({ name }) => name.startsWith("wjf_") && name.endsWith("_seconds_sum"))
      .map(({ name, labels }) => `${name}${JSON.stringify(labels)}`);
    expect(durations.toSorted()).toEqual([
      'wjf_grpc_call_duration_seconds_sum{"method":"Evaluate"}',
      'wjf_grpc_call_duration_seconds_sum{"method":"EvaluateBatch"}',
      'wjf_node_he_duration_seconds_sum{"operation":"encrypt"}',
    ]);
  });

  test("asks for a port that is one", async () => {
    const args = ["province-node/main.ts", "--province", "11", "--metrics-port", "many"];
    const refused = promisify(execFile)(process.execPath, args);
    await expect(refused).rejects.toMatchObject({
      code: 78,
      stderr: expect.stringContaining("--metrics-port") as string,
    });
  });

  test("is at its path only", async () => {
    const origin = new URL(node.metricsUrl).origin;
    expect((await fetch(`${origin}/`)).status).toBe(404);
    expect((await fetch(node.metricsUrl, { method: "POST" })).status).toBe(404);
  });
});
