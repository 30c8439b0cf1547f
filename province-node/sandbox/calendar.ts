// Days as whole numbers since 1970-01-01 and their text. Sandbox time is Asia/Shanghai wall-clock time without zone,
// as in the operators' tables, so UTC arithmetic on it is exact.
import { z } from "zod";
import { parseWith } from "../../core/parse.ts";

const DAY_MS = 86_400_000;
const texts = new Map<number, string>();

/** YYYY-MM-DD. */
export function dayText(day: number): string {
  let text = texts.get(day);
  if (text === undefined) {
    text = new Date(day * DAY_MS).toISOString().slice(0, 10);
    texts.set(day, text);
  }
  return text;
}

/** @throws WjfError `config-invalid` unless the text is a YYYY-MM-DD date. */
export function parseDay(text: string): number {
  return Date.parse(parseWith(z.iso.date(), text, "config-invalid", "asof")) / DAY_MS;
}

const TWO = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, "0"));

/** YYYY-MM-DD HH:MM:SS. */
export function timeText(day: number, minute: number, second: number): string {
  const hour = Math.floor(minute / 60);
  return `${dayText(day)} ${TWO[hour]}:${TWO[minute - hour * 60]}:${TWO[second]}`;
}

/** The first day of the month that lies `monthsBack` whole months before the month of `day`. */
export function monthStart(day: number, monthsBack: number): number {
  const date = new Date(day * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - monthsBack, 1) / DAY_MS;
}
