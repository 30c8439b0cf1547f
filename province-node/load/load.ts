// Loading a province: raw tables in, a fresh serving store out (CATALOGUE §1). Reads the source, writes a store, a
// rejects file and, where asked to, a history and a quality report. The store appears whole, by rename; whatever
// happens before leaves the old one serving.
import { mkdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { RAW_TABLES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";
import { parseWith } from "../../core/parse.ts";
import { buildStore, type Delivered } from "./build-store.ts";
import { computeAggregates, createMissingTables, createViews } from "./compute.ts";
import { Engine } from "./duckdb.ts";
import { mergeHistory } from "./history.ts";
import { type IngestedFile, ingestTable } from "./ingest.ts";
import { type Mapping, NO_MAPPING, readMapping } from "./mapping.ts";
import { copyFromPostgres, isPostgres } from "./postgres-source.ts";
import { IndicatorStatistics, type QualityReport, tablesQuality } from "./quality.ts";
import { type RejectSummary, Rejects } from "./rejects.ts";
import { findDeliveredFiles, findSourceFiles, type SourceFile } from "./source-files.ts";
import type { ServingCatalogue } from "./serving-catalogue.ts";
import { SpillFolder } from "./spill-folder.ts";
import { type BuiltStore, removeAbandoned } from "./store-writer.ts";
import { writeQuality } from "./write-quality.ts";

export interface LoadProgress {
  readonly phase: "read" | "compute" | "build";
  /** The table or relation at work. */
  readonly what: string;
  /** Bytes of source read, steps computed, numbers written. */
  readonly done: number;
  readonly of: number;
}

export interface LoadOptions {
  /** A folder of raw files, or a `postgres://` address. */
  readonly rawDir: string;
  readonly storePath: string;
  readonly rejectsDir: string;
  readonly subjectKey: Buffer;
  /** YYYY-MM-DD; windows end with the day before it. */
  readonly asof: string;
  readonly catalogue: ServingCatalogue;
  /** Path of a mapping file. */
  readonly mapping?: string;
  /** A DuckDB file that keeps the raw rows, so that a delivery may hold only what is new. */
  readonly historyPath?: string;
  /** Gets quality.json, quality.txt and quality.html, compared with what the load before left there. */
  readonly qualityDir?: string;
  readonly threads?: number;
  readonly memoryLimit?: string;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadReport extends BuiltStore {
  readonly asof: string;
  readonly files: readonly IngestedFile[];
  /** Raw tables that the values were computed from. */
  readonly tables: readonly RawTableName[];
  readonly rawRows: number;
  readonly rejected: number;
  readonly rejectedByRule: readonly RejectSummary[];
  readonly rejectsPath: string;
  readonly quality?: QualityReport;
}

const SMALL_BYTES = 64 << 20;

/** A small province is mostly statements, and a second thread only makes each of them dearer. */
function threadsFor(bytes: number): number {
  return bytes < SMALL_BYTES ? 1 : availableParallelism();
}

interface Source {
  readonly tables: ReadonlyMap<string, readonly SourceFile[]>;
  readonly bytes: number;
}

async function findSource(
  options: LoadOptions,
  mapping: Mapping,
  spillDir: string,
): Promise<Source> {
  let folder = options.rawDir;
  if (isPostgres(folder)) {
    const copied = join(spillDir, "postgres");
    await copyFromPostgres(folder, mapping, copied);
    folder = copied;
  }
  const files = [
    ...findSourceFiles(folder, mapping),
    ...mapping.indicators.flatMap((each, i) => findDeliveredFiles(folder, each, `_delivered_${i}`)),
  ];
  const bytes = files.reduce((sum, { path }) => sum + statSync(path).size, 0);
  return { tables: Map.groupBy(files, ({ table }) => table), bytes };
}

async function ingestAll(
  engine: Engine,
  source: Source,
  rejects: Rejects,
  spillDir: string,
  progress: (progress: LoadProgress) => void,
): Promise<IngestedFile[]> {
  const ingested: IngestedFile[] = [];
  let done = 0;
  for (const [table, files] of source.tables) {
    progress({ phase: "read", what: table, done, of: source.bytes });
    const declaration = files[0]?.declaration;
    if (!declaration) continue;
    ingested.push(...(await ingestTable(engine, table, declaration, files, rejects, spillDir)));
    done += files.reduce((sum, { path }) => sum + statSync(path).size, 0);
  }
  progress({ phase: "read", what: "all", done, of: source.bytes });
  return ingested;
}

/** Raw tables with rows to compute from: this delivery's, and with a history all that it has kept. */
async function tablesToUse(
  engine: Engine,
  options: LoadOptions,
  source: Source,
): Promise<Set<string>> {
  const delivered = [...source.tables.keys()].filter((name): name is RawTableName =>
    Object.hasOwn(RAW_TABLES, name),
  );
  const loaded =
    options.historyPath === undefined
      ? new Set<string>(delivered)
      : await mergeHistory(engine, options.historyPath, delivered);
  if (!loaded.has("subscriber") && source.tables.size === delivered.length) {
    throw new WjfError(
      "data-invalid",
      "subscriber: the table is missing, and it says whose data this is",
    );
  }
  return loaded;
}

async function computeAll(
  engine: Engine,
  catalogue: ServingCatalogue,
  loaded: ReadonlySet<string>,
  progress: (progress: LoadProgress) => void,
): Promise<void> {
  await createMissingTables(engine, loaded);
  await createViews(engine, catalogue);
  const of = new Set(catalogue.indicators.map(({ from }) => from)).size;
  let done = 0;
  await computeAggregates(engine, catalogue, loaded, (what) =>
    progress({ phase: "compute", what, done: ++done, of }),
  );
}

/** Tables of indicators that came computed, with the ids of their columns. */
function deliveredOf(mapping: Mapping): Delivered[] {
  return mapping.indicators.map(({ values }, i) => ({
    table: `_delivered_${i}`,
    ids: Object.keys(values),
  }));
}

/**
 * @throws WjfError `data-invalid` naming the file and what is wrong with it, or the declaration that does not run;
 * the old store is untouched then. Broken rows do not throw: they are rejected, counted and listed.
 */
export async function loadProvince(options: LoadOptions): Promise<LoadReport> {
  const { catalogue, storePath, subjectKey } = options;
  const asof = parseWith(z.iso.date(), options.asof, "config-invalid", "asof");
  const progress = options.onProgress ?? (() => {});
  const mapping =
    options.mapping === undefined ? NO_MAPPING : readMapping(options.mapping, catalogue);
  mkdirSync(dirname(storePath), { recursive: true, mode: 0o700 });
  removeAbandoned(storePath);
  const spillDir = `${storePath}.spill-${process.pid}`;
  using spill = new SpillFolder(spillDir);
  const source = await findSource(options, mapping, spill.path);
  using rejects = new Rejects(options.rejectsDir);
  using engine = await Engine.open({
    spillDir,
    asof,
    threads: options.threads ?? threadsFor(source.bytes),
    ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }),
  });
  const files = await ingestAll(engine, source, rejects, spillDir, progress);
  const loaded = await tablesToUse(engine, options, source);
  await computeAll(engine, catalogue, loaded, progress);
  const statistics =
    options.qualityDir === undefined ? undefined : new IndicatorStatistics(catalogue.indicators);
  const tables = statistics ? await tablesQuality(engine, loaded) : [];
  const built = await buildStore({
    engine,
    catalogue,
    loaded,
    delivered: deliveredOf(mapping),
    storePath,
    spillDir: join(spillDir, "store"),
    subjectKey,
    asof,
    ...(statistics ? { onValues: (values) => statistics.add(values) } : {}),
    onNumbers: (done, of) => progress({ phase: "build", what: "records", done, of }),
  });
  rejects.publish();
  const counts = {
    asof,
    rawRows: files.reduce((sum, { rows }) => sum + rows, 0),
    rejected: rejects.total,
    rejectedByRule: rejects.summary(),
    ...built,
  };
  const report = {
    ...counts,
    files,
    tables: [...loaded] as RawTableName[],
    rejectsPath: rejects.path,
  };
  if (options.qualityDir === undefined || !statistics) return report;
  const measured = { format: 1 as const, ...counts, tables, indicators: statistics.result() };
  return { ...report, quality: writeQuality(options.qualityDir, measured, catalogue.indicators) };
}
