// What a load looked like: counts, nulls, ranges of the raw tables and the distribution of every indicator. Aggregates
// only; no column of identifiers shows more than how many values it has. The report stays with the operator.
import { z } from "zod";
import type { Indicator } from "../../catalogue/index.ts";
import {
  RAW_TABLE_NAMES,
  RAW_TABLES,
  type RawColumn,
  type RawTableName,
} from "../../catalogue/raw-tables.ts";
import { type Engine, quoteName } from "./duckdb.ts";

const count = z.int().min(0);

const ColumnQuality = z.strictObject({
  column: z.string(),
  nulls: count,
  /** About how many different values, for text. */
  distinct: count.optional(),
  /** Of numbers, and of dates as text. */
  min: z.union([z.number(), z.string()]).nullable().optional(),
  max: z.union([z.number(), z.string()]).nullable().optional(),
  mean: z.number().nullable().optional(),
});

const TableQuality = z.strictObject({
  table: z.enum(RAW_TABLE_NAMES as [RawTableName, ...RawTableName[]]),
  rows: count,
  columns: z.array(ColumnQuality),
  /** Rows per day (per month for bills), the newest first; for tables that date their rows. */
  days: z.array(z.tuple([z.string(), count])),
  /** Days without a row, in a table that otherwise has rows on nearly every day. */
  gaps: z.array(z.string()),
});
export type TableQuality = z.infer<typeof TableQuality>;

const IndicatorQuality = z.strictObject({
  id: z.string(),
  known: count,
  /** Natural values. */
  min: z.number().nullable(),
  max: z.number().nullable(),
  mean: z.number().nullable(),
  /** How many stored values have a magnitude of so many bits (below zero for negative ones). */
  buckets: z.record(z.string(), count),
});
export type IndicatorQuality = z.infer<typeof IndicatorQuality>;

const Change = z.strictObject({
  what: z.string(),
  measure: z.enum(["rows", "nulls", "known", "distribution"]),
  before: z.number(),
  now: z.number(),
});
export type Change = z.infer<typeof Change>;

export const QualityReport = z.strictObject({
  format: z.literal(1),
  asof: z.iso.date(),
  /** The load that this one is compared with. */
  comparedWith: z.iso.date().nullable(),
  numbers: count,
  people: count,
  rawRows: count,
  rejected: count,
  rejectedByRule: z.array(
    z.strictObject({ table: z.string(), column: z.string(), rule: z.string(), count }),
  ),
  tables: z.array(TableQuality),
  indicators: z.array(IndicatorQuality),
  drift: z.array(Change),
});
export type QualityReport = z.infer<typeof QualityReport>;

const MAX_DAYS = 400;

function columnSql(name: string, column: RawColumn, i: number): string[] {
  const quoted = quoteName(name);
  const nulls = `count(*) FILTER (${quoted} IS NULL) AS n${i}`;
  switch (column.type) {
    case "VARCHAR":
      return [nulls, `approx_count_distinct(${quoted}) AS d${i}`];
    case "BOOLEAN":
      return [nulls, `avg(CAST(${quoted} AS INTEGER)) AS a${i}`];
    case "DATE":
    case "TIMESTAMP":
      return [
        nulls,
        `CAST(min(${quoted}) AS VARCHAR) AS l${i}`,
        `CAST(max(${quoted}) AS VARCHAR) AS h${i}`,
      ];
    case "INTEGER":
    case "BIGINT":
    case "DOUBLE":
      return [
        nulls,
        ...[`min(${quoted}) AS DOUBLE) AS l${i}`, `max(${quoted}) AS DOUBLE) AS h${i}`].map(
          (sql) => `CAST(${sql}`,
        ),
        `CAST(avg(${quoted}) AS DOUBLE) AS a${i}`,
      ];
  }
}

async function tableQuality(engine: Engine, table: RawTableName): Promise<TableQuality> {
  const { columns, time } = RAW_TABLES[table];
  const names = Object.entries(columns);
  const selected = names.flatMap(([name, column], i) => columnSql(name, column, i));
  const sql = `SELECT count(*) AS n, ${selected.join(", ")} FROM ${quoteName(table)}`;
  const [row = {}] = await engine.rows(`quality of ${table}`, sql);
  const number = (key: string): number | undefined =>
    row[key] === undefined ? undefined : Number(row[key]);
  const bound = (key: string): number | string | null | undefined =>
    row[key] as number | string | null | undefined;
  const described = names.map(([column], i) => ({
    column,
    nulls: number(`n${i}`),
    // The estimate may overshoot what is possible.
    distinct:
      row[`d${i}`] === undefined ? undefined : Math.min(Number(row[`d${i}`]), Number(row["n"])),
    min: bound(`l${i}`),
    max: bound(`h${i}`),
    mean: row[`a${i}`],
  }));
  const days = time === undefined ? [] : await daysOf(engine, table, time);
  const plain = JSON.stringify({
    table,
    rows: number("n"),
    columns: described,
    days,
    gaps: gapsIn(days),
  });
  return TableQuality.parse(JSON.parse(plain));
}

/** A table with rows on at least this share of the days of its span is expected to have them on all. */
const DENSE_SHARE = 0.8;
const DAY_MS = 86_400_000;

function gapsIn(days: readonly (readonly [string, number])[]): string[] {
  const present = new Set(days.map(([day]) => day));
  const newest = Date.parse(days[0]?.[0] ?? "");
  const oldest = Date.parse(days.at(-1)?.[0] ?? "");
  const span = (newest - oldest) / DAY_MS + 1;
  if (!(span > 7) || present.size < DENSE_SHARE * span) return [];
  const all = Array.from({ length: span }, (_, i) =>
    new Date(oldest + i * DAY_MS).toISOString().slice(0, 10),
  );
  return all.filter((day) => !present.has(day));
}

async function daysOf(
  engine: Engine,
  table: RawTableName,
  time: string,
): Promise<[string, number][]> {
  const rows = await engine.rows(
    `days of ${table}`,
    `SELECT CAST(CAST(${quoteName(time)} AS DATE) AS VARCHAR) AS day, count(*) AS n FROM ${quoteName(table)} ` +
      `GROUP BY 1 ORDER BY 1 DESC LIMIT ${MAX_DAYS}`,
  );
  return rows.map(({ day, n }) => [String(day), Number(n)]);
}

export async function tablesQuality(
  engine: Engine,
  loaded: ReadonlySet<string>,
): Promise<TableQuality[]> {
  const found: TableQuality[] = [];
  for (const table of RAW_TABLE_NAMES)
    if (loaded.has(table)) found.push(await tableQuality(engine, table));
  return found;
}

/** Signed number of bits of a stored value: 0, ±1, ±2 … The same for every load, so that loads can be compared. */
export function bucketOf(stored: number): number {
  return Math.sign(stored) * (32 - Math.clz32(Math.abs(stored)));
}

/** Gathers the distribution of every indicator while records go by. */
export class IndicatorStatistics {
  readonly #indicators: readonly Indicator[];
  readonly #known: number[];
  readonly #sums: number[];
  readonly #mins: number[];
  readonly #maxs: number[];
  readonly #buckets: Map<number, number>[];

  constructor(indicators: readonly Indicator[]) {
    this.#indicators = indicators;
    this.#known = indicators.map(() => 0);
    this.#sums = indicators.map(() => 0);
    this.#mins = indicators.map(() => Infinity);
    this.#maxs = indicators.map(() => -Infinity);
    this.#buckets = indicators.map(() => new Map());
  }

  add(values: readonly (number | null)[]): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? null;
      if (value === null) continue;
      this.#known[i] = (this.#known[i] ?? 0) + 1;
      this.#sums[i] = (this.#sums[i] ?? 0) + value;
      if (value < (this.#mins[i] ?? 0)) this.#mins[i] = value;
      if (value > (this.#maxs[i] ?? 0)) this.#maxs[i] = value;
      const buckets = this.#buckets[i];
      const bucket = bucketOf(value);
      buckets?.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    }
  }

  result(): IndicatorQuality[] {
    return this.#indicators.map(({ id, scale }, i) => {
      const known = this.#known[i] ?? 0;
      const natural = (stored: number | undefined): number | null =>
        known === 0 ? null : (stored ?? 0) / scale;
      const sorted = [...(this.#buckets[i] ?? [])].sort(([a], [b]) => a - b);
      return {
        id,
        known,
        min: natural(this.#mins[i]),
        max: natural(this.#maxs[i]),
        mean: natural((this.#sums[i] ?? 0) / Math.max(1, known)),
        buckets: Object.fromEntries(sorted.map(([bucket, n]) => [String(bucket), n])),
      };
    });
  }
}
