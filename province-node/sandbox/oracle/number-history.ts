// All that one province's raw rows say about one number as of one day, and the windows that indicators look through.
// The as-of day itself is not complete: windows end with the day, or the month, before it.
import type { RawTableName } from "../../../catalogue/index.ts";
import { dayOf, monthOf } from "./dates.ts";
import { readTable, type RowOf, type Subscriber } from "./raw-rows.ts";

/** The day that is taken as today. */
export interface AsOf {
  readonly day: number;
  readonly month: number;
}

export function asOf(date: string): AsOf {
  return { day: dayOf(date), month: monthOf(date) };
}

/** How many of a person's numbers a province looks at (DESIGN §4). */
const MOST_NUMBERS = 5;

/** One province's folder; a table is read when something first asks for it. */
export class ProvinceRows {
  readonly #folder: string;
  readonly #tables = new Map<RawTableName, ReadonlyMap<string, readonly unknown[]>>();
  readonly #numbersOf = new Map<string, Subscriber[]>();
  readonly asof: AsOf;

  constructor(folder: string, asof: AsOf) {
    this.#folder = folder;
    this.asof = asof;
  }

  table<T extends RawTableName>(name: T): ReadonlyMap<string, readonly RowOf<T>[]> {
    let rows = this.#tables.get(name);
    if (rows === undefined) {
      rows = readTable(this.#folder, name);
      this.#tables.set(name, rows);
    }
    return rows as ReadonlyMap<string, readonly RowOf<T>[]>;
  }

  rows<T extends RawTableName>(name: T, number: string): readonly RowOf<T>[] {
    return this.table(name).get(number) ?? [];
  }

  /** Everybody's numbers, closed ones too. */
  subscribers(): Subscriber[] {
    return [...this.table("subscriber").values()].flat();
  }

  /** All subscriptions under an ID number, closed ones too: those in use first, then the oldest. */
  numbersUnder(cnId: string): readonly Subscriber[] {
    if (this.#numbersOf.size === 0) {
      for (const subscriber of this.subscribers()) {
        if (subscriber.cnId === null) continue;
        const own = this.#numbersOf.get(subscriber.cnId) ?? [];
        this.#numbersOf.set(subscriber.cnId, [...own, subscriber]);
      }
    }
    const idle = ({ status }: Subscriber): number => (status === "active" ? 0 : 1);
    return (this.#numbersOf.get(cnId) ?? []).toSorted(
      (a, b) =>
        idle(a) - idle(b) || a.activatedDay - b.activatedDay || (a.msisdn < b.msisdn ? -1 : 1),
    );
  }

  /** The histories that a question about this person is answered from; none where nobody is held. */
  histories(subject: { msisdn: string } | { cnId: string }): NumberHistory[] {
    const found =
      "msisdn" in subject
        ? this.rows("subscriber", subject.msisdn)
        : this.numbersUnder(subject.cnId).slice(0, MOST_NUMBERS);
    return found.map((subscriber) => new NumberHistory(this, subscriber));
  }
}

export class NumberHistory {
  readonly #province: ProvinceRows;
  readonly subscriber: Subscriber;
  readonly asof: AsOf;

  constructor(province: ProvinceRows, subscriber: Subscriber) {
    this.#province = province;
    this.subscriber = subscriber;
    this.asof = province.asof;
  }

  all<T extends RawTableName>(table: T): readonly RowOf<T>[] {
    return this.#province.rows(table, this.subscriber.msisdn);
  }

  /** The risk lists of this province that a number, this one unless told, stands on. */
  riskLists(number = this.subscriber.msisdn): readonly string[] {
    return this.#province.rows("risk_number", number);
  }

  /** Under the same ID number in the province, closed ones not counted; null without an ID number. */
  get numbersUnderId(): number | null {
    const { cnId } = this.subscriber;
    if (cnId === null) return null;
    return this.#province.numbersUnder(cnId).filter(({ status }) => status !== "closed").length;
  }

  /** Rows of so many days before the as-of day, or before so many days before it. */
  lastDays<Row extends { readonly day: number }>(
    rows: readonly Row[],
    days: number,
    before = 0,
  ): Row[] {
    const end = this.asof.day - before;
    return rows.filter(({ day }) => day >= end - days && day < end);
  }

  /** Rows of so many complete calendar months before the as-of month, or before so many months before it. */
  lastMonths<Row extends { readonly month: number }>(
    rows: readonly Row[],
    months: number,
    before = 0,
  ): Row[] {
    const end = this.asof.month - before;
    return rows.filter(({ month }) => month >= end - months && month < end);
  }

  /** Days from the latest of some days until the as-of day; undefined where there is none. */
  daysSince(days: readonly number[]): number | undefined {
    return days.length === 0 ? undefined : this.asof.day - maxOf(days);
  }
}

export function maxOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}

export function minOf(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** How many different values. */
export function distinct(values: readonly (string | number)[]): number {
  return new Set(values).size;
}

/** a / b to the nearest whole number, halves up; null where b is 0. For whole a ≥ 0 and b ≥ 0, exactly. */
export function roundedShare(a: number, b: number): number | null {
  if (b === 0) return null;
  const whole = Math.floor(a / b);
  return 2 * (a - whole * b) >= b ? whole + 1 : whole;
}
