// Raw files → typed DuckDB tables. Every file is read as text, typed and checked by generated SQL; what breaks a rule
// or repeats a key is rejected with file, line, column and rule. CATALOGUE §1; nothing is dropped without a count.
import type { RawTable } from "../../catalogue/raw-tables.ts";
import type { StructuralReject } from "./csv-relation.ts";
import { type Engine, quoteName } from "./duckdb.ts";
import { readSource } from "./read-source.ts";
import { linesOfRecords } from "./record-lines.ts";
import type { Rejects } from "./rejects.ts";
import { type BrokenRule, rowSql } from "./row-rules.ts";
import type { SourceFile } from "./source-files.ts";

export interface IngestedFile {
  readonly label: string;
  readonly table: string;
  readonly rows: number;
  readonly rejected: number;
}

interface Staged {
  readonly file: SourceFile;
  readonly path: string;
  /** Row ids of the staging table before this file's first row, and after its last. */
  readonly from: number;
  readonly until: number;
  /** Physical lines that are no record at all (wrong number of columns, foreign encoding …). */
  readonly structural: ReadonlyMap<number, StructuralReject>;
  readonly lost: number;
}

/** A row of the staging table and what it breaks. */
type Broken = readonly [rowId: number, BrokenRule | undefined];

/** All files of one table; afterwards the typed table stands under the table's own name. */
export async function ingestTable(
  engine: Engine,
  table: string,
  declaration: RawTable,
  files: readonly SourceFile[],
  rejects: Rejects,
  spillDir: string,
): Promise<IngestedFile[]> {
  const { select, rules } = rowSql(declaration);
  const types = columnTypes(declaration);
  await engine.run(table, `CREATE TABLE ${quoteName(table)} (${types.join(", ")}, _bad UTINYINT)`);
  const staged: Staged[] = [];
  let total = 0;
  for (const file of files) {
    const { rows, ...source } = await readSource(engine, file, select, spillDir);
    staged.push({ file, ...source, from: total, until: total + rows });
    total += rows;
  }
  await rejectBroken(engine, table, staged, rules, rejects);
  await rejectDuplicates(engine, table, declaration.key, staged, rejects);
  await engine.run(table, `ALTER TABLE ${quoteName(table)} DROP COLUMN _bad`);
  return staged.map(({ file, from, until, structural, lost }) => ({
    label: file.label,
    table,
    rows: until - from + structural.size + lost,
    rejected: rejects.countOf(file.label),
  }));
}

export function columnTypes({ columns }: RawTable): string[] {
  return Object.entries(columns).map(([name, { type }]) => `${quoteName(name)} ${type}`);
}

async function rejectBroken(
  engine: Engine,
  table: string,
  staged: readonly Staged[],
  rules: readonly BrokenRule[],
  rejects: Rejects,
): Promise<void> {
  const sql = `SELECT CAST(rowid AS DOUBLE), _bad FROM ${quoteName(table)} WHERE _bad > 0`;
  const broken: Broken[] = [];
  for await (const [ids = [], bad = []] of engine.chunks(table, sql)) {
    ids.forEach((id, i) => broken.push([Number(id), rules[Number(bad[i]) - 1]]));
  }
  if (broken.length > 0) await engine.run(table, `DELETE FROM ${quoteName(table)} WHERE _bad > 0`);
  for (const source of staged) {
    await report(source, broken, rejects);
    for (const [line, { column, rule }] of source.structural) {
      rejects.add(source.file, line, column, rule);
    }
    if (source.lost > 0) {
      rejects.add(
        source.file,
        0,
        "(line)",
        "lines that could not be read (a quote is not closed, or the reader left them out)",
        source.lost,
      );
    }
  }
}

async function rejectDuplicates(
  engine: Engine,
  table: string,
  key: readonly string[],
  staged: readonly Staged[],
  rejects: Rejects,
): Promise<void> {
  const name = quoteName(table);
  const columns = key.map(quoteName).join(", ");
  // Cheap first: a hash per row. Only when two are equal are the rows themselves compared.
  const [sizes] = await engine.rows(
    table,
    `SELECT count(*) AS n, count(DISTINCT hash(${columns})) AS d FROM ${name}`,
  );
  if (!sizes || sizes["n"] === sizes["d"]) return;
  const ranked = `SELECT CAST(rowid AS DOUBLE) AS id, row_number() OVER (PARTITION BY ${columns} ORDER BY rowid) AS nth FROM ${name}`;
  const rule = { column: key.join("+"), rule: "the key appears before (the first row is kept)" };
  const repeated: Broken[] = [];
  const sql = `SELECT id FROM (${ranked}) WHERE nth > 1 ORDER BY id`;
  for await (const [ids = []] of engine.chunks(table, sql)) {
    for (const id of ids) repeated.push([Number(id), rule]);
  }
  if (repeated.length === 0) return;
  await engine.run(
    table,
    `DELETE FROM ${name} WHERE CAST(rowid AS DOUBLE) IN (SELECT id FROM (${ranked}) WHERE nth > 1)`,
  );
  for (const source of staged) await report(source, repeated, rejects);
}

/** Those of the broken rows that came from this file, each with its line there. */
async function report(source: Staged, all: readonly Broken[], rejects: Rejects): Promise<void> {
  const broken = all.filter(([id]) => id >= source.from && id < source.until);
  if (broken.length === 0) return;
  const records = broken.map(([id]) => id - source.from);
  const lines =
    source.file.format === "csv"
      ? await linesOfRecords(source.path, records, source.structural)
      : new Map(records.map((record) => [record, record + 1]));
  for (const [id, broke] of broken) {
    if (broke) rejects.add(source.file, lines.get(id - source.from) ?? 0, broke.column, broke.rule);
  }
}
