// Half load over a federation of processes, for WJF_SOAK_MINUTES (30). What counts as a failure: a question without an answer, a
// process that ends, resident memory of a process that grows by more than 5% from the first sixth of that time to the last,
// more descriptors open at the end, a receipt whose time is not between its question and its answer. What does
// not: how long an answer takes, and a refusal for want of room that says when to come back, when a busy machine gives one: it is
// followed as an institution would, and counted. Medians of the windows are compared. Before it there is a warm-up at full load, counted in
// answers and not in time, because it is answers that fill caches: the authority's database alone has a page cache of 64 MiB.
import type { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { keptAgent, prepareOne, send } from "../../bench/asking.ts";
import { type Asker, BenchFederation } from "../../bench/bench-federation.ts";
import { readLogKeys, verifyReceipt } from "../../consent/index.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { growth, type Sample, sample } from "./process-samples.ts";
import { SteadyLoad } from "./steady-load.ts";

const MINUTES = Number(process.env["WJF_SOAK_MINUTES"] ?? 30);
const PROVINCES_ASKED = 5;
const CONSENTS = 40;
const CONCURRENCY = 64;
/** Asked at full load, which is thereby measured. With fewer the authority's page cache was seen to be filling for half an hour. */
const WARM_UP_ANSWERS = Number(process.env["WJF_SOAK_WARM_UP"] ?? 50_000);
const SAMPLE_MS = 2000;
const MEMORY_GROWTH_MAX = 0.05;
/** One connection that is made anew just then. */
const DESCRIPTORS_MORE = 2;
/** Every so many answers, the receipt is verified. */
const RECEIPT_EVERY = 20;
/** The log's time has milliseconds, and so have ours. */
const CLOCK_STEP_MS = 2;

const names = [
  "authority",
  ...PROVINCES.slice(0, PROVINCES_ASKED).map(({ code }) => `node ${code}`),
  "gateway",
];

test(`${MINUTES} minutes at half load: memory and descriptors stay, receipts keep time`, async () => {
  await using federation = await BenchFederation.start({
    provinces: PROVINCES_ASKED,
    peoplePerProvince: 20,
    consents: CONSENTS,
    twin: false,
    environment: { WJF_FAN_OUT_TIMEOUT_MS: "30000" },
  });
  const { settings, askers } = federation;
  const clock = new ReceiptClock(readLogKeys(settings) ?? []);
  using agent = keptAgent(CONCURRENCY);
  let comeBack = 0;
  const question = async (turn: number): Promise<string | undefined> => {
    const asker = askers[turn % askers.length] as Asker;
    const askedMs = Date.now();
    const { body, refusals } = await answered(settings.gatewayUrl, asker, agent.agent);
    comeBack += refusals;
    if (turn % RECEIPT_EVERY !== 0) return undefined;
    return clock.check((JSON.parse(body) as { receipt: string }).receipt, askedMs, Date.now());
  };
  const full = await fullLoad(question);
  await using load = new SteadyLoad(full / 2, question);
  const samples: Sample[][] = names.map(() => []);
  const start = performance.now();
  const elapsedS = (): number => (performance.now() - start) / 1000;
  const endS = MINUTES * 60;
  load.start();
  while (elapsedS() < endS && load.failures.length === 0) {
    for (const [i, { pid }] of federation.processes.entries()) {
      samples[i]?.push({ seconds: elapsedS(), ...sample(pid as number) });
    }
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  await load.stop();
  expect(load.failures).toEqual([]);
  const windows = [
    { fromS: 0, toS: endS / 6 },
    { fromS: (endS * 5) / 6, toS: Infinity },
  ] as const;
  const grown = names.map((name, i) => growth(name, samples[i] as Sample[], windows));
  print(grown, windows, { load, clock, full, comeBack, seconds: elapsedS() });
  expect(clock.count).toBeGreaterThan(0);
  expect(federation.processes.filter(({ exitCode }) => exitCode !== null)).toEqual([]);
  for (const { name, rssMib, descriptors } of grown) {
    expect(rssMib[1] / rssMib[0] - 1, `${name}: memory`).toBeLessThan(MEMORY_GROWTH_MAX);
    expect(descriptors[1] - descriptors[0], `${name}: descriptors`).toBeLessThan(DESCRIPTORS_MORE);
  }
});

/** @throws Error for whatever is neither an answer nor a refusal that says when to come back. */
async function answered(gatewayUrl: string, asker: Asker, agent: Agent) {
  for (let refusals = 0; ; refusals++) {
    const { status, headers, body } = await send(gatewayUrl, await prepareOne(asker), agent);
    if (status === 200) return { body, refusals };
    const again = Number(headers["retry-after"]);
    if (status !== 503 || !(again > 0)) throw new Error(`the gateway answered ${status}: ${body}`);
    await delay(again * 1000);
  }
}

/** Receipts' times, held against the clock. */
class ReceiptClock {
  count = 0;
  /** Furthest that one was outside of its question and answer, in milliseconds. */
  furthestMs = 0;
  readonly #logKeys: readonly string[];

  constructor(logKeys: readonly string[]) {
    this.#logKeys = logKeys;
  }

  /** @returns what is wrong with it, if anything is. */
  check(receipt: string, askedMs: number, answeredMs: number): string | undefined {
    const timeMs = Date.parse(verifyReceipt(receipt, this.#logKeys).leaf.time);
    const outsideMs = Math.max(askedMs - timeMs, timeMs - answeredMs, 0);
    this.count++;
    this.furthestMs = Math.max(this.furthestMs, outsideMs);
    return outsideMs > CLOCK_STEP_MS ? `a receipt is ${outsideMs} ms off` : undefined;
  }
}

/** Answers per second with so many always under way. */
async function fullLoad(question: (turn: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let asked = 0;
  const worker = async (): Promise<void> => {
    while (asked < WARM_UP_ANSWERS) await question(asked++);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return (asked * 1000) / (performance.now() - start);
}

function print(
  grown: readonly ReturnType<typeof growth>[],
  windows: readonly { fromS: number; toS: number }[],
  run: { load: SteadyLoad; clock: ReceiptClock; full: number; comeBack: number; seconds: number },
): void {
  const { load, clock, full, comeBack, seconds } = run;
  const rows = grown.map(({ name, rssMib: [from, to], descriptors }) =>
    [
      name.padEnd(10),
      from.toFixed(1).padStart(8),
      to.toFixed(1).padStart(8),
      `${((to / from - 1) * 100).toFixed(1)}%`.padStart(7),
      ...descriptors.map((count) => String(count).padStart(6)),
    ].join(" "),
  );
  const [first, last] = windows.map(({ fromS }) => fromS.toFixed(0));
  process.stderr.write(
    [
      `${seconds.toFixed(0)} s, full load ${full.toFixed(0)}/s over ${WARM_UP_ANSWERS} answers, ${load.answered} answers at ` +
        `${load.reached.toFixed(1)}/s, ${load.heldBack} held back, ${comeBack} told to come back, ${load.failures.length} failures`,
      `windows: from ${first} s and from ${last} s; ${clock.count} receipts verified, at most ${clock.furthestMs} ms off`,
      "process     MiB then  MiB now  growth  fds then, now",
      ...rows,
      "",
    ].join("\n"),
  );
}
