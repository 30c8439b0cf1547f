// What an oracle's indicator is: a reading of one number's history in its natural unit, null for "not known".
// Fractions are computed over whole numbers, so that halves round up exactly.
import type { NumberHistory } from "../number-history.ts";

/** Reads another indicator of the same number, in natural units. */
export type ReadOther = (id: string) => number | null;

export type Reading = (history: NumberHistory, other: ReadOther) => number | null;

export type Readings = Readonly<Record<string, Reading>>;

/** `n` where there is anything to go by, else not known. */
export function ifAny<T>(rows: readonly T[], n: (rows: readonly T[]) => number | null) {
  return rows.length === 0 ? null : n(rows);
}

/** Whole units from a count of smaller ones: 1234 fen are 12.34 yuan. */
export function unitsOf(parts: number | null, perUnit: number): number | null {
  return parts === null ? null : parts / perUnit;
}

/** The count of smaller units, from a natural value that is a whole number of them. */
export function partsOf(value: number | null, perUnit: number): number | null {
  return value === null ? null : Math.round(value * perUnit);
}

export function flag(holds: boolean): number {
  return holds ? 1 : 0;
}
