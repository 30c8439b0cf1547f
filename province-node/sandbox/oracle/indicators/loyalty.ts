// Loyalty (CATALOGUE §3, 忠诚度) from raw rows: bills, suspensions, contracts, how payments come.
import { distinct, type NumberHistory, roundedShare, sumOf } from "../number-history.ts";
import { flag, ifAny, type Reading, type Readings } from "./indicator-value.ts";

/** Months with a suspension; unknown for a number that was never billed. */
function suspensions(months: number): Reading {
  return (history) =>
    ifAny(
      history.all("bill"),
      (bills) =>
        history.lastMonths(bills, months).filter(({ suspendedDays }) => suspendedDays > 0).length,
    );
}

function paymentShare(history: NumberHistory, channel: string): number | null {
  const payments = history.lastMonths(history.all("payment"), 12);
  const through = payments.filter((payment) => payment.channel === channel);
  return roundedShare(100 * through.length, payments.length);
}

export const LOYALTY: Readings = {
  "loy.history_months": (history) => distinct(history.all("bill").map(({ month }) => month)),
  "loy.active_months_12m": (history) =>
    ifAny(
      history.all("bill"),
      (bills) => history.lastMonths(bills, 12).filter(({ totalFen }) => totalFen > 0).length,
    ),
  "loy.contract": ({ subscriber }) => flag(subscriber.contract !== "none"),
  "loy.broadband": ({ subscriber }) => flag(subscriber.contract === "broadband"),
  "loy.handset_contract": ({ subscriber }) => flag(subscriber.contract === "handset"),
  "loy.suspensions_3m": suspensions(3),
  "loy.suspensions_6m": suspensions(6),
  "loy.suspensions_12m": suspensions(12),
  "loy.suspended_days_12m": (history) =>
    ifAny(history.lastMonths(history.all("bill"), 12), (bills) =>
      sumOf(bills.map(({ suspendedDays }) => suspendedDays)),
    ),
  "loy.payments_12m": (history) => history.lastMonths(history.all("payment"), 12).length,
  "loy.auto_pay_share_12m": (history) => paymentShare(history, "auto"),
  "loy.online_pay_share_12m": (history) => paymentShare(history, "online"),
  "loy.days_since_payment": (history) =>
    history.daysSince(history.all("payment").map(({ day }) => day)) ?? null,
  // Adult life is taken as a year at least, and tenure before it counts.
  "loy.tenure_share": (_, other) => {
    const tenure = other("id.tenure_months");
    const age = other("id.age_years");
    if (tenure === null || age === null) return null;
    return roundedShare(100 * tenure, Math.max(12, (age - 18) * 12));
  },
  "loy.paid_months_share": (_, other) => {
    const active = other("loy.active_months_12m");
    const billed = other("loy.history_months");
    return active === null || billed === null
      ? null
      : roundedShare(100 * active, Math.min(12, billed));
  },
};
