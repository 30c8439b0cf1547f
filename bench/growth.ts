// How cost grows with the number of provinces, with the people in a province's store, and with the questions under way at once:
// latency when idle, throughput, processor time per question of each kind of process, memory. One federation after another.
import { askInTurn, saturate } from "./asking.ts";
import { BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import type { Plot } from "./report.ts";
import { median } from "./statistics.ts";

const PEOPLE = 20;
const CONCURRENCY = 128;

interface Run {
  readonly provinces: number;
  readonly people: number;
  readonly concurrency: number;
  readonly idle_p50_ms: number;
  readonly qps: number;
  /** Processor time per question at saturation, microseconds: authority, one node, gateway. */
  readonly authority_cpu_us: number;
  readonly node_cpu_us: number;
  readonly gateway_cpu_us: number;
  readonly node_mib: number;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const sizes = quick ? [2, 3] : [2, 4, 8, 16, 31];
  const count = quick ? 100 : 3000;
  const runs: Run[] = [];
  for (const provinces of sizes) {
    runs.push(await measure({ provinces, count, concurrency: CONCURRENCY }));
  }
  const [first, last] = [runs[0], runs.at(-1)] as [Run, Run];
  const stores: Run[] = [];
  for (const people of quick ? [100, 1000] : [100, 10_000, 1_000_000]) {
    stores.push(await measure({ provinces: 2, people, count, concurrency: CONCURRENCY }));
  }
  const [smallest, largest] = [stores[0], stores.at(-1)] as [Run, Run];
  const concurrent: Run[] = [];
  for (const concurrency of quick ? [1, 32] : [1, 8, 64, 256]) {
    // Proofs are made beforehand and are fresh for three minutes.
    const few = Math.min(count, 100 * concurrency);
    concurrent.push(await measure({ provinces: 8, count: few, concurrency }));
  }
  const [alone, many] = [concurrent[0], concurrent.at(-1)] as [Run, Run];
  return {
    metrics: {
      people_least: smallest.people,
      people_most: largest.people,
      people_idle_p50_ratio: largest.idle_p50_ms / smallest.idle_p50_ms,
      people_node_mib: largest.node_mib,
      concurrency_most: many.concurrency,
      concurrency_throughput_ratio: many.qps / alone.qps,
      provinces_least: first.provinces,
      provinces_most: last.provinces,
      idle_p50_ratio: last.idle_p50_ms / first.idle_p50_ms,
      throughput_ratio: last.qps / first.qps,
      node_cpu_ratio: last.node_cpu_us / first.node_cpu_us,
      gateway_cpu_ratio: last.gateway_cpu_us / first.gateway_cpu_us,
      authority_cpu_ratio: last.authority_cpu_us / first.authority_cpu_us,
    },
    runs: [...runs, ...stores, ...concurrent],
    plots: [
      plot("Throughput by provinces", runs, "provinces", "qps"),
      plot("Latency when idle by provinces", runs, "provinces", "idle_p50_ms"),
      plot(
        "Gateway's processor time per question by provinces",
        runs,
        "provinces",
        "gateway_cpu_us",
      ),
      plot("Latency when idle by people in a store", stores, "people", "idle_p50_ms"),
      plot("Throughput by questions under way", concurrent, "concurrency", "qps"),
    ],
  };
}

function plot(title: string, runs: readonly Run[], x: keyof Run, y: keyof Run): Plot {
  const values = (key: keyof Run) => ({ name: key, values: runs.map((one) => one[key]) });
  return { title, x: values(x), y: values(y) };
}

interface Shape {
  readonly provinces: number;
  /** In each store; as many as are asked about, without. */
  readonly people?: number;
  readonly concurrency: number;
  readonly count: number;
}

async function measure({ provinces, people, concurrency, count }: Shape): Promise<Run> {
  await using federation = await BenchFederation.start({
    provinces,
    peoplePerProvince: PEOPLE,
    consents: 40,
    twin: false,
    ...(people !== undefined && { storePeople: people }),
  });
  const { gatewayUrl } = federation.settings;
  await saturate(gatewayUrl, federation.askers, count, concurrency);
  const idleMs = await askInTurn(gatewayUrl, federation.askers, 40);
  const before = federation.cpuSeconds();
  const qps = await saturate(gatewayUrl, federation.askers, count, concurrency);
  const cpuUs = federation
    .cpuSeconds()
    .map((after, i) => ((after - (before[i] ?? 0)) / count) * 1e6);
  return {
    provinces,
    people: people ?? PEOPLE,
    concurrency,
    idle_p50_ms: median(idleMs),
    qps,
    authority_cpu_us: cpuUs[0] ?? 0,
    node_cpu_us: median(cpuUs.slice(1, -1)),
    gateway_cpu_us: cpuUs.at(-1) ?? 0,
    node_mib: median(federation.memoryMib().slice(1, -1)),
  };
}
