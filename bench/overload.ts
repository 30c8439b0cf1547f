// Five times what the federation can take, for a minute, sent without waiting for answers. Whatever is accepted must be answered
// as before, the rest refused at once with when to come back; memory stays bounded; then it is as quick as it was.
import { setTimeout as pause } from "node:timers/promises";
import { type Answered, ask, askInTurn, keptAgent, prepareOne, saturate, send } from "./asking.ts";
import { type Asker, BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median, quantile } from "./statistics.ts";

const TIMES_CAPACITY = 5;
const TICK_MS = 20;
/** A connection waits for its answer; the gateway's queue is far shorter than this. */
const CONNECTIONS = 20_000;

interface Second {
  readonly gateway_mib: number;
  readonly authority_mib: number;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const provinces = quick ? 3 : 31;
  await using federation = await BenchFederation.start({
    provinces,
    peoplePerProvince: 20,
    consents: 200,
    twin: false,
  });
  const { gatewayUrl } = federation.settings;
  const { askers } = federation;
  const expected = await scores(gatewayUrl, askers);
  await saturate(gatewayUrl, askers, quick ? 200 : 2000, 256);
  const idleMs = median(await askInTurn(gatewayUrl, askers, 20));
  const capacity = await saturate(gatewayUrl, askers, quick ? 200 : 4000, 256);
  const before = memory(federation);
  const offered = { perSecond: capacity * TIMES_CAPACITY, seconds: quick ? 3 : 60 };
  const { outcomes, wrong, seconds, recovery } = await overload(
    federation,
    expected,
    offered,
    Math.max(50, 3 * idleMs),
  );
  const count = (test: (one: Outcome) => boolean): number => outcomes.filter(test).length;
  const accepted = outcomes.filter(({ status }) => status === 200);
  return {
    metrics: {
      provinces,
      capacity_qps: capacity,
      offered_qps: outcomes.length / offered.seconds,
      offered: outcomes.length,
      answered: accepted.length,
      answered_wrongly: wrong,
      refused_with_retry_after: count(({ status, retryAfter }) => status !== 200 && retryAfter),
      other_refusals: count(
        ({ status, retryAfter }) => status !== 200 && status > 0 && !retryAfter,
      ),
      connections_cut: count(({ status }) => status === 0),
      answered_p50_ms: quantile([...accepted.map(({ ms }) => ms), 0], 0.5),
      answered_p99_ms: quantile([...accepted.map(({ ms }) => ms), 0], 0.99),
      gateway_mib_before: before.gateway_mib,
      gateway_mib_most: Math.max(...seconds.map((one) => one.gateway_mib)),
      authority_mib_before: before.authority_mib,
      authority_mib_most: Math.max(...seconds.map((one) => one.authority_mib)),
      idle_p50_ms: idleMs,
      recovery_s: recovery,
    },
    runs: seconds,
  };
}

/** What each asker is told while nothing is wrong. */
async function scores(gatewayUrl: string, askers: readonly Asker[]): Promise<string[]> {
  using agent = keptAgent(8);
  return await Promise.all(
    askers.map(async (asker) =>
      scoreOf(await ask(gatewayUrl, await prepareOne(asker), agent.agent)),
    ),
  );
}

function scoreOf(body: string): string {
  return JSON.stringify((JSON.parse(body) as { answer: unknown }).answer);
}

function memory(federation: BenchFederation): Second {
  const [authority = 0, ...others] = federation.memoryMib();
  return { authority_mib: authority, gateway_mib: others.at(-1) ?? 0 };
}

interface Outcome {
  /** 0: the connection was cut. */
  readonly status: number;
  readonly retryAfter: boolean;
  readonly ms: number;
}

interface Offered {
  readonly perSecond: number;
  readonly seconds: number;
}

async function overload(
  federation: BenchFederation,
  expected: readonly string[],
  { perSecond, seconds }: Offered,
  quickMs: number,
): Promise<{ outcomes: Outcome[]; wrong: number; seconds: Second[]; recovery: number }> {
  const { askers } = federation;
  const { gatewayUrl } = federation.settings;
  using agent = keptAgent(CONNECTIONS);
  const outcomes: Outcome[] = [];
  const sampled: Second[] = [];
  let wrong = 0;
  const one = async (i: number): Promise<void> => {
    const at = i % askers.length;
    const prepared = await prepareOne(askers[at] as Asker);
    const start = performance.now();
    const answered = await send(gatewayUrl, prepared, agent.agent).catch((): Answered => CUT);
    const { status, headers, body } = answered;
    if (status === 200 && scoreOf(body) !== expected[at]) wrong++;
    const ms = performance.now() - start;
    outcomes.push({ status, retryAfter: headers["retry-after"] !== undefined, ms });
  };
  const started = performance.now();
  const sent: Promise<void>[] = [];
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - started) / 1000) {
    while (sent.length < elapsed * perSecond) sent.push(one(sent.length));
    if (sampled.length < elapsed) sampled.push(memory(federation));
    await pause(TICK_MS);
  }
  const recovery = await recover(gatewayUrl, askers, quickMs);
  await Promise.all(sent);
  return { outcomes, wrong, seconds: sampled, recovery };
}

const CUT: Answered = { status: 0, headers: {}, body: "" };

/** Seconds from the end of the overload until a question is as quick as it should be. */
async function recover(
  gatewayUrl: string,
  askers: readonly Asker[],
  quickMs: number,
): Promise<number> {
  using agent = keptAgent(1);
  const started = performance.now();
  for (;;) {
    const prepared = await prepareOne(askers[0] as Asker);
    const start = performance.now();
    const { status } = await send(gatewayUrl, prepared, agent.agent);
    const now = performance.now();
    if (status === 200 && now - start <= quickMs) return (now - started) / 1000;
  }
}
