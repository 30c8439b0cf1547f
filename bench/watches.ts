// Evaluations of watches per second: watches made in one upload with a consent each, all due at one moment, taken by the gateway's own
// scheduler through provinces and release, until each has its outcome on disk. Measured is the first evaluation of each, which
// also begins what is kept of it. Their sink does not exist: what they tell waits in the outbox, and nothing is delivered.
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { nowSeconds, systemClock } from "../core/clock.ts";
import { partyFolder } from "../core/config.ts";
import type { ProductRef } from "../core/ids.ts";
import { readFederation } from "../consent/epochs.ts";
import type { QueryAuthorization } from "../consent/verifier.ts";
import { type GatewayDb, openGatewayDatabase } from "../gateway/database.ts";
import { BenchFederation, type CpuShares, SCORES } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median } from "./statistics.ts";
import { uploadWatches, type WatchTerms } from "./watch-uploads.ts";

interface Evaluated {
  readonly evaluations_per_s: number;
  readonly seconds: number;
  /** Per watch. */
  readonly cpu_us: CpuShares;
}

const PRODUCT = "watch-phone@1" as ProductRef;
const CONDITIONS = [
  { indicator: "watch.suspended_arrears" },
  { indicator: "watch.sim_changed", params: { days: 30 } },
];
const EVERY = { unit: "DAY", value: 1 } as const;
const DAY_S = 86_400;
/** Every consent is asked for its watch; some also in the warm-up, and one to find the federation ready. */
const TERMS: QueryAuthorization = {
  ...SCORES,
  actions: [...SCORES.actions, PRODUCT],
  fetch: "PERIODIC",
  frequency: { unit: "DAY", value: 10 },
};
/** Never resolves (RFC 6761 §6.4). */
const SINK = "https://sink.invalid/alerts";

const POLL_MS = 20;
/** Of creating what is measured, over what the warm-up makes one expect. */
const ALLOWANCE = 2;
const LEAST_ALLOWANCE_S = 5;
const STALLED_MS = 180_000;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const provinces = quick ? 3 : 31;
  const watches = quick ? 200 : 10_000;
  const warmUps = watches / 10;
  await using federation = await BenchFederation.start({
    provinces,
    peoplePerProvince: 20,
    consents: watches,
    terms: TERMS,
    twin: false,
  });
  const { settings } = federation;
  await using db = await openGatewayDatabase(settings);
  const { group_key: key } = readFederation(
    join(partyFolder(settings.home, "authority"), "federation.json"),
  );
  const create = async (count: number, startsS: number): Promise<number> => {
    const schedule = { every: EVERY, starts: new Date(startsS * 1000).toISOString() };
    return await createWatches(federation, count, { schedule, sink: SINK, key });
  };
  // Code is compiled, connections are made; and it tells how long creating will take.
  const warmS = nowSeconds(systemClock);
  const expected = await create(warmUps, warmS);
  await evaluated(federation, db, { count: warmUps, dueS: warmS });

  const dueS = Math.ceil(
    nowSeconds(systemClock) + LEAST_ALLOWANCE_S + (ALLOWANCE * watches) / expected,
  );
  const createdPerS = await create(watches, dueS);
  if (nowSeconds(systemClock) >= dueS) throw new Error("they were due before all were created");
  const measured = await evaluated(federation, db, { count: watches, dueS });
  const { cpu_us: us } = measured;
  const memory = federation.memoryMib();
  return {
    metrics: {
      evaluations_per_s: measured.evaluations_per_s,
      watches_per_day_per_gateway: measured.evaluations_per_s * DAY_S,
      created_per_s: createdPerS,
      cpu_us_per_watch: us.authority + us.nodes + us.gateway,
      cpu_us_authority: us.authority,
      cpu_us_nodes: us.nodes,
      cpu_us_gateway: us.gateway,
      watches,
      conditions: CONDITIONS.length,
      changes_told: await changesTold(db),
      provinces,
      authority_mib: memory[0] ?? 0,
      node_mib: median(memory.slice(1, -1)),
      gateway_mib: memory.at(-1) ?? 0,
    },
    runs: [measured],
  };
}

/** A watch for each consent. @returns how many a second, signing and sealing them on this machine included. */
async function createWatches(
  federation: BenchFederation,
  count: number,
  terms: WatchTerms,
): Promise<number> {
  const orders = federation.askers
    .slice(0, count)
    .map(({ token }) => ({ token, product: PRODUCT, conditions: CONDITIONS }));
  const startedMs = performance.now();
  await uploadWatches(federation, orders, terms);
  return count / ((performance.now() - startedMs) / 1000);
}

/** From when the scheduler takes the first to when the last is recorded. @throws Error when it does not get on. */
async function evaluated(
  federation: BenchFederation,
  db: GatewayDb,
  { count, dueS }: { readonly count: number; readonly dueS: number },
): Promise<Evaluated> {
  await pause(Math.max(0, dueS * 1000 - systemClock.nowMs()));
  const cpuBefore = federation.cpuSeconds();
  while ((await beingEvaluated(db)) + (await recorded(db, dueS)) === 0) await pause(POLL_MS);
  const begunMs = performance.now();
  let grewMs = begunMs;
  for (let done = 0; done < count;) {
    await pause(POLL_MS);
    const now = await recorded(db, dueS);
    if (now > done) grewMs = performance.now();
    if (performance.now() - grewMs > STALLED_MS) throw new Error(`${now} of ${count} evaluated`);
    done = now;
  }
  const seconds = (performance.now() - begunMs) / 1000;
  return {
    evaluations_per_s: count / seconds,
    seconds,
    cpu_us: federation.cpuSince(cpuBefore, count),
  };
}

// The gateway's own rows, read beside it; both by an index, or the counting would be measured.

async function beingEvaluated(db: GatewayDb): Promise<number> {
  const { taken } = await db
    .selectFrom("watch")
    .select((eb) => eb.fn.countAll<number>().as("taken"))
    .where("lease_owner", "is not", null)
    .executeTakeFirstOrThrow();
  return taken;
}

/** Those that were evaluated for the moment: the next one is a day later. A refusal comes again sooner. */
async function recorded(db: GatewayDb, dueS: number): Promise<number> {
  const { done } = await db
    .selectFrom("watch")
    .select((eb) => eb.fn.countAll<number>().as("done"))
    .where("state", "=", "active")
    .where("sealed", "=", 0)
    .where("next_at", ">=", (dueS + DAY_S) * 1000)
    .executeTakeFirstOrThrow();
  return done;
}

async function changesTold(db: GatewayDb): Promise<number> {
  const { told } = await db
    .selectFrom("watch")
    .select((eb) => eb.fn.sum<number>("events").as("told"))
    .executeTakeFirstOrThrow();
  return told;
}
