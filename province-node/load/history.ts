// Loading by day: typed rows are kept in a DuckDB file beside the store, and a delivery adds to them. A row replaces
// the one with the same key, so a day that is loaded twice changes nothing, and a corrected day corrects. One
// transaction: a load that is killed leaves the file as it was. It holds raw data and never leaves the node.
import { chmodSync } from "node:fs";
import { RAW_TABLES, RAW_TABLE_NAMES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { type Engine, quoteName, quoteText } from "./duckdb.ts";
import { columnTypes } from "./ingest.ts";

/** Longer than every window of the catalogue that ends at the as-of day. */
export const RETENTION_DAYS = 800;

function kept(table: RawTableName): string {
  return `history.${quoteName(table)}`;
}

/** Tables that state the present are replaced as a whole; the others are merged by key and aged by their time. */
function mergeSql(table: RawTableName): string[] {
  const { key, time } = RAW_TABLES[table];
  if (time === undefined) {
    return [
      `DELETE FROM ${kept(table)}`,
      `INSERT INTO ${kept(table)} SELECT * FROM ${quoteName(table)}`,
    ];
  }
  const same = key.map((column) => `h.${quoteName(column)} = s.${quoteName(column)}`).join(" AND ");
  // The key holds the time, so only the delivered span has to be compared.
  const span = `SELECT min(${quoteName(time)}) AS first, max(${quoteName(time)}) AS last FROM ${quoteName(table)}`;
  return [
    `DELETE FROM ${kept(table)} h USING ${quoteName(table)} s, (${span}) d ` +
      `WHERE h.${quoteName(time)} BETWEEN d.first AND d.last AND ${same}`,
    `INSERT INTO ${kept(table)} SELECT * FROM ${quoteName(table)}`,
    `DELETE FROM ${kept(table)} WHERE ${quoteName(time)} < getvariable('asof') - ${RETENTION_DAYS}`,
  ];
}

/**
 * Merges the freshly ingested tables into the history; afterwards every table's name shows all that is kept.
 * Gives the tables that now have rows, from this load or an earlier one.
 */
export async function mergeHistory(
  engine: Engine,
  path: string,
  delivered: readonly RawTableName[],
): Promise<Set<string>> {
  await engine.run("history", `ATTACH ${quoteText(path)} AS history`);
  chmodSync(path, 0o600);
  const tables = delivered.map((table) => {
    return `CREATE TABLE IF NOT EXISTS ${kept(table)} (${columnTypes(RAW_TABLES[table]).join(", ")})`;
  });
  const merges = delivered.flatMap(mergeSql);
  await engine.run("history", ["BEGIN", ...tables, ...merges, "COMMIT"].join("; "));
  const rows = await engine.rows(
    "history",
    "SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'history'",
  );
  const known = new Set(rows.map(({ name }) => String(name)));
  const shown = RAW_TABLE_NAMES.filter((table) => known.has(table));
  const views = shown.map(
    (table) => `CREATE VIEW ${quoteName(table)} AS SELECT * FROM ${kept(table)}`,
  );
  const drops = delivered.map((table) => `DROP TABLE ${quoteName(table)}`);
  await engine.run("history", [...drops, ...views].join("; "));
  return new Set(shown);
}
