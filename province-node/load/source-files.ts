// Which files hold which raw table. Default layout: `<table>.csv` or `<table>.parquet`, or a folder `<table>/` of such
// files (one per day or month), read in the order of their names; a mapping file can name others.
import { existsSync, readdirSync } from "node:fs";
import { join, matchesGlob, posix } from "node:path";
import {
  RAW_TABLE_NAMES,
  RAW_TABLES,
  type RawColumn,
  type RawTable,
  type RawTableName,
} from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";
import { type IndicatorMapping, type Mapping, PLAIN_TABLE, type TableMapping } from "./mapping.ts";

const FORMATS = ["csv", "parquet"] as const;
export type SourceFormat = (typeof FORMATS)[number];

export interface SourceFile {
  /** The DuckDB table that its rows go to, and what that table demands. */
  readonly table: string;
  readonly declaration: RawTable;
  readonly path: string;
  /** As named in reports: relative to the raw folder. */
  readonly label: string;
  readonly format: SourceFormat;
  readonly mapping: Pick<TableMapping, "columns" | "delimiter" | "encoding">;
}

export function formatOf(name: string): SourceFormat | undefined {
  if (name.endsWith(".txt") || name.endsWith(".dat")) return "csv";
  return FORMATS.find((format) => name.endsWith(`.${format}`));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** Labels of the files that a pattern names; `*` and `?` stand in its last part only. */
function expand(rawDir: string, pattern: string): string[] {
  const { dir, base } = posix.parse(pattern);
  if (pattern.startsWith("/") || pattern.split("/").includes("..")) {
    throw new WjfError("data-invalid", "mapping: files: a path must stay inside the raw folder");
  }
  const found = namesIn(join(rawDir, dir)).filter((name) => matchesGlob(name, base));
  if (found.length === 0) {
    throw new WjfError("data-invalid", `mapping: files: nothing is called ${pattern}`);
  }
  return found.map((name) => posix.join(dir, name));
}

function defaultLabels(rawDir: string, table: RawTableName): string[] {
  const single = FORMATS.map((format) => `${table}.${format}`).filter((name) =>
    existsSync(join(rawDir, name)),
  );
  const inside = namesIn(join(rawDir, table)).map((name) => `${table}/${name}`);
  return [...single, ...inside.filter((label) => formatOf(label))];
}

function place(rawDir: string, label: string) {
  return { path: join(rawDir, label), label, format: formatOf(label) ?? "csv" } as const;
}

function filesOf(rawDir: string, table: RawTableName, mapping: TableMapping): SourceFile[] {
  const labels =
    mapping.files?.flatMap((pattern) => expand(rawDir, pattern)) ?? defaultLabels(rawDir, table);
  const declaration = RAW_TABLES[table];
  return labels.map((label) => ({ table, declaration, ...place(rawDir, label), mapping }));
}

/** @throws WjfError `data-invalid` when the folder is not there or holds nothing to load. */
export function findSourceFiles(rawDir: string, mapping: Mapping): SourceFile[] {
  if (!existsSync(rawDir)) throw new WjfError("data-invalid", "the raw data folder does not exist");
  const files = RAW_TABLE_NAMES.flatMap((table) =>
    filesOf(rawDir, table, mapping.tables[table] ?? PLAIN_TABLE),
  );
  if (files.length === 0 && mapping.indicators.length === 0) {
    throw new WjfError("data-invalid", "the raw data folder holds no raw table");
  }
  return files;
}

/** Files of indicators that come computed, as sources of the table `_delivered_<i>`. */
export function findDeliveredFiles(
  rawDir: string,
  delivered: IndicatorMapping,
  table: string,
): SourceFile[] {
  const { msisdn, values, delimiter, encoding } = delivered;
  const number = { type: "DOUBLE", nullable: true } as const;
  const columns = Object.fromEntries(Object.keys(values).map((id) => [id, number]));
  const declaration: RawTable = {
    columns: { msisdn: RAW_TABLES.subscriber.columns["msisdn"] as RawColumn, ...columns },
    key: ["msisdn"],
  };
  const mapping = { columns: { msisdn, ...values }, delimiter, encoding };
  const labels = delivered.files.flatMap((pattern) => expand(rawDir, pattern));
  return labels.map((label) => ({ table, declaration, ...place(rawDir, label), mapping }));
}
