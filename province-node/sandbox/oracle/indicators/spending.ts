// Telecom spending (CATALOGUE §3, 通信消费能力) from raw rows: bills, arrears, payments. Amounts to the fen.
import { maxOf, minOf, type NumberHistory, roundedShare, sumOf } from "../number-history.ts";
import type { RowOf } from "../raw-rows.ts";
import { ifAny, partsOf, type Reading, type Readings, unitsOf } from "./indicator-value.ts";

type Bill = RowOf<"bill">;
type Payment = RowOf<"payment">;

const FEN = 100;

/** Over the bills of a window: an amount in fen, as yuan. */
function billed(
  months: number,
  amount: (bills: readonly Bill[]) => number | null,
  before = 0,
): Reading {
  return (history) =>
    unitsOf(ifAny(history.lastMonths(history.all("bill"), months, before), amount), FEN);
}

function mean(part: (bill: Bill) => number) {
  return (bills: readonly Bill[]) => roundedShare(sumOf(bills.map(part)), bills.length);
}

const total = (bill: Bill): number => bill.totalFen;
const totals = (bills: readonly Bill[]): number[] => bills.map(total);

/** Months in arrears; unknown for a number that was never billed. */
function arrearsMonths(months: number): Reading {
  return (history) =>
    ifAny(
      history.all("bill"),
      (bills) =>
        history.lastMonths(bills, months).filter(({ arrearsFen }) => arrearsFen > 0).length,
    );
}

function highestArrears(bills: readonly Bill[]): number {
  return maxOf(bills.map(({ arrearsFen }) => arrearsFen));
}

function payments(history: NumberHistory, months = 12): Payment[] {
  return history.lastMonths(history.all("payment"), months);
}

function topUp(months: number): Reading {
  return (history) => sumOf(payments(history, months).map(({ amountFen }) => amountFen)) / FEN;
}

/** 100 · one / two of two amounts in yuan. */
function percent(one: string, two: string): Reading {
  return (_, other) => {
    const a = partsOf(other(one), FEN);
    const b = partsOf(other(two), FEN);
    return a === null || b === null ? null : roundedShare(100 * a, b);
  };
}

export const SPENDING: Readings = {
  "use.plan_fee": ({ subscriber }) => subscriber.planFeeFen / FEN,
  "use.spend_avg_3m": billed(3, mean(total)),
  "use.spend_avg_6m": billed(6, mean(total)),
  "use.spend_avg_12m": billed(12, mean(total)),
  "use.spend_avg_prev_3m": billed(3, mean(total), 3),
  "use.spend_last_month": billed(1, (bills) => maxOf(totals(bills))),
  "use.spend_max_12m": billed(12, (bills) => maxOf(totals(bills))),
  "use.spend_min_12m": billed(12, (bills) => minOf(totals(bills))),
  "use.spend_range_6m": billed(6, (bills) => maxOf(totals(bills)) - minOf(totals(bills))),
  "use.voice_avg_6m": billed(
    6,
    mean(({ voiceFen }) => voiceFen),
  ),
  "use.data_avg_6m": billed(
    6,
    mean(({ dataFen }) => dataFen),
  ),
  "use.value_added_avg_6m": billed(
    6,
    mean(({ valueAddedFen }) => valueAddedFen),
  ),
  "use.arrears_months_3m": arrearsMonths(3),
  "use.arrears_months_6m": arrearsMonths(6),
  "use.arrears_months_12m": arrearsMonths(12),
  "use.arrears_last_month": billed(1, highestArrears),
  "use.arrears_max_12m": billed(12, highestArrears),
  "use.months_since_arrears": (history) =>
    ifAny(history.all("bill"), (bills) => {
      const months = bills.filter(({ arrearsFen }) => arrearsFen > 0).map(({ month }) => month);
      return months.length === 0 ? 999 : history.asof.month - maxOf(months);
    }),
  "use.topup_1m": topUp(1),
  "use.topup_3m": topUp(3),
  "use.topup_6m": topUp(6),
  "use.topup_12m": topUp(12),
  "use.topup_max_12m": (history) =>
    ifAny(payments(history), (rows) => maxOf(rows.map(({ amountFen }) => amountFen)) / FEN),
  "use.on_time_share_12m": (history) => {
    const rows = payments(history);
    return roundedShare(100 * rows.filter(({ lateDays }) => lateDays === 0).length, rows.length);
  },
  "use.late_days_avg_12m": (history) => {
    const rows = payments(history);
    return unitsOf(roundedShare(10 * sumOf(rows.map(({ lateDays }) => lateDays)), rows.length), 10);
  },
  "use.late_days_max_12m": (history) =>
    ifAny(payments(history), (rows) => maxOf(rows.map(({ lateDays }) => lateDays))),
  "use.spend_trend": percent("use.spend_avg_3m", "use.spend_avg_prev_3m"),
  "use.spend_over_plan": percent("use.spend_avg_3m", "use.plan_fee"),
  "use.spend_spread": percent("use.spend_range_6m", "use.spend_avg_6m"),
  "use.data_share": percent("use.data_avg_6m", "use.spend_avg_6m"),
};
