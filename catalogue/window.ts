// Writes a declaration's `{window}` and `{asof}` out as DuckDB SQL, so that the window which is documented and the
// window which is computed are one and the same. The as-of day is the session variable `asof` (a DATE).
import { WjfError } from "../core/errors.ts";
import type { Window } from "./indicator.ts";

const ASOF = "getvariable('asof')";

/** `sql` with its placeholders written out. @throws WjfError `data-invalid`, naming `what`. */
export function expandSql(
  sql: string,
  window: Window | undefined,
  time: string | undefined,
  what: string,
): string {
  const expanded = sql.replaceAll("{asof}", ASOF);
  if (!expanded.includes("{window}")) return expanded;
  if (window === undefined || typeof window === "string") {
    throw new WjfError("data-invalid", `${what}.window: {window} needs days or months`);
  }
  if (time === undefined) {
    throw new WjfError(
      "data-invalid",
      `${what}.from: {window} needs a relation with a time column`,
    );
  }
  return expanded.replaceAll("{window}", windowPredicate(window, `"${time}"`));
}

function windowPredicate(window: Exclude<Window, string>, column: string): string {
  const [from, until] = "days" in window ? dayBounds(window) : monthBounds(window);
  return `(${column} >= ${from} AND ${column} < ${until})`;
}

function dayBounds(window: { days: number; before?: number | undefined }): [string, string] {
  const end = -(window.before ?? 0);
  return [dayOffset(end - window.days), dayOffset(end)];
}

function dayOffset(days: number): string {
  if (days === 0) return ASOF;
  return `(${ASOF} - ${-days})`;
}

function monthBounds(window: { months: number; before?: number | undefined }): [string, string] {
  const before = window.before ?? 0;
  return [monthOffset(before + window.months), monthOffset(before)];
}

function monthOffset(months: number): string {
  return `(date_trunc('month', ${ASOF}) - INTERVAL ${months} MONTH)`;
}
