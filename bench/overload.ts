// Five times what the federation can take, for a minute, sent without waiting for answers. Whatever is accepted must be answered
// as before, the rest refused at once with when to come back; memory stays bounded; then it is as quick as it was.
// Who asks shares the machine with who is asked, so the proofs are signed before the minute, and how late a question left is told.
import { setTimeout as pause } from "node:timers/promises";
import { ask, askInTurn, keptAgent, type Prepared, prepareOne, saturate, send } from "./asking.ts";
import { type Asker, BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median, quantile } from "./statistics.ts";

const TIMES_CAPACITY = 5;
const TICK_MS = 20;
/** A connection waits for its answer; the gateway's queue is far shorter than this. */
const CONNECTIONS = 20_000;
/** For signing one proof; the plan begins when there was time for all. */
const SIGNING_MS = 0.3;

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
  const seconds = quick ? 3 : 60;
  const plan = await planned(askers, capacity * TIMES_CAPACITY, seconds);
  const { outcomes, sampled, ...after } = await overload(
    federation,
    plan,
    Math.max(50, 3 * idleMs),
  );
  const accepted = outcomes.filter(({ status }) => status === 200);
  const count = (test: (one: Outcome) => boolean): number => outcomes.filter(test).length;
  const ms = (q: number): number => quantile([...accepted.map((one) => one.ms), 0], q);
  const late = outcomes.map(({ lateMs }) => lateMs);
  return {
    metrics: {
      provinces,
      capacity_qps: capacity,
      offered_qps: outcomes.length / seconds,
      offered: outcomes.length,
      answered: accepted.length,
      answered_wrongly: count(({ status, i, said }) => {
        return status === 200 && said !== expected[i % askers.length];
      }),
      refused_with_retry_after: count(({ status, retryAfter }) => status !== 200 && retryAfter),
      other_refusals: count(
        ({ status, retryAfter }) => status !== 200 && status > 0 && !retryAfter,
      ),
      connections_cut: count(({ status }) => status === 0),
      ...saidOtherwise(outcomes),
      answered_p50_ms: ms(0.5),
      answered_p99_ms: ms(0.99),
      sent_late_p99_ms: quantile(late, 0.99),
      sent_late_most_ms: quantile(late, 1),
      gateway_mib_before: before.gateway_mib,
      gateway_mib_most: Math.max(...sampled.map((one) => one.gateway_mib)),
      authority_mib_before: before.authority_mib,
      authority_mib_most: Math.max(...sampled.map((one) => one.authority_mib)),
      idle_p50_ms: idleMs,
      ...after,
    },
    runs: sampled,
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

interface Planned {
  readonly prepared: Prepared;
  /** When it is to leave, of `systemClock`. */
  readonly atMs: number;
}

/** Each proof is dated to the second in which it will be sent. */
async function planned(
  askers: readonly Asker[],
  perSecond: number,
  seconds: number,
): Promise<Planned[]> {
  const count = Math.round(perSecond * seconds);
  const startMs = Date.now() + count * SIGNING_MS;
  const plan: Planned[] = [];
  for (let i = 0; i < count; i++) {
    const atMs = startMs + (i * 1000) / perSecond;
    plan.push({ prepared: await prepareOne(askers[i % askers.length] as Asker, atMs), atMs });
  }
  return plan;
}

interface Outcome {
  /** Its place in the plan. */
  readonly i: number;
  /** 0: the connection was cut. */
  readonly status: number;
  /** The score, or the code of the refusal, or of the connection's error. */
  readonly said: string;
  readonly retryAfter: boolean;
  readonly ms: number;
  /** After the plan's time. */
  readonly lateMs: number;
}

async function askOne(
  gatewayUrl: string,
  { prepared, atMs }: Planned,
  i: number,
  agent: ReturnType<typeof keptAgent>["agent"],
): Promise<Outcome> {
  const lateMs = Date.now() - atMs;
  const start = performance.now();
  const since = (): number => performance.now() - start;
  try {
    const { status, headers, body } = await send(gatewayUrl, prepared, agent);
    const ms = since();
    const said = status === 200 ? scoreOf(body) : codeOf(status, body);
    return { i, status, said, retryAfter: headers["retry-after"] !== undefined, ms, lateMs };
  } catch (error) {
    const said = (error as NodeJS.ErrnoException).code ?? "error";
    return { i, status: 0, said, retryAfter: false, ms: since(), lateMs };
  }
}

function codeOf(status: number, body: string): string {
  return body.startsWith('{"type"') ? (JSON.parse(body) as { code: string }).code : String(status);
}

/** How many by code, of those that are neither answered nor refused as they should be. */
function saidOtherwise(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, said } of outcomes) {
    if (status !== 200) counts[`said_${said}`] = (counts[`said_${said}`] ?? 0) + 1;
  }
  return counts;
}

interface Overloaded {
  readonly outcomes: readonly Outcome[];
  readonly sampled: readonly Second[];
  /** Cores that each kept busy during the minute. */
  readonly cores_authority: number;
  readonly cores_nodes: number;
  readonly cores_gateway: number;
  readonly cores_asking: number;
  readonly recovery_s: number;
  /** Seconds until every question of the minute had its outcome. */
  readonly drained_s: number;
}

async function overload(
  federation: BenchFederation,
  plan: readonly Planned[],
  quickMs: number,
): Promise<Overloaded> {
  const { gatewayUrl } = federation.settings;
  using agent = keptAgent(CONNECTIONS);
  const sampled: Second[] = [];
  const sent: Promise<Outcome>[] = [];
  const startMs = plan[0]?.atMs ?? 0;
  const [begun, cpu, own] = [performance.now(), federation.cpuSeconds(), process.cpuUsage()];
  while (sent.length < plan.length) {
    for (let next = plan[sent.length]; next && next.atMs <= Date.now(); next = plan[sent.length]) {
      sent.push(askOne(gatewayUrl, next, sent.length, agent.agent));
    }
    if (sampled.length * 1000 < Date.now() - startMs) sampled.push(memory(federation));
    await pause(TICK_MS);
  }
  const ended = performance.now();
  const cores = coresSince(federation, cpu, own, (ended - begun) / 1000);
  const since = (): number => (performance.now() - ended) / 1000;
  const drained = Promise.all(sent).then((outcomes) => ({ outcomes, drained_s: since() }));
  await recover(gatewayUrl, federation.askers, quickMs);
  const recovery = since();
  return { ...(await drained), sampled, ...cores, recovery_s: recovery };
}

function coresSince(
  federation: BenchFederation,
  cpu: readonly number[],
  own: NodeJS.CpuUsage,
  seconds: number,
) {
  // Microseconds for each second.
  const { authority, nodes, gateway } = federation.cpuSince(cpu, seconds);
  const { user, system } = process.cpuUsage(own);
  return {
    cores_authority: authority / 1e6,
    cores_nodes: nodes / 1e6,
    cores_gateway: gateway / 1e6,
    cores_asking: (user + system) / 1e6 / seconds,
  };
}

/** Until a question is as quick as it should be. */
async function recover(
  gatewayUrl: string,
  askers: readonly Asker[],
  quickMs: number,
): Promise<void> {
  using agent = keptAgent(1);
  for (;;) {
    const prepared = await prepareOne(askers[0] as Asker);
    const start = performance.now();
    const { status } = await send(gatewayUrl, prepared, agent.agent);
    if (status === 200 && performance.now() - start <= quickMs) return;
  }
}
