// The mapping file: how an operator's own files, columns and dialect correspond to the thirteen raw tables, and which
// columns of which files are indicators that the operator has computed already. JSON, checked before anything is read.
// SQL in it is DuckDB's, written by the operator about the operator's own data, over columns that are all text.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { IndicatorId } from "../../catalogue/index.ts";
import { RAW_TABLES, type RawTableName } from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { ServingCatalogue } from "./serving-catalogue.ts";

/** A column of theirs by name, or an expression over their columns; `_row` is the record's number from 1. */
const ColumnSource = z.union([
  z.string().min(1).max(128),
  z.strictObject({ sql: z.string().min(1).max(2000) }),
]);
export type ColumnSource = z.infer<typeof ColumnSource>;

const dialect = {
  /** Paths relative to the raw folder; `*` and `?` within the last part. */
  files: z.array(z.string().min(1)).min(1).optional(),
  delimiter: z.string().length(1).default(","),
  /** Of CSV: a WHATWG encoding label, for example gb18030 or utf-16le. */
  encoding: z
    .string()
    .refine(isEncoding, "an encoding that is known here, for example utf-8 or gb18030")
    .default("utf-8"),
};

function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== "";
  } catch {
    return false;
  }
}

const TableMapping = z.strictObject({
  ...dialect,
  /** Our column → theirs. Columns that are not named here are called as ours are. */
  columns: z.record(z.string(), ColumnSource).default({}),
});
export type TableMapping = z.infer<typeof TableMapping>;

/** Indicators that come computed: one row per number. */
const IndicatorMapping = z.strictObject({
  ...dialect,
  files: z.array(z.string().min(1)).min(1),
  msisdn: ColumnSource,
  /** Indicator id → its natural value; rounded, bounded and scaled as the catalogue says. */
  values: z.record(IndicatorId, ColumnSource),
});
export type IndicatorMapping = z.infer<typeof IndicatorMapping>;

const Mapping = z.strictObject({
  tables: z
    .partialRecord(z.enum(Object.keys(RAW_TABLES) as [RawTableName]), TableMapping)
    .default({}),
  indicators: z.array(IndicatorMapping).default([]),
});
export type Mapping = z.infer<typeof Mapping>;

export const NO_MAPPING: Mapping = { tables: {}, indicators: [] };
export const PLAIN_TABLE: TableMapping = { delimiter: ",", encoding: "utf-8", columns: {} };

/** @throws WjfError `data-invalid`, naming the field: a column or an indicator that does not exist is refused. */
export function readMapping(path: string, catalogue: ServingCatalogue): Mapping {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new WjfError("data-invalid", "the mapping file cannot be read", { cause });
  }
  const mapping = parseJsonWith(Mapping, text, "data-invalid", "mapping");
  for (const [table, { columns }] of Object.entries(mapping.tables)) {
    for (const name of Object.keys(columns)) {
      if (!Object.hasOwn(RAW_TABLES[table as RawTableName].columns, name)) {
        throw new WjfError(
          "data-invalid",
          `mapping: tables.${table}.columns: there is no column ${name}`,
        );
      }
    }
  }
  const known = new Set(catalogue.indicators.map(({ id }) => id));
  mapping.indicators.forEach(({ values }, i) => {
    const unknown = Object.keys(values).find((id) => !known.has(id));
    if (unknown !== undefined) {
      throw new WjfError(
        "data-invalid",
        `mapping: indicators.${i}.values: there is no indicator ${unknown}`,
      );
    }
  });
  return mapping;
}
