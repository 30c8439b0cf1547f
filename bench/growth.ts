// How cost grows with the number of provinces: latency when idle, throughput at saturation, processor time per question of each kind
// of process, memory. One federation after another on the same machine; people per province stay the same.
import { ask, keptAgent, prepare, saturate } from "./asking.ts";
import { BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median } from "./statistics.ts";

interface Run {
  readonly provinces: number;
  readonly idle_p50_ms: number;
  readonly saturation_qps: number;
  /** Processor time per question at saturation, microseconds: authority, one node, gateway. */
  readonly authority_cpu_us: number;
  readonly node_cpu_us: number;
  readonly gateway_cpu_us: number;
  readonly node_mib: number;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const sizes = quick ? [2, 3] : [2, 4, 8, 16, 31];
  const runs: Run[] = [];
  for (const provinces of sizes) runs.push(await measure(provinces, quick ? 100 : 3000));
  const [first, last] = [runs[0], runs.at(-1)] as [Run, Run];
  return {
    metrics: {
      provinces_least: first.provinces,
      provinces_most: last.provinces,
      idle_p50_ratio: last.idle_p50_ms / first.idle_p50_ms,
      throughput_ratio: last.saturation_qps / first.saturation_qps,
      node_cpu_ratio: last.node_cpu_us / first.node_cpu_us,
      gateway_cpu_ratio: last.gateway_cpu_us / first.gateway_cpu_us,
      authority_cpu_ratio: last.authority_cpu_us / first.authority_cpu_us,
    },
    runs,
  };
}

async function measure(provinces: number, count: number): Promise<Run> {
  await using federation = await BenchFederation.start({
    provinces,
    peoplePerProvince: 20,
    consents: 40,
    twin: false,
  });
  const { gatewayUrl } = federation.settings;
  await saturate(gatewayUrl, federation.askers, count, 128);
  using agent = keptAgent(1);
  const idleMs: number[] = [];
  for (const one of await prepare(federation.askers, 40)) {
    const start = performance.now();
    await ask(gatewayUrl, one, agent.agent);
    idleMs.push(performance.now() - start);
  }
  const before = federation.cpuSeconds();
  const qps = await saturate(gatewayUrl, federation.askers, count, 128);
  const cpuUs = federation
    .cpuSeconds()
    .map((after, i) => ((after - (before[i] ?? 0)) / count) * 1e6);
  return {
    provinces,
    idle_p50_ms: median(idleMs),
    saturation_qps: qps,
    authority_cpu_us: cpuUs[0] ?? 0,
    node_cpu_us: median(cpuUs.slice(1, -1)),
    gateway_cpu_us: cpuUs.at(-1) ?? 0,
    node_mib: median(federation.memoryMib().slice(1, -1)),
  };
}
