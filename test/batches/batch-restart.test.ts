// What a batch survives: each party stopped and started again on the way, and a process that stops between the authority's
// release and its own record of it. Failure would be a row without a result, one with two, or a consent used twice for one
// row. A row that waits for a province, and gets its answer late, is not a failure.
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { readFederation } from "../../consent/epochs.ts";
import { startAuthority, type RunningAuthority } from "../../consent/start.ts";
import { partyFolder } from "../../core/config.ts";
import { WjfError } from "../../core/errors.ts";
import { silentLogger } from "../../core/log.ts";
import { BatchStore } from "../../gateway/batches/batch-store.ts";
import { startGateway, type RunningGateway } from "../../gateway/index.ts";
import { ProvincePool } from "../../gateway/province-pool.ts";
import { startProvinceNode } from "../../province-node/index.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { BatchClient } from "./batch-client.ts";

const PRODUCT = "credit-score@1";
/** 27 blocks: three fan-outs. */
const ROWS = 2500;

let federation: Federation;
let authority: RunningAuthority;
let gateway: RunningGateway;
let bank: Bank;
let batches: BatchClient;
let consents: GivenConsent[];
let expected: Map<string, unknown>;
const restarted: AsyncDisposable[] = [];

beforeAll(async () => {
  federation = await startFederation({ provinces: 3, peoplePerProvince: 20 });
  ({ authority, gateway } = federation);
  bank = await Bank.register(federation);
  batches = new BatchClient(federation, bank);
  consents = [];
  for (const { numbers } of federation.truth.slice(0, 20)) {
    const subject = numbers[0]?.msisdn as string;
    consents.push(await bank.consent({ subject, maxUses: 100_000 }));
  }
  expected = new Map();
  for (const { id, ...consent } of consents) {
    expected.set(id, (await bank.ask({ id, ...consent }, PRODUCT)).answer.value);
  }
}, 120_000);
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  for (const party of restarted.toReversed()) await party[Symbol.asyncDispose]();
  await federation[Symbol.asyncDispose]();
});

function consentOf(line: number): GivenConsent {
  return consents[(line - 1) % consents.length] as GivenConsent;
}

function rows(count: number) {
  return Array.from({ length: count }, (_, i) => ({
    product: PRODUCT,
    token: consentOf(i + 1).token,
  }));
}

async function usesSoFar(): Promise<number> {
  const uses = await authority.service.options.db.selectFrom("consent").select("uses").execute();
  return uses.reduce((sum, { uses: each }) => sum + each, 0);
}

/** The new gateway has to hear of the epoch first. */
async function ready(): Promise<void> {
  while (!(await fetch(`${federation.settings.gatewayUrl}/readyz`)).ok) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when some rows are done and others are not. */
async function underWay(id: string): Promise<void> {
  for (;;) {
    const { done, rows: all } = await batches.state(id);
    if (done > 0) {
      expect(done).toBeLessThan(all);
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function expectAllAnswered(id: string, usedBefore: number): Promise<void> {
  const state = await batches.finished(id);
  expect(state).toMatchObject({ state: "finished", rows: ROWS, answered: ROWS, refused: 0 });
  const results = await batches.results(id);
  expect(results.map(({ line }) => line)).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
  expect(new Set(results.map(({ query_id }) => query_id)).size).toBe(ROWS);
  for (const { line, answer } of results) {
    expect(answer?.value).toBe(expected.get(consentOf(line).id));
  }
  expect((await usesSoFar()) - usedBefore).toBe(ROWS);
}

test("the gateway stops on the way; the next one carries on", async () => {
  const used = await usesSoFar();
  const { id } = await batches.submit(rows(ROWS));
  await underWay(id);
  await gateway[Symbol.asyncDispose]();
  gateway = await startGateway(federation.settings, silentLogger);
  restarted.push(gateway);
  await ready();
  await expectAllAnswered(id, used);
}, 120_000);

test("the authority stops on the way; the batch waits for it", async () => {
  const used = await usesSoFar();
  const { id } = await batches.submit(rows(ROWS));
  await underWay(id);
  await authority[Symbol.asyncDispose]();
  authority = await startAuthority(federation.settings, silentLogger);
  restarted.push(authority);
  await ready();
  await expectAllAnswered(id, used);
}, 120_000);

test("a province is away; what depends on it waits until it is back", async () => {
  const used = await usesSoFar();
  const [away] = federation.provinces;
  const code = away?.code as (typeof federation.provinces)[number]["code"];
  await federation.stopNode(code);
  const evaluate = vi.spyOn(ProvincePool.prototype, "evaluateBatch");
  const { id } = await batches.submit(rows(ROWS));
  // The third time it is asked after, somebody is waiting for it.
  while (evaluate.mock.calls.filter(([called]) => called === code).length < 3) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const folder = partyFolder(federation.settings.home, code);
  const { provinces } = readFederation(`${federation.settings.home}/authority/federation.json`);
  const endpoint = provinces.find((province) => province.code === code)?.endpoint ?? "";
  const port = Number(endpoint.split(":")[1]);
  const nodeSettings = { ...federation.settings, nodeBasePort: port - Number(code) };
  restarted.push(await startProvinceNode(code, folder, nodeSettings, silentLogger));
  await expectAllAnswered(id, used);
}, 120_000);

test("released and not recorded: told again, not asked again", async () => {
  const used = await usesSoFar();
  const evaluate = vi.spyOn(ProvincePool.prototype, "evaluateBatch");
  const store = vi.spyOn(BatchStore.prototype, "store");
  store.mockImplementationOnce(() =>
    Promise.reject(new WjfError("federation-unavailable", "lost before it was recorded")),
  );
  const { id } = await batches.submit(rows(ROWS));
  await expectAllAnswered(id, used);
  // Three fan-outs to three provinces; the lost one's rows were answered from the authority's record.
  expect(evaluate.mock.calls.length).toBe(9);
  expect(store.mock.calls.length).toBe(4);
}, 120_000);
