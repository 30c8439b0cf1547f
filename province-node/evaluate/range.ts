// Between which numbers a value lies, where a record does not hold the value itself: a keyed list keeps its first rows only
// (catalogue/indicator.ts), and what a full list has no row for is bounded by its last row or not at all. A comparison is
// answered only where every number of the range answers it alike. docs/decisions/010-predicate-form.md.
import type { KeyedList, ListRow, Predicate } from "../../catalogue/index.ts";

type Comparison = Extract<Predicate, { kind: "compare" }>["op"];

/** In natural units, both ends included. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

export function exactly(value: number): Range {
  return { least: value, most: value };
}

/** The value, where it can only be one. */
export function soleValue(range: Range | null): number | null {
  return range !== null && range.least === range.most ? range.least : null;
}

/** Whether there may have been more keys than rows are kept. */
export function mayBeCut(list: KeyedList, rows: readonly ListRow[]): boolean {
  return rows.length >= list.top;
}

/** A row's column. */
export function cellOf(list: KeyedList, row: ListRow, column: string): number {
  return (row[column] as number) / (list.columns[column]?.scale ?? 1);
}

/** The column of a row that the list does not have; `absent` where there is no such row anywhere. */
export function missingCell(
  list: KeyedList,
  rows: readonly ListRow[],
  column: string,
  absent: number,
): Range {
  const last = rows.at(-1);
  if (last === undefined || !mayBeCut(list, rows)) return exactly(absent);
  if (column !== list.order && list.columns[column]?.within_order !== true) {
    return { least: -Infinity, most: Infinity };
  }
  return { least: Math.min(0, absent), most: Math.max(cellOf(list, last, list.order), absent) };
}

/** Yes or no if every pair of numbers agrees, null if not. */
export function compareRanges(op: Comparison, left: Range, right: Range): boolean | null {
  switch (op) {
    case ">=":
      return settled(left.least >= right.most, left.most < right.least);
    case ">":
      return settled(left.least > right.most, left.most <= right.least);
    case "<=":
      return compareRanges(">=", right, left);
    case "<":
      return compareRanges(">", right, left);
    case "==":
      return settled(
        left.least === right.most && left.most === right.least,
        left.most < right.least || left.least > right.most,
      );
    case "!=": {
      const equal = compareRanges("==", left, right);
      return equal === null ? null : !equal;
    }
  }
}

function settled(yes: boolean, no: boolean): boolean | null {
  if (yes) return true;
  return no ? false : null;
}
