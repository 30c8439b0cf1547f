// One raw file → rows of its staging table, as text through the row rules. A file that cannot be read at all is an
// error that names it; a line that cannot be read is a structural reject; and what the reader returns is held against
// an independent count of what the file holds.
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { RAW_TABLES } from "../../catalogue/raw-tables.ts";
import { copyWithLf, scanCsv } from "./csv-scan.ts";
import { type Engine, quoteName, quoteText } from "./duckdb.ts";
import { readCsvHeader, requireColumns, type SourceFile } from "./source-files.ts";

/** Fields of 1 MB must be read in order to be rejected. */
const MAX_LINE_BYTES = 4 << 20;

export interface StructuralReject {
  readonly column: string;
  readonly rule: string;
}

export interface SourceRows {
  /** Inserted into the staging table. */
  readonly rows: number;
  /** Physical lines that are no record at all (wrong number of columns, foreign encoding …). */
  readonly structural: ReadonlyMap<number, StructuralReject>;
  /** Records that are in the file and in neither of the two. */
  readonly lost: number;
}

/** DuckDB's words for a line that is no record → the rule that it breaks. */
const STRUCTURAL_RULES: Readonly<Record<string, string>> = {
  "MISSING COLUMNS": "the line has too few columns",
  "TOO MANY COLUMNS": "the line has too many columns",
  "UNQUOTED VALUE": "a quote is not closed, or text follows it",
  "LINE SIZE OVER MAXIMUM": `the line is longer than ${MAX_LINE_BYTES} bytes`,
  "INVALID ENCODING": "the text is not UTF-8",
  "INVALID STATE": "the line is not CSV",
};

/** @throws WjfError `data-invalid` naming the file and what is wrong with it as a whole. */
export async function readSource(
  engine: Engine,
  file: SourceFile,
  select: string,
  spillDir: string,
): Promise<SourceRows> {
  return file.format === "parquet"
    ? { rows: await readParquet(engine, file, select), structural: new Map(), lost: 0 }
    : readCsv(engine, file, select, spillDir);
}

async function insert(
  engine: Engine,
  file: SourceFile,
  select: string,
  scan: string,
): Promise<number> {
  const sql = `INSERT INTO ${quoteName(file.table)} SELECT ${select} FROM ${scan}`;
  return engine.run(file.label, sql, "data-invalid");
}

async function readParquet(engine: Engine, file: SourceFile, select: string): Promise<number> {
  const described = await engine.rows(
    file.label,
    `DESCRIBE SELECT * FROM read_parquet(${quoteText(file.path)})`,
    "data-invalid",
  );
  const names = described.map(({ column_name }) => String(column_name).toLowerCase());
  requireColumns(file.table, names, file.label);
  const columns = Object.keys(RAW_TABLES[file.table].columns).map(
    (name) => `CAST(${quoteName(name)} AS VARCHAR) AS ${quoteName(name)}`,
  );
  const scan = `(SELECT ${columns.join(", ")} FROM read_parquet(${quoteText(file.path)}))`;
  return insert(engine, file, select, scan);
}

async function readCsv(
  engine: Engine,
  file: SourceFile,
  select: string,
  spillDir: string,
): Promise<SourceRows> {
  const names = readCsvHeader(file.path, file.label, ",");
  requireColumns(file.table, names, file.label);
  const { records, mixedLineEnds, swallowedLines } = await scanCsv(file.path);
  let path = file.path;
  if (mixedLineEnds) {
    // The strict reader takes one kind of line end per file.
    mkdirSync(spillDir, { recursive: true, mode: 0o700 });
    path = join(spillDir, `lf-${basename(file.path)}`);
    await copyWithLf(file.path, path);
  }
  const columns = names.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(", ");
  const scan =
    `read_csv(${quoteText(path)}, auto_detect=false, header=true, delim=',', quote='"', escape='"', ` +
    `columns={${columns}}, strict_mode=true, max_line_size=${MAX_LINE_BYTES}, ` +
    `store_rejects=true, rejects_table='_rejects', rejects_scan='_rejects_scan', rejects_limit=0)`;
  const rows = await insert(engine, file, select, scan);
  const structural = await structuralRejects(engine);
  const lost = Math.max(0, records - rows - structural.size) + swallowedLines;
  return { rows, structural, lost };
}

async function structuralRejects(engine: Engine): Promise<Map<number, StructuralReject>> {
  const found = new Map<number, StructuralReject>();
  const sql = "SELECT line, column_name AS name, error_type::VARCHAR AS kind FROM _rejects";
  const rows = await engine.rows("rejects", sql);
  await engine.run("rejects", "DROP TABLE _rejects; DROP TABLE _rejects_scan");
  for (const { line, name, kind } of rows) {
    if (found.has(Number(line))) continue;
    const rule = STRUCTURAL_RULES[String(kind)] ?? "the line cannot be read";
    found.set(Number(line), { column: name === null ? "(line)" : String(name), rule });
  }
  return found;
}
