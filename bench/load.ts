// How fast raw rows become a serving store, against DuckDB alone on the same files in the same run. DuckDB alone reads
// the files into typed tables and runs the catalogue's own SQL over them; it checks no row, rejects nothing, tags
// nothing and writes no store. `over_duckdb` is our time over its time, so 1 would mean that all of that is free.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { RAW_TABLE_NAMES, RAW_TABLES } from "../catalogue/raw-tables.ts";
import {
  aggregateStreams,
  computeAggregates,
  createViews,
  listSql,
} from "../province-node/load/compute.ts";
import { Engine, quoteName, quoteText } from "../province-node/load/duckdb.ts";
import { loadProvince } from "../province-node/load/load.ts";
import { generateSandbox } from "../province-node/sandbox/generate.ts";

export interface LoadBenchOptions {
  readonly rows?: number;
  readonly threads?: number;
  readonly memoryLimit?: string;
  readonly folder?: string;
  readonly onProgress?: (what: string, done: number, of: number) => void;
}

export interface LoadBenchResult {
  readonly metrics: Record<string, number>;
  readonly runs: unknown[];
}

const ASOF = "2026-06-01";
const PROVINCE = "51";
/** What one generated person comes to, over all tables. */
const ROWS_PER_PERSON = 1040;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

async function readAlone(engine: Engine, rawDir: string): Promise<void> {
  for (const table of RAW_TABLE_NAMES) {
    const columns = Object.entries(RAW_TABLES[table].columns).map(
      ([name, { type }]) => `${quoteText(name)}: ${quoteText(type)}`,
    );
    const read = `read_csv(${quoteText(join(rawDir, `${table}.csv`))}, header=true, columns={${columns.join(", ")}})`;
    // The generated files write +86; typed tables hold the national form.
    const national = Object.entries(RAW_TABLES[table].columns).flatMap(([name, { phone }]) =>
      phone ? [`replace(${quoteName(name)}, '+86', '') AS ${quoteName(name)}`] : [],
    );
    const select = `SELECT * REPLACE (${national.join(", ")}) FROM ${read}`;
    await engine.run(table, `CREATE TABLE ${quoteName(table)} AS ${select}`);
  }
}

async function computeAlone(engine: Engine): Promise<void> {
  const catalogue = loadCatalogue();
  const loaded = new Set<string>(RAW_TABLE_NAMES);
  await createViews(engine, catalogue);
  await computeAggregates(engine, catalogue, loaded, () => {});
  const joins = aggregateStreams(catalogue, loaded).map(({ sql }) => sql);
  for (const sql of [...joins, ...catalogue.lists.map(listSql)]) {
    for await (const chunk of engine.chunks("alone", sql)) if (chunk.length === 0) break;
  }
}

export async function run(options: LoadBenchOptions = {}): Promise<LoadBenchResult> {
  const { rows = 5_000_000, threads = 2, memoryLimit = "2GB", onProgress } = options;
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), "wjf-bench-load-"));
  try {
    const peoplePerProvince = Math.max(10, Math.ceil(rows / ROWS_PER_PERSON));
    await generateSandbox({
      seed: "bench",
      peoplePerProvince,
      outDir: folder,
      asof: ASOF,
      provinces: [PROVINCE],
    });
    const rawDir = join(folder, PROVINCE);
    const files = RAW_TABLE_NAMES.map((table) => statSync(join(rawDir, `${table}.csv`)).size);
    let report: Awaited<ReturnType<typeof loadProvince>> | undefined;
    const ours = await seconds(async () => {
      report = await loadProvince({
        rawDir,
        storePath: join(folder, "node.store"),
        rejectsDir: join(folder, "rejects"),
        subjectKey: Buffer.alloc(32, 1),
        asof: ASOF,
        catalogue: loadCatalogue(),
        threads,
        memoryLimit,
        onProgress: ({ phase, what, done, of }) => onProgress?.(`${phase} ${what}`, done, of),
      });
    });
    // Ours goes first: the peak is of the whole process, and DuckDB alone would raise it.
    const peakRssMb = process.resourceUsage().maxRSS / 1024;
    using engine = await Engine.open({
      spillDir: join(folder, "spill"),
      asof: ASOF,
      threads,
      memoryLimit,
    });
    const read = await seconds(() => readAlone(engine, rawDir));
    const compute = await seconds(() => computeAlone(engine));
    const rawRows = report?.rawRows ?? 0;
    const metrics = {
      raw_rows: rawRows,
      raw_mb: files.reduce((sum, size) => sum + size, 0) / 1e6,
      numbers: report?.numbers ?? 0,
      raw_rows_per_s: rawRows / ours,
      over_duckdb: ours / (read + compute),
      over_duckdb_read: ours / read,
      peak_rss_mb: peakRssMb,
    };
    return { metrics, runs: [{ ours_s: ours, duckdb_read_s: read, duckdb_compute_s: compute }] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
