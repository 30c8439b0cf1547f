// What a province computes about a number from its raw tables, as declarations (CATALOGUE §1, §3): an indicator is
// one integer per number, a keyed list a few rows per number, a view a relation that both may read from.
// Nothing here knows any indicator: they are JSON under data/. SQL is DuckDB's and runs at the province only, over
// that province's own data; it comes from this repository, never from a request.
import { z } from "zod";
import { RAW_TABLES, type RawTableName } from "./raw-tables.ts";

/** `family.snake_case`, stable for ever. */
export const IndicatorId = z
  .string()
  .regex(/^[a-z]+\.[a-z][a-z0-9_]*$/, "an indicator id: family.snake_case");

/** A keyed list's or view's name: a plain SQL identifier. */
export const RelationId = z.string().regex(/^[a-z][a-z0-9_]*$/, "a lower-case SQL identifier");

const RawTableId = z.string().refine((name) => Object.hasOwn(RAW_TABLES, name), "a raw table");

export const FAMILIES = [
  "identity",
  "loyalty",
  "spending",
  "assets",
  "online",
  "offline",
  "values",
  "social",
] as const;

const wholeSpan = z.int().min(1).max(3660);

/**
 * The time that a value looks at. The as-of day is "today", whose rows are not complete: `days` are that many days
 * before it, `months` that many complete calendar months before its month. `before` moves the window back by as many
 * days or months.
 */
export const Window = z.union([
  z.literal("now"),
  z.literal("ever"),
  z.strictObject({ days: wholeSpan, before: wholeSpan.optional() }),
  z.strictObject({ months: wholeSpan, before: wholeSpan.optional() }),
]);
export type Window = z.infer<typeof Window>;

const sql = z.string().min(1).max(4000).refine(isOneExpression, "one SQL expression, no ; or --");

function isOneExpression(text: string): boolean {
  return !text.includes(";") && !text.includes("--") && !text.includes("/*");
}

/**
 * A relation over raw tables with an `msisdn` column (the number a row is about); `from` of an indicator or a list
 * may name it. The loader makes all views, in the order of the file, before anything else; a view may read earlier
 * ones.
 */
export const View = z.strictObject({
  id: RelationId,
  /** The raw tables it reads. Where none of them was ever loaded, what is computed from it is unknown (null). */
  tables: z.array(RawTableId).min(1),
  /** The column that `{window}` compares, here and in indicators over the view. */
  time: RelationId.optional(),
  window: Window.optional(),
  /** A SELECT. `{window}` and `{asof}` are written out when the catalogue is loaded. */
  sql,
});
export type View = z.infer<typeof View>;

/**
 * One integer per number: round(sql · scale) clamped to [min · scale, max · scale], or null for "not known".
 * `sql` is an aggregate over `from` grouped by msisdn; with `from: "derived"` it is an expression over other
 * indicators' natural values as quoted columns ("use.spend_avg_3m"), each declared earlier or not derived.
 */
export const Indicator = z
  .strictObject({
    id: IndicatorId,
    zh: z.string().min(1),
    en: z.string().min(1),
    family: z.enum(FAMILIES),
    /** Of the natural value: yuan, days, months, count, share, code, flag … */
    unit: z.string().min(1),
    window: Window,
    /** A raw table, a view, or "derived". */
    from: RelationId,
    sql,
    /** The natural value is the stored integer divided by this. */
    scale: z.union([z.literal(1), z.literal(10), z.literal(100), z.literal(1000)]).default(1),
    min: z.number(),
    max: z.number(),
    /** The natural value where the source is loaded and the SQL gives null; without it null stays null. */
    absent: z.number().optional(),
  })
  .refine((i) => i.min < i.max, { path: ["max"], message: "max must be above min" })
  .refine((i) => Math.max(Math.abs(i.min), Math.abs(i.max)) * i.scale < 2 ** 31, {
    path: ["max"],
    message: "bounds times scale must fit 32 bits",
  })
  .refine((i) => i.absent === undefined || (i.absent >= i.min && i.absent <= i.max), {
    path: ["absent"],
    message: "must lie within the bounds",
  });
export type Indicator = z.infer<typeof Indicator>;

/**
 * How a list's key is stored. The first four as the first 8 bytes, in hex, of subjectTag(K_subject, kind,
 * normaliseKey(kind, value)); `code` as the integer itself; `text` as the string itself (closed vocabularies only).
 */
export const KeyKind = z.enum(["msisdn", "app", "domain", "keyword", "code", "text"]);
export type KeyKind = z.infer<typeof KeyKind>;

/**
 * A few rows per number: SELECT msisdn, key, columns… FROM from WHERE where GROUP BY msisdn, key, the first `top` of
 * each number by `order` descending, then by the raw key ascending. Stored in that order (rank = position + 1).
 * Keys of kind msisdn that are no mobile number drop out before that. A list of `top` rows may have been cut: what it has no
 * row for is not known, save as far as the last kept row bounds it (`order`, a count, and columns `within_order`).
 */
export const KeyedList = z
  .strictObject({
    id: RelationId,
    zh: z.string().min(1),
    en: z.string().min(1),
    from: RelationId,
    window: Window,
    /** A predicate over the rows; all rows without it. */
    where: sql.optional(),
    key: sql,
    kind: KeyKind,
    /** Stored as round(sql · scale), an int32. */
    columns: z.record(
      RelationId,
      z.strictObject({
        sql,
        scale: z.union([z.literal(1), z.literal(10), z.literal(100)]).default(1),
        /**
         * From 0 to the `order` column of the same row, whatever the rows: it counts some of what that one counts. Rounded as that one is,
         * so on its scale, or it could be stored as more.
         */
        within_order: z.boolean().default(false),
      }),
    ),
    order: RelationId,
    top: z.int().min(1).max(200),
  })
  .refine((l) => Object.hasOwn(l.columns, l.order), {
    path: ["order"],
    message: "must name a column of the list",
  })
  .superRefine(({ columns, order }, context) => {
    for (const [name, { scale, within_order }] of Object.entries(columns)) {
      if (!within_order || scale === columns[order]?.scale) continue;
      const path = ["columns", name, "scale"];
      context.addIssue({ code: "custom", path, message: "within_order: as that of the order" });
    }
  });
export type KeyedList = z.infer<typeof KeyedList>;

/** The column that dates a relation's rows, if there is one. */
export function timeColumn(from: string, views: ReadonlyMap<string, View>): string | undefined {
  if (Object.hasOwn(RAW_TABLES, from)) return RAW_TABLES[from as RawTableName].time;
  return views.get(from)?.time;
}
