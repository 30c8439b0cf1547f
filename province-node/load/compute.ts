// SQL from the catalogue's declarations: views, one aggregate per relation, one wide row per number, keyed lists.
// CATALOGUE §1, §3; semantics in catalogue/indicator.ts. It names no indicator and decides nothing about one.
import { type Catalogue, type Indicator, type KeyedList } from "../../catalogue/index.ts";
import { RAW_TABLES, RAW_TABLE_NAMES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { type Engine, quoteName, quoteText } from "./duckdb.ts";

/** What loading and serving need of the catalogue. */
export type ServingCatalogue = Pick<Catalogue, "views" | "indicators" | "lists">;

/** Of the part that a store depends on: a new product or model needs no new load. */
export function servingDigest({ views, indicators, lists }: ServingCatalogue): string {
  return sha256Hex(canonicalJson({ format: 1, views, indicators, lists }));
}

/** The raw tables behind a relation. */
function tablesOf(from: string, catalogue: ServingCatalogue): readonly RawTableName[] {
  const view = catalogue.views.find(({ id }) => id === from);
  return view ? (view.tables as RawTableName[]) : [from as RawTableName];
}

function isLoaded(from: string, catalogue: ServingCatalogue, loaded: ReadonlySet<string>): boolean {
  return tablesOf(from, catalogue).some((table) => loaded.has(table));
}

/** Tables that were not delivered stand empty, so that every declaration still binds. */
export async function createMissingTables(
  engine: Engine,
  loaded: ReadonlySet<string>,
): Promise<void> {
  const missing = RAW_TABLE_NAMES.filter((table) => !loaded.has(table)).map((table) => {
    const columns = Object.entries(RAW_TABLES[table].columns).map(
      ([name, { type }]) => `${quoteName(name)} ${type}`,
    );
    return `CREATE TABLE ${quoteName(table)} (${columns.join(", ")})`;
  });
  if (missing.length > 0) await engine.run("tables", missing.join("; "));
}

export async function createViews(engine: Engine, catalogue: ServingCatalogue): Promise<void> {
  for (const { id, sql } of catalogue.views) {
    await engine.run(`view ${id}`, `CREATE VIEW ${quoteName(id)} AS ${sql}`, "data-invalid");
  }
}

/** round(sql · scale) within the bounds; null stays null, and what is not a number is unknown. */
function storedSql({
  sql,
  scale,
  min,
  max,
}: Pick<Indicator, "sql" | "scale" | "min" | "max">): string {
  const natural = `CAST((${sql}) AS DOUBLE)`;
  // least() and greatest() skip nulls, hence the CASE.
  const bounded = `least(greatest(${natural}, ${min}), ${max})`;
  return `CASE WHEN ${natural} IS NULL OR isnan(${natural}) THEN NULL ELSE CAST(round(${bounded} * ${scale}) AS INTEGER) END`;
}

function aggregateName(from: string): string {
  return quoteName(`_agg_${from}`);
}

/** One statement per relation that any indicator reads. */
export async function computeAggregates(
  engine: Engine,
  catalogue: ServingCatalogue,
  loaded: ReadonlySet<string>,
  onStep: (from: string) => void,
): Promise<void> {
  const relations = Map.groupBy(catalogue.indicators, ({ from }) => from);
  for (const [from, indicators] of relations) {
    if (from === "derived" || !isLoaded(from, catalogue, loaded)) continue;
    const columns = indicators.map(
      (indicator) => `${storedSql(indicator)} AS ${quoteName(indicator.id)}`,
    );
    const select = `SELECT msisdn, ${columns.join(", ")} FROM ${quoteName(from)} GROUP BY msisdn`;
    await engine.run(
      `indicators from ${from}`,
      `CREATE TABLE ${aggregateName(from)} AS ${select}`,
      "data-invalid",
    );
    onStep(from);
  }
}

/**
 * One row per number of the province, by msisdn: msisdn, cn_id_number, name, standing (smaller is shown first among
 * a person's numbers), then every indicator's stored value in the catalogue's order.
 */
export function wideSql(catalogue: ServingCatalogue, loaded: ReadonlySet<string>): string {
  const relations = [...new Set(catalogue.indicators.map(({ from }) => from))].filter(
    (from) => from !== "derived" && isLoaded(from, catalogue, loaded),
  );
  const direct = catalogue.indicators.filter(({ from }) => from !== "derived");
  const stored = direct.map((indicator) => {
    const name = quoteName(indicator.id);
    if (!relations.includes(indicator.from)) return `CAST(NULL AS INTEGER) AS ${name}`;
    const column = `${aggregateName(indicator.from)}.${name}`;
    const absent = indicator.absent;
    return absent === undefined
      ? `${column} AS ${name}`
      : `coalesce(${column}, ${Math.round(absent * indicator.scale)}) AS ${name}`;
  });
  const joins = relations.map(
    (from) => `LEFT JOIN ${aggregateName(from)} ON ${aggregateName(from)}.msisdn = n.msisdn`,
  );
  // A person's own order: numbers in use first, then the oldest.
  const standing = `row_number() OVER (PARTITION BY n.cn_id_number ORDER BY n.status <> 'active', n.activated_on, n.msisdn)`;
  const wide =
    `SELECT n.msisdn AS _msisdn, n.cn_id_number AS _cn, n.name AS _name, CAST(${standing} AS INTEGER) AS _standing` +
    `${["", ...stored].join(", ")} FROM subscriber n ${joins.join(" ")}`;
  const derived = catalogue.indicators.filter(({ from }) => from === "derived");
  const natural = direct.map(
    ({ id, scale }) => `${quoteName(id)} / CAST(${scale} AS DOUBLE) AS ${quoteName(id)}`,
  );
  const values = catalogue.indicators.map((indicator) =>
    indicator.from === "derived" ? `d.${quoteName(indicator.id)}` : `w.${quoteName(indicator.id)}`,
  );
  const head = "w._msisdn, w._cn, w._name, w._standing";
  if (derived.length === 0) {
    return `SELECT ${[head, ...values].join(", ")} FROM (${wide}) w ORDER BY w._msisdn`;
  }
  const computed = derived.map((indicator) => {
    const sql = storedSql(indicator);
    const absent = indicator.absent;
    const filled =
      absent === undefined ? sql : `coalesce(${sql}, ${Math.round(absent * indicator.scale)})`;
    return `${filled} AS ${quoteName(indicator.id)}`;
  });
  return (
    `WITH w AS MATERIALIZED (${wide}), ` +
    `d AS (SELECT ${["_msisdn", ...computed].join(", ")} FROM (SELECT ${["_msisdn", ...natural].join(", ")} FROM w)) ` +
    `SELECT ${[head, ...values].join(", ")} FROM w JOIN d ON w._msisdn = d._msisdn ORDER BY w._msisdn`
  );
}

/** The lists that can be computed from what was loaded; the others are absent from every record. */
export function computableLists(
  catalogue: ServingCatalogue,
  loaded: ReadonlySet<string>,
): KeyedList[] {
  return catalogue.lists.filter(({ from }) => isLoaded(from, catalogue, loaded));
}

/** Rows of one list, by msisdn and rank: msisdn, key, columns as stored integers in the order of declaration. */
export function listSql(list: KeyedList): string {
  const columns = Object.entries(list.columns).map(
    ([name, { sql, scale }]) =>
      `CAST(coalesce(round(CAST((${sql}) AS DOUBLE) * ${scale}), 0) AS INTEGER) AS ${quoteName(name)}`,
  );
  const names = Object.keys(list.columns).map(quoteName).join(", ");
  const grouped =
    `SELECT msisdn AS _msisdn, (${list.key}) AS _key, ${columns.join(", ")} FROM ${quoteName(list.from)} ` +
    `WHERE (${list.where ?? "TRUE"}) GROUP BY ALL`;
  // Landlines and short codes cannot be claimed as a contact's number: they take no place in a list of people.
  const keys =
    list.kind === "msisdn"
      ? `regexp_full_match(_key, ${quoteText("1[3-9][0-9]{9}")})`
      : "_key IS NOT NULL";
  const rank = `row_number() OVER (PARTITION BY _msisdn ORDER BY ${quoteName(list.order)} DESC, _key)`;
  return (
    `SELECT _msisdn, _key, ${names} FROM (SELECT *, ${rank} AS _rank FROM (${grouped}) WHERE ${keys}) ` +
    `WHERE _rank <= ${list.top} ORDER BY _msisdn, _rank`
  );
}
