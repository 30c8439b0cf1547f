// The 33 verification indicators (CATALOGUE §2, 信息查验) over one number, by what they mean. Yes, no, or null where the
// province's rows do not say.
import {
  appDays,
  callsWith,
  contentDays,
  daysInCity,
  daysSinceCall,
  daysSinceProvince,
  hoursSinceCity,
  type Often,
  pageViews,
  rankOf,
  searches,
} from "./habits.ts";
import type { NumberReading } from "./number-reading.ts";
import { nationalNumber } from "./raw-rows.ts";

export type Truth = boolean | null;

/** One check as an institution writes it. */
export interface AskedCheck {
  readonly indicator: string;
  readonly params?: Readonly<Record<string, number>>;
  readonly claim?: Readonly<Record<string, string | number>>;
}

class Asked {
  readonly #check: AskedCheck;

  constructor(check: AskedCheck) {
    this.#check = check;
  }

  number(param: string, otherwise?: number): number {
    const value = this.#check.params?.[param] ?? otherwise;
    if (value === undefined) throw new TypeError(`${this.#check.indicator} needs ${param}`);
    return value;
  }

  claimed(field: string): string {
    const value = this.#check.claim?.[field];
    if (value === undefined) throw new TypeError(`${this.#check.indicator} needs ${field}`);
    return String(value);
  }

  code(field: string): number {
    return Number(this.claimed(field));
  }
}

type Verify = (number: NumberReading, asked: Asked) => Truth;

/** False as soon as one is; not known if one is not. */
export function everyTruth(truths: readonly Truth[]): Truth {
  if (truths.some((truth) => truth === false)) return false;
  return truths.every((truth) => truth === true) ? true : null;
}

function known(value: number | null, holds: (value: number) => boolean): Truth {
  return value === null ? null : holds(value);
}

/** So often at least: not known where it is neither sure nor out of the question. */
function reaches({ least, most }: Often, times: number): Truth {
  if (least >= times) return true;
  return most < times ? false : null;
}

function atLeast(indicator: string, param: string): Verify {
  return (number, asked) => known(number.value(indicator), (value) => value >= asked.number(param));
}

function atMost(indicator: string, param: string): Verify {
  return (number, asked) => known(number.value(indicator), (value) => value <= asked.number(param));
}

/** The code that an indicator gives is the claimed one. */
function isClaimed(indicator: string, field: string): Verify {
  return (number, asked) => known(number.value(indicator), (code) => code === asked.code(field));
}

function plainName(name: string): string {
  return name
    .normalize("NFKC")
    .replace(/[\s·•.]/g, "")
    .toLowerCase();
}

const sameNumber: Verify = ({ history }, asked) =>
  history.subscriber.msisdn === nationalNumber(asked.claimed("msisdn"));

const sameName: Verify = ({ history: { subscriber } }, asked) =>
  subscriber.name === null ? null : plainName(subscriber.name) === plainName(asked.claimed("name"));

const sameId: Verify = ({ history: { subscriber } }, asked) =>
  subscriber.cnId === null
    ? null
    : subscriber.cnId === asked.claimed("cn_id_number").trim().toUpperCase();

function together(...parts: readonly Verify[]): Verify {
  return (number, asked) => everyTruth(parts.map((part) => part(number, asked)));
}

const IDENTITY: Readonly<Record<string, Verify>> = {
  "id.three_elements": together(sameNumber, sameName, sameId),
  "id.number_idno": together(sameNumber, sameId),
  "id.number_name": together(sameNumber, sameName),
  "id.real_name": ({ history }) => history.subscriber.realName,
  "id.tenure_at_least": atLeast("id.tenure_months", "months"),
  "id.in_normal_use": ({ history }) => history.subscriber.status === "active",
  "id.age_at_least": atLeast("id.age_years", "years"),
  "id.numbers_under_id_at_most": atMost("id.numbers_under_id", "n"),
};

const CONSUMPTION: Readonly<Record<string, Verify>> = {
  "use.monthly_spend_at_least": (number, asked) =>
    known(
      number.value(`use.spend_avg_${asked.number("months", 3)}m`),
      (yuan) => yuan >= asked.number("yuan"),
    ),
  "use.no_arrears": (number, asked) =>
    known(number.value("use.months_since_arrears"), (since) => since > asked.number("months")),
  "use.suspensions_at_most": (number, asked) =>
    known(
      number.value(`loy.suspensions_${asked.number("months", 12)}m`),
      (months) => months <= asked.number("n"),
    ),
  "use.plan_fee_at_least": atLeast("use.plan_fee", "yuan"),
  "use.pays_on_time": atLeast("use.on_time_share_12m", "share"),
  "use.topup_at_least": (number, asked) =>
    known(
      number.value(`use.topup_${asked.number("months", 3)}m`),
      (yuan) => yuan >= asked.number("yuan"),
    ),
};

const LOCATION: Readonly<Record<string, Verify>> = {
  "loc.number_city": isClaimed("id.home_city", "city_code"),
  "loc.resident_city": isClaimed("loc.resident_city", "city_code"),
  "loc.work_place": isClaimed("loc.work_district", "district_code"),
  "loc.home_place": isClaimed("loc.home_district", "district_code"),
  "loc.current_city": (number, asked) =>
    known(
      hoursSinceCity(number, asked.code("city_code")),
      (hours) => hours <= asked.number("hours"),
    ),
  "loc.days_in_city_at_least": (number, asked) =>
    reaches(daysInCity(number, asked.code("city_code")), asked.number("days")),
  "loc.visited_province": (number, asked) =>
    (daysSinceProvince(number, asked.code("province_code")) ?? Infinity) <= asked.number("days"),
  "loc.roamed_abroad": (number, asked) =>
    known(number.value("loc.days_since_abroad"), (days) => days <= 30 * asked.number("months")),
};

const SOCIAL: Readonly<Record<string, Verify>> = {
  "net.is_contact": (number, asked) =>
    reaches(callsWith(number, asked.claimed("contact_msisdn")), 1),
  "net.contact_calls_at_least": (number, asked) =>
    reaches(
      callsWith(number, asked.claimed("contact_msisdn"), asked.number("days", 90)),
      asked.number("n"),
    ),
  "net.contact_within": (number, asked) =>
    known(
      daysSinceCall(number, asked.claimed("contact_msisdn")),
      (since) => since <= asked.number("days"),
    ),
  "net.contact_in_top": (number, asked) =>
    rankOf(number, asked.claimed("contact_msisdn")) <= asked.number("k"),
  "net.circle_at_least": atLeast("net.circle_90d", "n"),
  "net.active_days_at_least": atLeast("net.active_days_30d", "days"),
};

const INTEREST: Readonly<Record<string, Verify>> = {
  "web.app_used": (number, asked) =>
    reaches(
      appDays(number, asked.claimed("app"), asked.number("window", 30)),
      asked.number("days"),
    ),
  "web.domain_visited": (number, asked) =>
    reaches(
      pageViews(number, asked.claimed("domain"), asked.number("window", 30)),
      asked.number("views"),
    ),
  "web.keyword_searched": (number, asked) =>
    reaches(
      searches(number, asked.claimed("keyword"), asked.number("window", 30)),
      asked.number("times"),
    ),
  "web.category_at_least": (number, asked) =>
    contentDays(number, asked.claimed("category"), asked.number("window", 30)) >=
    asked.number("days"),
  "web.no_gambling": (number, asked) =>
    (
      ["val.days_since_gambling", "val.days_since_gambling_web", "val.days_since_loan"] as const
    ).every((indicator) => (number.value(indicator) ?? Infinity) > asked.number("days")),
};

/** By verification id. */
export const VERIFICATIONS: Readonly<Record<string, Verify>> = {
  ...IDENTITY,
  ...CONSUMPTION,
  ...LOCATION,
  ...SOCIAL,
  ...INTEREST,
};

export function verify(number: NumberReading, check: AskedCheck): Truth {
  const verification = VERIFICATIONS[check.indicator];
  if (verification === undefined) {
    throw new TypeError(`the oracle does not know the verification ${check.indicator}`);
  }
  return verification(number, new Asked(check));
}
