// Identity (CATALOGUE §3, 身份特质) from raw rows: who the number stands under, and its SIM and devices.
import { completeMonths, completeYears } from "../dates.ts";
import { distinct, maxOf } from "../number-history.ts";
import { flag, ifAny, type Readings } from "./indicator-value.ts";

const STATUSES = ["active", "suspended_arrears", "suspended_voluntary", "closed"];

export const IDENTITY: Readings = {
  "id.real_name": ({ subscriber }) => flag(subscriber.realName),
  "id.age_years": ({ subscriber: { birthDay }, asof }) =>
    birthDay === null ? null : completeYears(birthDay, asof.day),
  "id.male": ({ subscriber: { gender } }) => (gender === null ? null : flag(gender === "male")),
  "id.tenure_months": ({ subscriber, asof }) => completeMonths(subscriber.activatedDay, asof.day),
  "id.status": ({ subscriber }) => STATUSES.indexOf(subscriber.status),
  "id.in_use": ({ subscriber }) => flag(subscriber.status === "active"),
  "id.numbers_under_id": ({ numbersUnderId }) => numbersUnderId,
  "id.home_city": ({ subscriber }) => subscriber.cityCode,
  "id.campus": ({ subscriber }) => flag(subscriber.campus),
  "id.recycled": (history) => flag(history.riskLists().includes("recycled")),
  "id.sim_changes_90d": (history) => history.lastDays(history.all("sim"), 90).length,
  "id.days_since_sim_change": (history) =>
    history.daysSince(history.all("sim").map(({ day }) => day)) ?? 9999,
  "id.devices_12m": (history) =>
    ifAny(history.all("device"), (devices) =>
      distinct(
        devices.filter(({ lastDay }) => lastDay >= history.asof.day - 365).map(({ imei }) => imei),
      ),
    ),
  // The present device is the one seen last; of several, the one that came last.
  "id.device_age_days": (history) =>
    ifAny(history.all("device"), (devices) => {
      const last = maxOf(devices.map(({ lastDay }) => lastDay));
      const present = devices.filter(({ lastDay }) => lastDay === last);
      return history.asof.day - maxOf(present.map(({ firstDay }) => firstDay));
    }),
  "id.young_number": ({ subscriber, asof }) =>
    flag(completeMonths(subscriber.activatedDay, asof.day) < 3),
};
