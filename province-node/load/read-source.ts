// One raw file → rows of its staging table, as text through the mapping and the row rules. A file that cannot be read
// at all is an error that names it; a line that cannot be read is a structural reject.
import { WjfError } from "../../core/errors.ts";
import { csvRelation, type StructuralReject, takeStructuralRejects } from "./csv-relation.ts";
import { type Engine, quoteName, quoteText } from "./duckdb.ts";
import type { ColumnSource } from "./mapping.ts";
import type { SourceFile } from "./source-files.ts";

export interface SourceRows {
  /** What was read: the file, or its copy in UTF-8; its lines are the file's. */
  readonly path: string;
  /** Inserted into the staging table. */
  readonly rows: number;
  /** Physical lines that are no record at all (wrong number of columns, foreign encoding …). */
  readonly structural: ReadonlyMap<number, StructuralReject>;
  /** Records that are in the file and in neither of the two. */
  readonly lost: number;
}

/** @throws WjfError `data-invalid` naming the file and what is wrong with it as a whole. */
export async function readSource(
  engine: Engine,
  file: SourceFile,
  select: string,
  spillDir: string,
): Promise<SourceRows> {
  const insert = (relation: string, names: readonly string[]): Promise<number> => {
    const sql = `INSERT INTO ${quoteName(file.table)} SELECT ${select} FROM ${mapped(file, relation, names)}`;
    return engine.run(file.label, sql, "data-invalid");
  };
  if (file.format === "parquet") {
    const relation = `read_parquet(${quoteText(file.path)})`;
    const rows = await insert(relation, await parquetColumns(engine, relation, file.label));
    return { path: file.path, rows, structural: new Map(), lost: 0 };
  }
  const { path, sql, names, scan } = await csvRelation({ ...file, ...file.mapping }, spillDir);
  const rows = await insert(sql, names);
  const structural = await takeStructuralRejects(engine);
  const lost = Math.max(0, scan.records - rows - structural.size) + scan.swallowedLines;
  return { path, rows, structural, lost };
}

export async function parquetColumns(
  engine: Engine,
  relation: string,
  label: string,
): Promise<readonly string[]> {
  const described = await engine.rows(label, `DESCRIBE SELECT * FROM ${relation}`, "data-invalid");
  return described.map(({ column_name }) => String(column_name).toLowerCase());
}

/** The table's own columns as text, out of theirs. */
function mapped(
  { declaration, label, mapping }: SourceFile,
  relation: string,
  names: readonly string[],
): string {
  const sources = Object.keys(declaration.columns).map((ours): readonly [string, ColumnSource] => [
    ours,
    mapping.columns[ours] ?? ours,
  ]);
  requireColumns(label, names, sources);
  return mappedRelation(relation, sources, label);
}

/** A relation of text columns `ours`, each from a column of theirs or an expression over their columns and `_row`. */
export function mappedRelation(
  relation: string,
  sources: readonly (readonly [ours: string, ColumnSource])[],
  label: string,
): string {
  const columns = sources.map(([ours, source]) => {
    const theirs =
      typeof source === "string"
        ? quoteName(source.toLowerCase())
        : `(${oneExpression(source.sql, label)})`;
    return `CAST(${theirs} AS VARCHAR) AS ${quoteName(ours)}`;
  });
  const numbered = sources.some(
    ([, source]) => typeof source !== "string" && source.sql.includes("_row"),
  );
  const from = numbered ? `(SELECT *, row_number() OVER () AS _row FROM ${relation})` : relation;
  return `(SELECT ${columns.join(", ")} FROM ${from})`;
}

function oneExpression(sql: string, label: string): string {
  if (/;|--|\/\*/.test(sql)) {
    throw new WjfError(
      "data-invalid",
      `${label}: mapping: sql must be one expression, without ; or comments`,
    );
  }
  return sql;
}

/** @throws WjfError `data-invalid` naming every column that the file lacks. */
export function requireColumns(
  label: string,
  names: readonly string[],
  sources: readonly (readonly [ours: string, ColumnSource])[],
): void {
  const missing = sources.flatMap(([, source]) =>
    typeof source === "string" && !names.includes(source.toLowerCase()) ? [source] : [],
  );
  if (missing.length > 0) {
    throw new WjfError(
      "data-invalid",
      `${label}: missing column${missing.length > 1 ? "s" : ""} ${missing.join(", ")} (a mapping file can rename)`,
    );
  }
}
