// The oracle's calendar: days as whole numbers since 1970-01-01, months as year · 12 + month, seconds for times.
// Asia/Shanghai wall-clock time without zone, as in the operators' tables. Calendar arithmetic is Temporal's.

const DAY_MS = 86_400_000;
export const DAY_SECONDS = 86_400;

const days = new Map<string, number>();

/** From YYYY-MM-DD, whatever follows it. */
export function dayOf(text: string): number {
  const date = text.slice(0, 10);
  let day = days.get(date);
  if (day === undefined) {
    day = Temporal.PlainDate.from(date).since("1970-01-01", { largestUnit: "days" }).days;
    days.set(date, day);
  }
  return day;
}

/** From YYYY-MM-DD HH:MM:SS, in seconds; fractions are dropped. */
export function secondOf(text: string): number {
  const [hour = 0, minute = 0, second = 0] = text.slice(11, 19).split(":").map(Number);
  return dayOf(text) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
}

/** Year · 12 + month of a YYYY-MM…. */
export function monthOf(text: string): number {
  return Number(text.slice(0, 4)) * 12 + Number(text.slice(5, 7));
}

export function dayOfSecond(second: number): number {
  return Math.floor(second / DAY_SECONDS);
}

function dateOf(day: number): Temporal.PlainDate {
  return Temporal.PlainDate.from(new Date(day * DAY_MS).toISOString().slice(0, 10));
}

/**
 * Complete months from one day to another. Where the last month has no such day, its last day completes it
 * (Civil Code of the PRC, article 202).
 */
export function completeMonths(from: number, to: number): number {
  const start = dateOf(from);
  const end = dateOf(to);
  const months = (end.year - start.year) * 12 + end.month - start.month;
  return Temporal.PlainDate.compare(start.add({ months }), end) > 0 ? months - 1 : months;
}

/** Complete years from one day to another. */
export function completeYears(from: number, to: number): number {
  return Math.floor(completeMonths(from, to) / 12);
}
