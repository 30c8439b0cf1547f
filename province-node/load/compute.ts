// SQL from the catalogue's declarations: views, one aggregate per relation, one wide row per number, keyed lists.
// CATALOGUE §1, §3; semantics in catalogue/indicator.ts. It names no indicator and decides nothing about one.
import type { Indicator, KeyedList } from "../../catalogue/index.ts";
import { RAW_TABLES, RAW_TABLE_NAMES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { type Engine, quoteName, quoteText } from "./duckdb.ts";
import type { ServingCatalogue } from "./serving-catalogue.ts";

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

/** round(natural · scale) within the bounds; null stays null, and what is not a number is unknown. */
export function storedSql(natural: string, { scale, min, max }: Indicator): string {
  const inside = `CAST(round(${natural} * ${scale}) AS INTEGER)`;
  return (
    `CASE WHEN isnan(${natural}) THEN NULL WHEN ${natural} < ${min} THEN ${Math.round(min * scale)} ` +
    `WHEN ${natural} > ${max} THEN ${Math.round(max * scale)} ELSE ${inside} END`
  );
}

/** `absent` stands in for null, in relations that were loaded. */
export function filledSql(stored: string, { absent, scale }: Indicator): string {
  return absent === undefined ? stored : `coalesce(${stored}, ${Math.round(absent * scale)})`;
}

function aggregateName(from: string): string {
  return quoteName(`_agg_${from}`);
}

/** One statement per relation that any indicator reads; each leaves a table in the order of msisdn. */
export async function computeAggregates(
  engine: Engine,
  catalogue: ServingCatalogue,
  loaded: ReadonlySet<string>,
  onStep: (from: string) => void,
): Promise<void> {
  const relations = Map.groupBy(catalogue.indicators, ({ from }) => from);
  for (const [from, indicators] of relations) {
    if (from === "derived" || !isLoaded(from, catalogue, loaded)) continue;
    // Inside, every aggregate once; outside, its rounding and bounds.
    const natural = indicators.map(({ sql }, i) => `CAST((${sql}) AS DOUBLE) AS _x${i}`);
    const stored = indicators.map(
      (each, i) => `${storedSql(`_x${i}`, each)} AS ${quoteName(each.id)}`,
    );
    const grouped = `SELECT msisdn, ${natural.join(", ")} FROM ${quoteName(from)} GROUP BY msisdn`;
    await engine.run(
      `indicators from ${from}`,
      `CREATE TABLE ${aggregateName(from)} AS SELECT msisdn, ${stored.join(", ")} FROM (${grouped}) ORDER BY msisdn`,
      "data-invalid",
    );
    onStep(from);
  }
}

/** Tables of indicators that the operator has computed already. */
export interface Delivered {
  readonly table: string;
  readonly ids: readonly string[];
}

/**
 * The province's numbers by msisdn: msisdn, cn_id_number, name, standing (a person's own order of numbers, those in
 * use first, then the oldest). Numbers that only a delivered table knows are the province's too, without identity.
 */
export function numbersSql(delivered: readonly Delivered[]): string {
  const own =
    "SELECT msisdn, cn_id_number, name, CAST(row_number() OVER (PARTITION BY cn_id_number " +
    "ORDER BY status <> 'active', activated_on, msisdn) AS INTEGER) AS standing FROM subscriber";
  const others = delivered
    .map(({ table }) => `SELECT msisdn FROM ${quoteName(table)}`)
    .join(" UNION ");
  if (others === "") return `${own} ORDER BY msisdn`;
  const further = `SELECT msisdn, NULL, NULL, 1 FROM (${others}) WHERE msisdn NOT IN (SELECT msisdn FROM subscriber)`;
  return `SELECT * FROM (${own} UNION ALL ${further}) ORDER BY msisdn`;
}

/** An indicator's place in a record, and what it is where its relation has no row for the number. */
export interface Slot {
  readonly position: number;
  readonly absent: number | null;
}

/** One aggregate's rows, by msisdn: msisdn, then the stored value of each slot. */
export interface AggregateStream {
  readonly from: string;
  readonly sql: string;
  readonly slots: readonly Slot[];
}

export function aggregateStreams(
  catalogue: ServingCatalogue,
  loaded: ReadonlySet<string>,
): AggregateStream[] {
  const placed = catalogue.indicators.map((indicator, position) => ({ indicator, position }));
  const relations = Map.groupBy(placed, ({ indicator }) => indicator.from);
  return [...relations]
    .filter(([from]) => from !== "derived" && isLoaded(from, catalogue, loaded))
    .map(([from, members]) => ({
      from,
      sql: `SELECT * FROM ${aggregateName(from)}`,
      slots: members.map(({ indicator: { absent, scale }, position }) => ({
        position,
        absent: absent === undefined ? null : Math.round(absent * scale),
      })),
    }));
}

/** Delivered values take the place of computed ones; where a delivered field was empty, the computed one stays. */
export function deliveredStreams(
  catalogue: ServingCatalogue,
  delivered: readonly Delivered[],
): AggregateStream[] {
  return delivered.map(({ table, ids }) => {
    const members = catalogue.indicators.flatMap((each, position) =>
      ids.includes(each.id) ? [{ each, position }] : [],
    );
    const stored = members.map(({ each }) => storedSql(quoteName(each.id), each));
    return {
      from: "the delivered indicators",
      sql: `SELECT msisdn, ${stored.join(", ")} FROM ${quoteName(table)} ORDER BY msisdn`,
      slots: members.map(({ position }) => ({ position, absent: null })),
    };
  });
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
