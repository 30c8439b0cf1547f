// Refusals that are about one row of a file: the others go on, and at the end each is told with its line, its code and what to do.
import { z } from "zod";
import { errorEntry, type ErrorCode, isErrorCode, WjfError } from "../core/errors.ts";
import { type Output, table } from "./output.ts";

/** Any other would be every row's. */
const OF_A_ROW: readonly ErrorCode[] = [
  "consent-refused",
  "person-unknown",
  "product-unknown",
  "rate-limited",
  "request-malformed",
  "scope-refused",
];

/** A refusal as it is kept in a file. */
export const Refused = z.custom<ErrorCode>(
  (value) => typeof value === "string" && isErrorCode(value),
);

/** @throws what it is given, unless it is a refusal of one row. */
export function ofOneRow(error: unknown): WjfError {
  if (error instanceof WjfError && OF_A_ROW.includes(error.code)) return error;
  throw error;
}

export interface RowRefusal {
  readonly line: number;
  readonly code: string;
  readonly detail?: string | undefined;
}

/** More are in the results. */
const SHOWN = 100;

export function printRefusals(output: Output, refusals: readonly RowRefusal[]): void {
  if (refusals.length === 0) return;
  const rows = refusals
    .slice(0, SHOWN)
    .map(({ line, code, detail }) => [
      String(line),
      code,
      [detail, isErrorCode(code) ? errorEntry(code).next : undefined].filter(Boolean).join(". "),
    ]);
  output.line(table([["line", "refused because", "what to do"], ...rows]));
  if (refusals.length > SHOWN) output.line(`and ${refusals.length - SHOWN} more`);
}
