// Single queries through the whole federation, private beside the plaintext twin, interleaved: latency when idle, then
// throughput at saturation. Both verify every token and proof at the gateway and the authority, and keep the same audit
// log; only encryption and masks differ.
import { askInTurn, saturate } from "./asking.ts";
import { BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median, quantile } from "./statistics.ts";

interface Round {
  readonly kind: "private" | "plaintext";
  readonly idleMs: readonly number[];
  readonly qps: number;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const provinces = quick ? 3 : 31;
  const shape = { provinces, peoplePerProvince: 20, consents: 200 };
  await using real = await BenchFederation.start({ ...shape, twin: false });
  await using twin = await BenchFederation.start({ ...shape, twin: true });
  const rounds: Round[] = [];
  const size = quick
    ? { rounds: 1, idle: 5, saturated: 200, concurrency: 32 }
    : { rounds: 5, idle: 40, saturated: 4000, concurrency: 256 };
  // One round of each goes unmeasured: code is compiled, connections are made.
  for (let i = 0; i <= size.rounds; i++) {
    for (const [kind, federation] of [
      ["private", real],
      ["plaintext", twin],
    ] as const) {
      const { gatewayUrl } = federation.settings;
      const idleMs = await askInTurn(gatewayUrl, federation.askers, size.idle);
      const qps = await saturate(gatewayUrl, federation.askers, size.saturated, size.concurrency);
      if (i > 0 || quick) rounds.push({ kind, idleMs, qps });
    }
  }
  const of = (kind: Round["kind"]): Round[] => rounds.filter((round) => round.kind === kind);
  const idle = (kind: Round["kind"]): number[] => of(kind).flatMap(({ idleMs }) => idleMs);
  const qps = (kind: Round["kind"]): number => median(of(kind).map((round) => round.qps));
  const [authorityMib = 0, ...others] = real.memoryMib();
  return {
    metrics: {
      private_over_plaintext_throughput: qps("private") / qps("plaintext"),
      private_over_plaintext_idle_p50: median(idle("private")) / median(idle("plaintext")),
      saturation_qps: qps("private"),
      plaintext_saturation_qps: qps("plaintext"),
      idle_p50_ms: median(idle("private")),
      idle_p95_ms: quantile(idle("private"), 0.95),
      idle_p99_ms: quantile(idle("private"), 0.99),
      plaintext_idle_p50_ms: median(idle("plaintext")),
      provinces,
      authority_mib: authorityMib,
      node_mib: median(others.slice(0, -1)),
      gateway_mib: others.at(-1) ?? 0,
    },
    runs: rounds.map(({ kind, idleMs, qps: rate }) => ({
      kind,
      qps: rate,
      idle_p50_ms: median(idleMs),
    })),
  };
}
