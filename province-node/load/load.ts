// Loading a province: raw tables in, a fresh serving store out (CATALOGUE §1). Reads files, writes a store, a rejects
// file and nothing else. The store appears whole, by rename; whatever happens before leaves the old one serving.
import { mkdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { z } from "zod";
import type { RawTableName } from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";
import { parseWith } from "../../core/parse.ts";
import { buildStore } from "./build-store.ts";
import { computeAggregates, createMissingTables, createViews } from "./compute.ts";
import type { ServingCatalogue } from "./serving-catalogue.ts";
import { Engine } from "./duckdb.ts";
import { type IngestedFile, ingestTable } from "./ingest.ts";
import { type RejectSummary, Rejects } from "./rejects.ts";
import { findSourceFiles, type SourceFile } from "./source-files.ts";
import { removeAbandoned } from "./store-writer.ts";

export interface LoadProgress {
  readonly phase: "read" | "compute" | "build";
  /** The table or relation at work. */
  readonly what: string;
  readonly done: number;
  readonly of: number;
}

export interface LoadOptions {
  readonly rawDir: string;
  readonly storePath: string;
  readonly rejectsDir: string;
  readonly subjectKey: Buffer;
  /** YYYY-MM-DD, the day that windows end on. */
  readonly asof: string;
  readonly catalogue: ServingCatalogue;
  readonly threads?: number;
  readonly memoryLimit?: string;
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadReport {
  readonly asof: string;
  readonly files: readonly IngestedFile[];
  readonly tables: readonly RawTableName[];
  readonly rawRows: number;
  readonly rejected: number;
  readonly rejectedByRule: readonly RejectSummary[];
  readonly rejectsPath: string;
  readonly numbers: number;
  readonly people: number;
}

const SMALL_BYTES = 64 << 20;

/** A small province is mostly statements, and a second thread only makes each of them dearer. */
function threadsFor(files: readonly SourceFile[]): number {
  const bytes = files.reduce((sum, { path }) => sum + statSync(path).size, 0);
  return bytes < SMALL_BYTES ? 1 : availableParallelism();
}

/**
 * @throws WjfError `data-invalid` naming the file and what is wrong with it, or the declaration that does not run;
 * the old store is untouched then. Broken rows do not throw: they are rejected, counted and listed.
 */
export async function loadProvince(options: LoadOptions): Promise<LoadReport> {
  const asof = parseWith(z.iso.date(), options.asof, "config-invalid", "asof");
  const files = Map.groupBy(findSourceFiles(options.rawDir), ({ table }) => table);
  if (!files.has("subscriber")) {
    throw new WjfError(
      "data-invalid",
      "subscriber: the table is missing, and it says whose data this is",
    );
  }
  mkdirSync(dirname(options.storePath), { recursive: true, mode: 0o700 });
  removeAbandoned(options.storePath);
  const spillDir = `${options.storePath}.spill-${process.pid}`;
  using rejects = new Rejects(options.rejectsDir);
  using engine = await Engine.open({
    spillDir,
    asof,
    threads: options.threads ?? threadsFor([...files.values()].flat()),
    ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }),
  });
  const ingested: IngestedFile[] = [];
  const progress = options.onProgress ?? (() => {});
  for (const [table, sources] of files) {
    progress({ phase: "read", what: table, done: ingested.length, of: files.size });
    ingested.push(...(await ingestTable(engine, table, sources, rejects, spillDir)));
  }
  const loaded = new Set<string>(files.keys());
  await createMissingTables(engine, loaded);
  await createViews(engine, options.catalogue);
  let step = 0;
  const relations = new Set(options.catalogue.indicators.map(({ from }) => from)).size;
  await computeAggregates(engine, options.catalogue, loaded, (what) =>
    progress({ phase: "compute", what, done: ++step, of: relations }),
  );
  const rawRows = ingested.reduce((sum, { rows }) => sum + rows, 0);
  const numbersIn = await engine.rows("numbers", "SELECT count(*) AS n FROM subscriber");
  const built = await buildStore({
    engine,
    catalogue: options.catalogue,
    loaded,
    storePath: options.storePath,
    spillDir: `${spillDir}/store`,
    subjectKey: options.subjectKey,
    asof,
    onNumbers: (done) =>
      progress({ phase: "build", what: "records", done, of: Number(numbersIn[0]?.["n"]) }),
  });
  rejects.publish();
  return {
    asof,
    files: ingested,
    tables: [...files.keys()],
    rawRows,
    rejected: rejects.total,
    rejectedByRule: rejects.summary(),
    rejectsPath: rejects.path,
    ...built,
  };
}
