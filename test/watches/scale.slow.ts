// A hundred thousand watches over 31 provinces, each party a process of its own, over two loads of data. The receiver is down half of
// the time; gateway and authority are killed (SIGKILL) twice each on the way. Failure would be an alert that an independent
// reading of the raw rows expects and that did not come, one that it does not expect, one told under two ids, or a watch
// that is not there. WJF_WATCHES and WJF_PROVINCES take fewer.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { BenchFederation, SCORES } from "../../bench/bench-federation.ts";
import { uploadWatches, type WatchOrder } from "../../bench/watch-uploads.ts";
import { readFederation } from "../../consent/epochs.ts";
import type { QueryAuthorization } from "../../consent/verifier.ts";
import { partyFolder } from "../../core/config.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { type GatewayDb, openGatewayDatabase } from "../../gateway/database.ts";
import type { TruthPerson } from "../../province-node/index.ts";
import { Oracle } from "../../province-node/sandbox/oracle/index.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";
import { createSinkCa } from "../alerts/sink-server.ts";
import { ASOF } from "../federation/federation.ts";
import { conditionsOf, GROUPS, productOf, PRODUCTS } from "./conditions.ts";
import { loadDay, nextDay, type SandboxDay } from "./days.ts";
import { HalfReceiver } from "./receiver.ts";
import { judge, news } from "./watch-oracle.ts";

const WATCHES = Number(process.env["WJF_WATCHES"] ?? 100_000);
const COUNT = Number(process.env["WJF_PROVINCES"] ?? 31);
const PEOPLE_PER_PROVINCE = 30;
const PER_CONSENT = 20;
const CONDITIONS = 2;
const HOUR_MS = 3_600_000;
const HOURLY = { every: { unit: "HOUR", value: 1 } };
/** Ten million a day, as one gateway is to manage. */
const NEEDED_PER_S = 10_000_000 / 86_400;

const TERMS: QueryAuthorization = {
  ...SCORES,
  actions: [...SCORES.actions, ...PRODUCTS] as never,
  fetch: "PERIODIC",
  frequency: { unit: "HOUR", value: 100 },
};

interface Watched extends WatchOrder {
  readonly msisdn: string;
  readonly conditions: readonly AskedCheck[];
}

test(`${WATCHES} watches, two loads, four kills: every alert once, none unexpected`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "wjf-watches-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const ca = await createSinkCa();
  const clock = join(folder, "clock");
  writeFileSync(join(folder, "ca.pem"), ca.pem);
  writeFileSync(clock, "0");
  await using receiver = await HalfReceiver.start(ca);
  const consents = Math.ceil(WATCHES / PER_CONSENT);
  await using federation = await BenchFederation.start({
    provinces: COUNT,
    peoplePerProvince: PEOPLE_PER_PROVINCE,
    consents,
    terms: TERMS,
    twin: false,
    environment: {
      NODE_OPTIONS: "--import ./test/watches/shifted-clock.mjs",
      WJF_TEST_CLOCK: clock,
      WJF_ALERT_SANDBOX_CA: join(folder, "ca.pem"),
      WJF_LOG_LEVEL: "info",
    },
  });
  const { settings, askers } = federation;
  const provinces = PROVINCES.slice(0, COUNT);
  await using db = await openGatewayDatabase(settings);
  const first: SandboxDay = { folder: join(settings.home, "sandbox"), asof: ASOF };
  const today = Oracle.open(first.folder, first.asof);
  const watched = watchAll(
    askers.map(({ token }) => token),
    readPeople(settings.home),
    today,
  );
  const say = sayer();
  say(`${COUNT} provinces, ${consents} consents: there`);

  const { group_key: key } = readFederation(
    join(partyFolder(settings.home, "authority"), "federation.json"),
  );
  const terms = { schedule: HOURLY, sink: receiver.sink.url, key };
  const startedMs = performance.now();
  const ids = await uploadWatches(federation, watched, terms);
  const seconds = (performance.now() - startedMs) / 1000;
  expect(new Set(ids).size).toBe(WATCHES);
  const memory = federation.memoryMib().at(-1) ?? 0;
  say(`created, ${rate(seconds)} a second; the gateway's memory: ${memory.toFixed(0)} MiB`);
  await evaluatedWithKills(federation, db, 0, say);

  const loaded = { settings, provinces };
  // What happens on two days is found together, a week later.
  const second = nextDay(loaded, nextDay(loaded, first, 2), 3);
  await loadDay(loaded, second);
  await served(settings.home, COUNT);
  say("the next data are served");
  const before = Math.floor(Date.now() / 1000);
  writeFileSync(clock, String(HOUR_MS));
  for (const child of federation.processes) child.kill("SIGUSR2");
  await evaluatedWithKills(federation, db, before, say);

  await delivered(db);
  const told = [...receiver.events.values()];
  say(`${receiver.taken} taken, ${told.length} of them new; ${receiver.refused} refused`);
  expect(receiver.refused).toBeGreaterThan(0);
  const dead = await db.selectFrom("alert").select("id").where("state", "=", "dead").execute();
  expect(dead).toEqual([]);
  const started = told.filter(({ type }) => type.endsWith(".subscription-started"));
  expect(new Set(started.map(({ subject }) => subject))).toEqual(new Set(ids));
  const changes = told
    .filter(({ type }) => /\.(crossed|back|unknown)$/.test(type))
    .map(({ type, subject, data }) => `${subject} ${data.condition} ${type.split(".").at(-1)}`);
  expect(started.length + changes.length).toBe(told.length);
  const expected = expectedNews(watched, ids, [today, Oracle.open(second.folder, second.asof)]);
  expect(new Set(changes).size).toBe(changes.length);
  const missing = new Set(expected).difference(new Set(changes));
  const unexpected = new Set(changes).difference(new Set(expected));
  expect([[...missing].slice(0, 9), [...unexpected].slice(0, 9)]).toEqual([[], []]);
  for (const state of ["crossed", "back", "unknown"]) {
    const count = changes.filter((change) => change.endsWith(` ${state}`)).length;
    say(`${count} ${state}`);
    expect(count).toBeGreaterThan(0);
  }
  say("every alert once, none unexpected");
});

function readPeople(home: string): string[] {
  const lines = readFileSync(join(home, "sandbox", "truth", "people.ndjson"), "utf8");
  return lines
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as TruthPerson).numbers[0]?.msisdn ?? "");
}

/** So many watches for each consent, of all products, with other conditions each. Consents go round the people. */
function watchAll(tokens: readonly string[], people: readonly string[], today: Oracle): Watched[] {
  const all = people.map((msisdn, index) => {
    const numbers = today.numbersOf({ msisdn }).flat();
    return GROUPS.map((group) => conditionsOf(group, numbers, index));
  });
  return Array.from({ length: WATCHES }, (_, i) => {
    const consent = Math.floor(i / PER_CONSENT);
    const person = consent % people.length;
    const group = i % GROUPS.length;
    const some = all[person]?.[group] ?? [];
    const from = Math.floor(i / GROUPS.length);
    return {
      token: tokens[consent] as string,
      msisdn: people[person] as string,
      product: productOf(GROUPS[group] as (typeof GROUPS)[number]),
      conditions: Array.from(
        { length: Math.min(CONDITIONS, some.length) },
        (_, n) => some[(from + n) % some.length] as AskedCheck,
      ),
    };
  });
}

/** Until every watch has an outcome for a moment after this one; gateway, then authority are killed on the way. */
async function evaluatedWithKills(
  federation: BenchFederation,
  db: GatewayDb,
  afterS: number,
  say: (what: string) => void,
): Promise<void> {
  const begun = await evaluated(db, afterS);
  const startedMs = performance.now();
  const kills = [
    { party: "gateway", at: COUNT + 1, share: 0 },
    { party: "authority", at: 0, share: 0.3 },
  ];
  let last: readonly string[] = [];
  for (let done = begun; done < WATCHES; done = await evaluated(db, afterS)) {
    const [next] = kills;
    const holders = await evaluators(db);
    // Something is under way, and by a process that still lives.
    const isUnderWay = holders.some((holder) => !last.includes(holder));
    if (next !== undefined && isUnderWay && done >= begun + next.share * (WATCHES - begun)) {
      kills.shift();
      if (next.at !== 0) last = holders;
      say(`${done} evaluated: the ${next.party} is killed`);
      await federation.killAndRestart(next.at);
    }
    // Counting reads every watch.
    await pause(500);
  }
  const perS = (WATCHES - begun) / ((performance.now() - startedMs) / 1000);
  say(
    `all evaluated, the last ${WATCHES - begun} with two kills at ${perS.toFixed(0)} a second; ` +
      `10 million a day are ${NEEDED_PER_S.toFixed(0)}`,
  );
  expect(kills).toEqual([]);
}

async function evaluated(db: GatewayDb, afterS: number): Promise<number> {
  const { done } = await db
    .selectFrom("watch")
    .select((eb) => eb.fn.countAll<number>().as("done"))
    .where("evaluated_at", ">", afterS)
    .executeTakeFirstOrThrow();
  return done;
}

/** Who evaluates something now. */
async function evaluators(db: GatewayDb): Promise<string[]> {
  const rows = await db
    .selectFrom("watch")
    .select("lease_owner")
    .distinct()
    .where("lease_owner", "is not", null)
    .execute();
  return rows.map(({ lease_owner: owner }) => owner as string);
}

/** Until every node has said that it serves another load. */
async function served(home: string, provinces: number): Promise<void> {
  const log = join(home, "bench.log");
  while (readFileSync(log, "utf8").split("a new load is served").length <= provinces) {
    await pause(200);
  }
}

async function delivered(db: GatewayDb): Promise<void> {
  for (;;) {
    const { left } = await db
      .selectFrom("alert")
      .select((eb) => eb.fn.countAll<number>().as("left"))
      .where("settled_at", "is", null)
      .executeTakeFirstOrThrow();
    if (left === 0) return;
    await pause(200);
  }
}

/** What an institution must be told, by somebody who reads the raw rows. */
function expectedNews(
  watched: readonly Watched[],
  ids: readonly string[],
  oracles: readonly Oracle[],
): string[] {
  const readings = new Map<string, NumberReading[][]>();
  const verdicts = new Map<string, readonly (string | undefined)[]>();
  const newsOf = (msisdn: string, condition: AskedCheck) => {
    const days = readings.getOrInsertComputed(msisdn, () =>
      oracles.map((oracle) => oracle.numbersOf({ msisdn }).flat()),
    );
    return verdicts.getOrInsertComputed(`${msisdn} ${JSON.stringify(condition)}`, () => {
      const seen = days.map((now) => judge(condition, now, days[0] ?? []));
      return seen.map((_, day) => news(seen.slice(0, day + 1)));
    });
  };
  return watched.flatMap(({ msisdn, conditions }, i) =>
    conditions.flatMap((condition, place) =>
      newsOf(msisdn, condition).flatMap((told) =>
        told === undefined ? [] : [`${ids[i]} ${place} ${told}`],
      ),
    ),
  );
}

function rate(seconds: number): string {
  return (WATCHES / seconds).toFixed(0);
}

function sayer(): (what: string) => void {
  const startedMs = performance.now();
  return (what) => {
    const s = ((performance.now() - startedMs) / 1000).toFixed(0);
    process.stdout.write(`${s} s: ${what}\n`);
  };
}
