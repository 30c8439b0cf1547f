// Federated logistic regression beside central training of the same data in the same run: 600,000 people × 8 columns over 12
// provinces, in one process, with the real cryptography. DESIGN §9. The network is not in it: its bytes are counted.
import { PROVINCES } from "../core/provinces.ts";
import { systemRandom } from "../core/random.ts";
import { train, TRAINING_DEFAULTS } from "../cli/train-job.ts";
import { centralAucKs, centralRegression, standardise } from "../test/training/central-lr.ts";
import type { BenchOptions, BenchResult } from "./main.ts";

const COLUMNS = 8;
const PROVINCE_COUNT = 12;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const { rows, labels } = generate(quick ? 6_000 : 600_000);
  const options = { ...TRAINING_DEFAULTS, columns: "raw" } as const;
  const input = {
    id: "bench",
    client: "bench-bank",
    purpose: "dpv:CreditChecking",
    features: Array.from({ length: COLUMNS }, (_, c) => `column-${c}`),
    provinces: split(rows, labels),
    random: systemRandom,
  };
  const started = performance.now();
  const result = await train(input, options);
  const withEvaluation = (performance.now() - started) / 1000;
  const seconds = withEvaluation - result.seconds.evaluation;
  const centralStart = performance.now();
  const central = centralRegression(standardise(rows), labels, options.l2);
  const centralSeconds = (performance.now() - centralStart) / 1000;
  const measured = centralAucKs(central.scores, labels);
  const errors = central.coefficients.map((value, c) =>
    Math.abs((value - (result.regression.coefficients[c] ?? NaN)) / value),
  );
  return {
    metrics: {
      seconds,
      over_central: seconds / centralSeconds,
      coefficient_max_rel_err: Math.max(...errors),
      auc_gap: Math.abs(measured.auc - (result.evaluation?.auc ?? NaN)),
      ks_gap: Math.abs(measured.ks - (result.evaluation?.ks ?? NaN)),
      evaluation_seconds: result.seconds.evaluation,
      central_seconds: centralSeconds,
      people: rows.length,
      bank_mb: result.traffic.bank / 1e6,
      province_mb: result.traffic.provinces / 1e6 / PROVINCE_COUNT,
    },
    runs: [{ seconds: result.seconds, steps: result.regression.steps, rounds: result.rounds }],
  };
}

/** A fixed sequence (Marsaglia's xorshift32): every run trains on the same people. */
function sequence(): () => number {
  let state = 2_463_534_242;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function generate(people: number): { rows: number[][]; labels: number[] } {
  const unit = sequence();
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
  const weights = [0.8, -0.6, 0.5, -0.4, 0.3, -0.25, 0.2, 0.15];
  const rows = Array.from({ length: people }, () => Array.from(weights, normal));
  const labels = rows.map((row) => {
    const score = row.reduce((sum, value, c) => sum + value * (weights[c] ?? 0), -1.5);
    return unit() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
  });
  return { rows, labels };
}

function split(rows: readonly number[][], labels: readonly number[]) {
  return PROVINCES.slice(0, PROVINCE_COUNT).map(({ code }, p) => {
    const mine = rows.filter((_, i) => i % PROVINCE_COUNT === p);
    return {
      code,
      columns: Array.from({ length: COLUMNS }, (_, c) =>
        Float64Array.from(mine, (row) => row[c] ?? 0),
      ),
      labels: Uint8Array.from(labels.filter((_, i) => i % PROVINCE_COUNT === p)),
    };
  });
}
