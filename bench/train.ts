// Federated logistic regression beside central training of the same data in the same run, in plain TypeScript: 600,000 people × 8
// columns and 100,000 × 100 over 12 provinces, in one process, with the real cryptography; and how the time grows. DESIGN §9. The
// network is not in it: its bytes are counted. Leaves a training report beside the results.
import { fileURLToPath } from "node:url";
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { PROVINCES } from "../core/provinces.ts";
import { systemRandom } from "../core/random.ts";
import { writeTrainingFiles } from "../cli/train-files.ts";
import { train, TRAINING_DEFAULTS, type TrainingOptions } from "../cli/train-job.ts";
import { stopwatch } from "../cli/train-model.ts";
import { DEFAULT_SCALE } from "../cli/train-scorecard.ts";
import { centralAucKs, centralRegression, standardise } from "../test/training/central-lr.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import type { Plot } from "./report.ts";

const PROVINCE_COUNT = 12;
const RAW: TrainingOptions = { ...TRAINING_DEFAULTS, columns: "raw" };

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const size = (people: number): number => (quick ? 6_000 : people);
  const tall = await beside(size(600_000), 8, RAW);
  const wide = await beside(size(100_000), quick ? 20 : 100, { ...RAW, evaluate: false });
  const rows: Grown[] = [];
  for (const people of quick ? [6_000, 12_000] : [12_000, 48_000, 192_000]) {
    rows.push(await grown(people, 8));
  }
  const columns: Grown[] = [];
  for (const each of quick ? [4, 8] : [8, 16, 32, 64]) {
    columns.push(await grown(size(12_000), each));
  }
  await report(size(60_000));
  return {
    metrics: {
      ...tall,
      ...Object.fromEntries(Object.entries(wide).map(([key, value]) => [`wide_${key}`, value])),
      ...growth("rows", rows, ({ people }) => people),
      ...growth("columns", columns, ({ columns: count }) => count),
    },
    runs: [...rows, ...columns],
    plots: [
      plot("Seconds by people, 8 columns", rows, "people"),
      plot("Seconds by columns", columns, "columns"),
    ],
  };
}

/** @returns metrics; the evaluation's only where there was one. */
async function beside(people: number, columns: number, options: TrainingOptions) {
  const { rows, labels } = generate(people, columns);
  const input = inputOf(rows, labels, columns);
  const federated = stopwatch();
  const processor = processorwatch();
  const result = await train(input, options);
  const seconds = federated() - result.seconds.evaluation;
  const processorSeconds = processor();
  const alone = stopwatch();
  const central = centralRegression(standardise(rows), labels, options.l2);
  const centralSeconds = alone();
  const centralProcessorSeconds = processor();
  const errors = central.coefficients.map((value, c) =>
    Math.abs((value - (result.regression.coefficients[c] ?? NaN)) / value),
  );
  const { evaluation, traffic, rounds } = result;
  const measured = centralAucKs(central.scores, labels);
  return {
    seconds,
    over_central: seconds / centralSeconds,
    coefficient_max_rel_err: Math.max(...errors),
    ...(evaluation !== undefined && {
      auc_gap: Math.abs(measured.auc - evaluation.auc),
      ks_gap: Math.abs(measured.ks - evaluation.ks),
      evaluation_seconds: result.seconds.evaluation,
    }),
    central_seconds: centralSeconds,
    /** With the evaluation; what other work on the machine does not change. */
    processor_seconds: processorSeconds,
    central_processor_seconds: centralProcessorSeconds,
    labels_seconds: result.seconds.labels,
    preparation_seconds: result.seconds.preparation,
    regression_seconds: result.seconds.regression,
    people,
    columns,
    rounds,
    bank_mb: traffic.bank / 1e6,
    province_mb: traffic.provinces / 1e6 / PROVINCE_COUNT,
    gateway_mb: traffic.gateway / 1e6,
  };
}

/** Seconds of the process's processor time since it was last asked. */
function processorwatch(): () => number {
  let last = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    return (user + system) / 1e6;
  };
}

interface Grown {
  readonly people: number;
  readonly columns: number;
  readonly seconds: number;
  readonly processor_seconds: number;
  readonly bank_mb: number;
  readonly province_mb: number;
}

async function grown(people: number, columns: number): Promise<Grown> {
  const { rows, labels } = generate(people, columns);
  const input = inputOf(rows, labels, columns);
  const clock = stopwatch();
  const processor = processorwatch();
  const { traffic } = await train(input, { ...RAW, evaluate: false });
  const [seconds, processorSeconds] = [clock(), processor()];
  return {
    people,
    columns,
    seconds,
    processor_seconds: processorSeconds,
    bank_mb: traffic.bank / 1e6,
    province_mb: traffic.provinces / 1e6 / PROVINCE_COUNT,
  };
}

function growth(of: string, runs: readonly Grown[], size: (run: Grown) => number) {
  const [first, last] = [runs[0], runs.at(-1)] as [Grown, Grown];
  return {
    [`${of}_ratio`]: size(last) / size(first),
    [`${of}_seconds_ratio`]: last.seconds / first.seconds,
    [`${of}_processor_ratio`]: last.processor_seconds / first.processor_seconds,
    [`${of}_bank_mb_ratio`]: last.bank_mb / first.bank_mb,
    [`${of}_province_mb_ratio`]: last.province_mb / first.province_mb,
  };
}

function plot(title: string, runs: readonly Grown[], across: "people" | "columns"): Plot {
  return {
    title,
    x: { name: across, values: runs.map((each) => each[across]) },
    y: { name: "seconds", values: runs.map(({ seconds }) => seconds) },
  };
}

/** A scorecard's training report, as an institution gets it. */
async function report(people: number): Promise<void> {
  const { rows, labels } = generate(people, 8);
  const input = inputOf(rows, labels, 8);
  const options = { ...TRAINING_DEFAULTS, monotone: true, scale: DEFAULT_SCALE };
  const result = await train(input, options);
  const createdAt = new Date(systemClock.nowMs()).toISOString();
  const folder = fileURLToPath(new URL("results/train-report", import.meta.url));
  writeTrainingFiles(folder, { input, options, result, createdAt }, loadCatalogue());
}

function inputOf(rows: readonly number[][], labels: readonly number[], columns: number) {
  return {
    id: "bench",
    client: "bench-bank",
    purpose: "dpv:CreditChecking",
    features: Array.from({ length: columns }, (_, c) => `column-${c}`),
    provinces: split(rows, labels, columns),
    random: systemRandom,
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

/** Repeated, weaker each time, for more columns than these. */
const WEIGHTS = [0.8, -0.6, 0.5, -0.4, 0.3, -0.25, 0.2, 0.15];

function generate(people: number, columns: number): { rows: number[][]; labels: number[] } {
  const unit = sequence();
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
  const weights = Array.from({ length: columns }, (_, c) => {
    return (WEIGHTS[c % WEIGHTS.length] as number) / (1 + Math.floor(c / WEIGHTS.length));
  });
  const rows = Array.from({ length: people }, () => Array.from(weights, normal));
  const labels = rows.map((row) => {
    const score = row.reduce((sum, value, c) => sum + value * (weights[c] ?? 0), -1.5);
    return unit() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
  });
  return { rows, labels };
}

function split(rows: readonly number[][], labels: readonly number[], columns: number) {
  return PROVINCES.slice(0, PROVINCE_COUNT).map(({ code }, p) => {
    const mine = rows.filter((_, i) => i % PROVINCE_COUNT === p);
    return {
      code,
      columns: Array.from({ length: columns }, (_, c) =>
        Float64Array.from(mine, (row) => row[c] ?? 0),
      ),
      labels: Uint8Array.from(labels.filter((_, i) => i % PROVINCE_COUNT === p)),
    };
  });
}
