// `npm run bench -- NAME --json`: runs one benchmark beside its comparison in the same run, prints the result and writes
// bench/results/NAME.json, and NAME.md with plots. Claims are ratios of medians within a run; absolute numbers belong to the machine they name.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { metricsTable, type Plot, reportPage } from "./report.ts";

export interface BenchOptions {
  /** Shrinks a run to a check that it works. */
  readonly quick: boolean;
}

export interface BenchResult {
  readonly metrics: Record<string, number>;
  readonly runs: readonly unknown[];
  readonly plots?: readonly Plot[];
}

type Benchmark = (options: BenchOptions) => Promise<BenchResult>;

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  audit: async ({ quick }) =>
    await (await import("./audit.ts")).run(quick ? { rounds: 1, leavesPerRound: 500 } : {}),
  batch: async (options) => await (await import("./batch.ts")).run(options),
  growth: async (options) => await (await import("./growth.ts")).run(options),
  he: async (options) => await (await import("./he.ts")).run(options),
  links: async (options) => await (await import("./links.ts")).run(options),
  load: async () => await (await import("./load.ts")).run(),
  overload: async (options) => await (await import("./overload.ts")).run(options),
  store: async ({ quick }) =>
    await (await import("./store.ts")).run({ sizes: quick ? [10_000] : [1_000_000, 5_000_000] }),
  train: async (options) => await (await import("./train.ts")).run(options),
  throughput: async (options) => await (await import("./throughput.ts")).run(options),
  watches: async (options) => await (await import("./watches.ts")).run(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (values.help || unknown.length > 0) {
  process.stderr.write(
    `npm run bench -- [NAME …] [--json] [--quick]\nNAME: ${Object.keys(BENCHMARKS).join(", ")}\n`,
  );
  process.exitCode = unknown.length > 0 ? 64 : 0;
} else {
  for (const name of names) await runOne(name);
}

async function runOne(name: string): Promise<void> {
  const benchmark = BENCHMARKS[name];
  if (benchmark === undefined) return;
  const { metrics, runs, plots = [] } = await benchmark({ quick: values.quick });
  const result = { name, machine: describeMachine(), metrics, runs };
  const folder = fileURLToPath(new URL("results/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  if (!values.quick) {
    writeFileSync(`${folder}${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
    writeFileSync(`${folder}${name}.md`, reportPage({ ...result, plots }));
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else printMetrics(name, metrics);
}

function describeMachine(): Record<string, string | number> {
  const [first] = cpus();
  return {
    cpu: first?.model ?? "unknown",
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
}

function printMetrics(name: string, metrics: Record<string, number>): void {
  process.stdout.write(`\n### ${name}\n\n${metricsTable(metrics)}`);
}
