// Watches through the whole federation with the real cryptography, over three days of data: every alert that an independent
// reading of the raw rows expects, once, and no other. Failure would be an alert that is missing, twice, or unexpected. An
// evaluation that waits for a status list, and comes a second later, is not a failure.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { partyFolder } from "../../core/config.ts";
import { createLogger } from "../../core/log.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { Oracle } from "../../province-node/sandbox/oracle/index.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";
import { ASOF, type Federation, startFederation } from "../federation/federation.ts";
import { Bank } from "../federation/bank.ts";
import { conditionsOf, GROUPS, PRODUCTS } from "./conditions.ts";
import { loadDay, nextDay, type SandboxDay } from "./days.ts";
import { moveOn, useMovingClock } from "./moving-clock.ts";
import { WatchClient } from "./watch-client.ts";
import { type Day, judge, JUDGES, news } from "./watch-oracle.ts";

const HOUR_MS = 3_600_000;

let federation: Federation;
let bank: Bank;
let client: WatchClient;
const logLines: string[] = [];
const claimed = new Set<string>();

interface Watched {
  readonly id: string;
  readonly msisdn: string;
  readonly conditions: readonly AskedCheck[];
}

beforeAll(async () => {
  useMovingClock();
  const write = (line: string) => logLines.push(line);
  federation = await startFederation({
    provinces: 3,
    peoplePerProvince: 4,
    log: createLogger({ service: "parties", level: "trace", destination: { write } }),
  });
  bank = await Bank.register(federation, { products: PRODUCTS });
  client = new WatchClient(federation, bank);
}, 120_000);
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await federation[Symbol.asyncDispose]();
  vi.restoreAllMocks();
});

function open({ folder, asof }: SandboxDay): Oracle {
  return Oracle.open(folder, asof);
}

async function watchAll(first: Oracle): Promise<Watched[]> {
  const watched: Watched[] = [];
  for (const [
    index,
    {
      numbers: [number],
    },
  ] of federation.truth.entries()) {
    const msisdn = number?.msisdn as string;
    const consent = await bank.consent({
      subject: msisdn,
      products: PRODUCTS,
      frequency: { unit: "HOUR", value: 100 },
      maxUses: 1000,
      result: "boolean",
    });
    for (const group of GROUPS) {
      const conditions = conditionsOf(group, first.numbersOf({ msisdn }).flat(), index);
      for (const { claim } of conditions) {
        if (claim?.["contact_msisdn"] !== undefined) claimed.add(String(claim["contact_msisdn"]));
      }
      const wish = { product: `watch-${group}@1`, conditions };
      watched.push({ id: (await client.create(consent, wish)).watch_id, msisdn, conditions });
    }
  }
  return watched;
}

/** Resolves when every watch was evaluated for a moment after the last one. */
async function evaluated(last: number): Promise<number> {
  for (;;) {
    const moments = await client.evaluated();
    const oldest = Math.min(...moments);
    if (moments.length > 0 && oldest > last) return Math.max(...moments);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function expectedNews(watched: readonly Watched[], days: readonly Oracle[]): string[] {
  return watched.flatMap(({ id, msisdn, conditions }) => {
    const readings = days.map((oracle) => oracle.numbersOf({ msisdn }).flat());
    return conditions.flatMap((condition, place) => {
      const seen = readings.map((now): Day => judge(condition, now, readings[0] ?? []));
      const told = news(seen);
      return told === undefined ? [] : [`${id} ${place} ${told}`];
    });
  });
}

test("three days of data: every expected alert once, none unexpected", async () => {
  const first: SandboxDay = { folder: join(federation.settings.home, "sandbox"), asof: ASOF };
  const days = [first];
  const oracles = [open(first)];
  const watched = await watchAll(oracles[0] as Oracle);
  expect(new Set(watched.flatMap(({ conditions }) => conditions.map((c) => c.indicator)))).toEqual(
    new Set(Object.keys(JUDGES)),
  );
  let moment = await evaluated(0);
  const expected = expectedNews(watched, oracles);
  const reopened = vi.spyOn(FeatureStore.prototype, "reopenIfReplaced");
  for (const day of [2, 3]) {
    const next = nextDay(federation, days.at(-1) as SandboxDay, day);
    days.push(next);
    oracles.push(open(next));
    reopened.mockClear();
    await loadDay(federation, next);
    await vi.waitUntil(
      () => reopened.mock.results.filter(({ value }) => value === true).length === 3,
      { timeout: 60_000 },
    );
    moveOn(HOUR_MS);
    // A change of any consent brings the gateway a fresh status list at once.
    await bank.consent({ subject: watched[0]?.msisdn as string, products: PRODUCTS });
    moment = await evaluated(moment);
    expected.push(...expectedNews(watched, oracles));
  }
  const told = await client.told();
  const changes = told.filter(({ type }) => ["crossed", "back", "unknown"].includes(type));
  expect(
    changes
      .map(({ watch, type, data }) => `${watch} ${String(data["condition"])} ${type}`)
      .toSorted(),
  ).toEqual(expected.toSorted());
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  expect(told.filter(({ type }) => type === "subscription-started").length).toBe(watched.length);
  // A comparison of nothing with nothing would prove little.
  for (const type of ["crossed", "back", "unknown"]) {
    expect(changes.filter((change) => change.type === type).length, type).toBeGreaterThan(3);
  }
}, 180_000);

test("no person, condition or threshold in a log line, in the gateway's database, or in what is told", async () => {
  const folder = partyFolder(federation.settings.home, "gateway");
  const files = readdirSync(folder).filter((name) => name.startsWith("gateway.db"));
  expect(files.length).toBeGreaterThan(0);
  const kept = files.map((name) => readFileSync(join(folder, name)).toString("latin1"));
  const told = JSON.stringify(await client.told());
  const people = federation.truth.flatMap(({ name, cnId, numbers }) => [
    Buffer.from(name).toString("latin1"),
    cnId,
    ...numbers.map(({ msisdn }) => msisdn.slice(-11)),
  ]);
  const contactNumbers = [...claimed].map((number) => number.slice(-11));
  const secrets = [...people, ...contactNumbers, ...Object.keys(JUDGES), '"params"'];
  expect(logLines.length).toBeGreaterThan(0);
  for (const text of [...kept, told, Buffer.from(logLines.join("")).toString("latin1")]) {
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  }
});
