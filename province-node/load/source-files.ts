// Which files hold which raw table, and what their columns are called. Default layout: `<table>.csv` or
// `<table>.parquet`, or a folder `<table>/` of such files (one per day or month), read in the order of their names.
import { closeSync, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { RAW_TABLES, RAW_TABLE_NAMES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";

const HEADER_BYTES = 65_536;
const FORMATS = ["csv", "parquet"] as const;
export type SourceFormat = (typeof FORMATS)[number];

export interface SourceFile {
  readonly table: RawTableName;
  readonly path: string;
  /** As named in reports: relative to the raw folder. */
  readonly label: string;
  readonly format: SourceFormat;
}

function formatOf(name: string): SourceFormat | undefined {
  return FORMATS.find((format) => name.endsWith(`.${format}`));
}

function filesOf(rawDir: string, table: RawTableName): SourceFile[] {
  const source = (path: string, format: SourceFormat): SourceFile => ({
    table,
    path,
    label: relative(rawDir, path),
    format,
  });
  const single = FORMATS.map((format) => source(join(rawDir, `${table}.${format}`), format));
  const found = single.filter(({ path }) => existsSync(path));
  const folder = join(rawDir, table);
  if (!existsSync(folder)) return found;
  for (const name of readdirSync(folder).sort()) {
    const format = formatOf(name);
    if (format) found.push(source(join(folder, name), format));
  }
  return found;
}

/** @throws WjfError `data-invalid` when the folder is not there or holds none of the tables. */
export function findSourceFiles(rawDir: string): SourceFile[] {
  if (!existsSync(rawDir)) throw new WjfError("data-invalid", "the raw data folder does not exist");
  const files = RAW_TABLE_NAMES.flatMap((table) => filesOf(rawDir, table));
  if (files.length === 0)
    throw new WjfError("data-invalid", "the raw data folder holds no raw table");
  return files;
}

/**
 * The first line of a CSV file. Names are compared trimmed and in lower case.
 * @throws WjfError `data-invalid`, never repeating what the line holds: it may be a row of a file without header.
 */
export function readCsvHeader(path: string, label: string, delimiter: string): readonly string[] {
  const buffer = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  let length: number;
  try {
    length = readSync(file, buffer);
  } finally {
    closeSync(file);
  }
  const head = buffer.subarray(0, length);
  if (head.subarray(0, 256).includes(0)) {
    throw new WjfError("data-invalid", `${label}: line 1: NUL bytes in the header (is it UTF-16?)`);
  }
  const end = head.indexOf(10);
  const line = head
    .subarray(0, end === -1 ? length : end)
    .toString("utf8")
    .replace(/^\uFEFF/, "");
  const names = line
    .replace(/\r$/, "")
    .split(delimiter)
    .map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, "$1")
        .toLowerCase(),
    );
  if (line.trim() === "")
    throw new WjfError("data-invalid", `${label}: line 1: there is no header`);
  if (new Set(names).size !== names.length) {
    throw new WjfError("data-invalid", `${label}: line 1: two columns have the same name`);
  }
  return names;
}

/** @throws WjfError `data-invalid` naming every column of the table that the file lacks. */
export function requireColumns(table: RawTableName, names: readonly string[], label: string): void {
  const missing = Object.keys(RAW_TABLES[table].columns).filter(
    (column) => !names.includes(column),
  );
  if (missing.length > 0) {
    throw new WjfError(
      "data-invalid",
      `${label}: missing column${missing.length > 1 ? "s" : ""} ${missing.join(", ")} (a mapping file can rename)`,
    );
  }
}
