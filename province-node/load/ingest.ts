// Raw files → typed DuckDB tables. Every file is read as text, typed and checked by generated SQL; what breaks a rule
// or repeats a key is rejected with file, line, column and rule. CATALOGUE §1; nothing is dropped without a count.
import { RAW_TABLES, type RawTableName } from "../../catalogue/raw-tables.ts";
import type { Engine } from "./duckdb.ts";
import { quoteName } from "./duckdb.ts";
import { readSource, type StructuralReject } from "./read-source.ts";
import { linesOfRecords } from "./record-lines.ts";
import type { Rejects } from "./rejects.ts";
import { rowSql } from "./row-rules.ts";
import type { SourceFile } from "./source-files.ts";

export interface IngestedFile {
  readonly label: string;
  readonly table: RawTableName;
  readonly rows: number;
  readonly rejected: number;
}

interface Staged {
  readonly file: SourceFile;
  /** Row ids of the staging table before this file's first row, and after its last. */
  readonly from: number;
  readonly until: number;
  /** Physical lines that are no record at all (wrong number of columns, foreign encoding …). */
  readonly structural: ReadonlyMap<number, StructuralReject>;
  readonly lost: number;
}

/** All files of one table; afterwards the typed table stands under the table's own name. */
export async function ingestTable(
  engine: Engine,
  table: RawTableName,
  files: readonly SourceFile[],
  rejects: Rejects,
  spillDir: string,
): Promise<IngestedFile[]> {
  const { select, rules } = rowSql(RAW_TABLES[table]);
  const names = Object.keys(RAW_TABLES[table].columns);
  const types = names.map((name) => `${quoteName(name)} ${RAW_TABLES[table].columns[name]?.type}`);
  await engine.run(table, `CREATE TABLE ${quoteName(table)} (${types.join(", ")}, _bad UTINYINT)`);
  const staged: Staged[] = [];
  let total = 0;
  for (const file of files) {
    const { rows, structural, lost } = await readSource(engine, file, select, spillDir);
    staged.push({ file, from: total, until: total + rows, structural, lost });
    total += rows;
  }
  await rejectBroken(engine, table, staged, rules, rejects);
  await rejectDuplicates(engine, table, staged, rejects);
  await engine.run(table, `ALTER TABLE ${quoteName(table)} DROP COLUMN _bad`);
  return staged.map(({ file, from, until, structural, lost }) => ({
    label: file.label,
    table,
    rows: until - from + structural.size + lost,
    rejected: rejects.countOf(file.label),
  }));
}

async function rejectBroken(
  engine: Engine,
  table: RawTableName,
  staged: readonly Staged[],
  rules: readonly { column: string; rule: string }[],
  rejects: Rejects,
): Promise<void> {
  const broken = await engine.rows(
    table,
    `SELECT rowid AS id, _bad AS bad FROM ${quoteName(table)} WHERE _bad > 0`,
  );
  if (broken.length > 0) await engine.run(table, `DELETE FROM ${quoteName(table)} WHERE _bad > 0`);
  for (const source of staged) {
    const own = broken.filter(({ id }) => Number(id) >= source.from && Number(id) < source.until);
    await report(
      source,
      own.map(({ id, bad }) => [Number(id), rules[Number(bad) - 1]]),
      rejects,
    );
    for (const [line, { column, rule }] of source.structural)
      rejects.add(source.file, line, column, rule);
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
  table: RawTableName,
  staged: readonly Staged[],
  rejects: Rejects,
): Promise<void> {
  const name = quoteName(table);
  const key = RAW_TABLES[table].key;
  const columns = key.map(quoteName).join(", ");
  // Cheap first: a hash per row. Only when two are equal are the rows themselves compared.
  const [sizes] = await engine.rows(
    table,
    `SELECT count(*) AS n, count(DISTINCT hash(${columns})) AS d FROM ${name}`,
  );
  if (!sizes || sizes["n"] === sizes["d"]) return;
  const ranked = `SELECT rowid AS id, row_number() OVER (PARTITION BY ${columns} ORDER BY rowid) AS nth FROM ${name}`;
  const repeated = await engine.rows(table, `SELECT id FROM (${ranked}) WHERE nth > 1 ORDER BY id`);
  if (repeated.length === 0) return;
  const rule = { column: key.join("+"), rule: "the key appears before (the first row is kept)" };
  await engine.run(
    table,
    `DELETE FROM ${name} WHERE rowid IN (SELECT id FROM (${ranked}) WHERE nth > 1)`,
  );
  for (const source of staged) {
    const own = repeated.filter(({ id }) => Number(id) >= source.from && Number(id) < source.until);
    await report(
      source,
      own.map(({ id }) => [Number(id), rule]),
      rejects,
    );
  }
}

async function report(
  source: Staged,
  broken: readonly (readonly [number, { column: string; rule: string } | undefined])[],
  rejects: Rejects,
): Promise<void> {
  if (broken.length === 0) return;
  const records = broken.map(([id]) => id - source.from);
  const lines =
    source.file.format === "csv"
      ? await linesOfRecords(source.file.path, records, source.structural)
      : new Map(records.map((record) => [record, record + 1]));
  for (const [id, broke] of broken) {
    if (broke) rejects.add(source.file, lines.get(id - source.from) ?? 0, broke.column, broke.rule);
  }
}
