// A CSV file as a DuckDB relation of text columns: brought to UTF-8 with one kind of line end first where it is not,
// and counted independently, so that what the reader returns can be held against what the file holds.
import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { TextDecoderStream } from "node:stream/web";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { sha256Hex } from "../../core/canonical.ts";
import { readCsvHeader } from "./csv-header.ts";
import { copyWithLf, type CsvScan, scanCsv } from "./csv-scan.ts";
import { type Engine, quoteText } from "./duckdb.ts";

/** Fields of 1 MB must be read in order to be rejected. */
export const MAX_LINE_BYTES = 4 << 20;

export interface CsvRelation {
  readonly path: string;
  /** `read_csv(…)`, every column VARCHAR; lines that are no record go to `_rejects`. */
  readonly sql: string;
  readonly names: readonly string[];
  readonly scan: CsvScan;
}

export interface StructuralReject {
  readonly column: string;
  readonly rule: string;
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

interface CsvFile {
  readonly path: string;
  readonly label: string;
  readonly delimiter: string;
  readonly encoding: string;
}

/** @throws WjfError `data-invalid` when the file has no usable header. */
export async function csvRelation(file: CsvFile, spillDir: string): Promise<CsvRelation> {
  const path = await asUtf8(file, spillDir);
  const names = readCsvHeader(path, file.label, file.delimiter);
  const scan = await scanCsv(path);
  // The strict reader takes one kind of line end per file.
  const uneven = scan.mixedLineEnds || scan.loneCr;
  const uniform = uneven ? spillPath(spillDir, `lf:${file.label}`) : path;
  if (uneven) await copyWithLf(path, uniform);
  const columns = names.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(", ");
  const sql =
    `read_csv(${quoteText(uniform)}, auto_detect=false, header=true, delim=${quoteText(file.delimiter)}, ` +
    `quote='"', escape='"', columns={${columns}}, strict_mode=true, max_line_size=${MAX_LINE_BYTES}, ` +
    `store_rejects=true, rejects_table='_rejects', rejects_scan='_rejects_scan', rejects_limit=0)`;
  return { path: uniform, sql, names, scan };
}

function spillPath(spillDir: string, label: string): string {
  mkdirSync(spillDir, { recursive: true, mode: 0o700 });
  return join(spillDir, `${sha256Hex(label).slice(0, 16)}.csv`);
}

async function asUtf8({ path, label, encoding }: CsvFile, spillDir: string): Promise<string> {
  if (new TextDecoder(encoding).encoding === "utf-8") return path;
  const to = spillPath(spillDir, `utf8:${label}`);
  // Bytes that the encoding does not know become U+FFFD, which no column lets through.
  const text = Readable.toWeb(createReadStream(path)).pipeThrough(new TextDecoderStream(encoding));
  await pipeline(text, createWriteStream(to, { mode: 0o600 }));
  return to;
}

/** Takes the lines that the last read left in `_rejects`: physical line → what is wrong with it. */
export async function takeStructuralRejects(
  engine: Engine,
): Promise<Map<number, StructuralReject>> {
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
