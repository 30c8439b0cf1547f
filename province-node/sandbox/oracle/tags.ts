// The tags of the twelve classes and the customer segments (CATALOGUE §3, §6) over one number, by what they mean.
// A tag whose indicator is not known does not hold.
import type { NumberReading } from "./number-reading.ts";
import { creditScore } from "./model-score.ts";

type Holds = (number: NumberReading) => boolean;

function is(indicator: string, test: (value: number) => boolean): Holds {
  return (number) => {
    const value = number.value(indicator);
    return value !== null && test(value);
  };
}

const atLeast = (indicator: string, least: number): Holds => is(indicator, (v) => v >= least);
const under = (indicator: string, bound: number): Holds => is(indicator, (v) => v < bound);
const atMost = (indicator: string, most: number): Holds => is(indicator, (v) => v <= most);
const over = (indicator: string, bound: number): Holds => is(indicator, (v) => v > bound);
const equals = (indicator: string, value: number): Holds => is(indicator, (v) => v === value);
const from = (indicator: string, least: number, below: number): Holds =>
  is(indicator, (v) => v >= least && v < below);
const either =
  (...tests: readonly Holds[]): Holds =>
  (number) =>
    tests.some((test) => test(number));
const both =
  (...tests: readonly Holds[]): Holds =>
  (number) =>
    tests.every((test) => test(number));

const PERSON: Readonly<Record<string, Holds>> = {
  male: equals("id.male", 1),
  female: equals("id.male", 0),
  "age-18-24": from("id.age_years", 18, 25),
  "age-25-34": from("id.age_years", 25, 35),
  "age-35-49": from("id.age_years", 35, 50),
  "age-50-plus": atLeast("id.age_years", 50),
  student: ({ history }) => history.subscriber.campus,
  "real-name": ({ history }) => history.subscriber.realName,
  "new-user": under("id.tenure_months", 6),
  "growing-user": from("id.tenure_months", 6, 24),
  "mature-user": from("id.tenure_months", 24, 60),
  "loyal-user": atLeast("id.tenure_months", 60),
  "dormant-user": under("net.active_days_30d", 5),
  suspended: ({ history }) => history.subscriber.status.startsWith("suspended"),
  closed: ({ history }) => history.subscriber.status === "closed",
  "in-contract": ({ history }) => history.subscriber.contract !== "none",
};

const MONEY: Readonly<Record<string, Holds>> = {
  "spend-low": under("use.spend_avg_6m", 40),
  "spend-middle": from("use.spend_avg_6m", 40, 100),
  "spend-high": atLeast("use.spend_avg_6m", 100),
  "spend-rising": atLeast("use.spend_trend", 120),
  "spend-falling": atMost("use.spend_trend", 80),
  "over-plan": atLeast("use.spend_over_plan", 150),
  "data-heavy": atLeast("use.data_share", 60),
  "pays-on-time": atLeast("use.on_time_share_12m", 95),
  "pays-late": under("use.on_time_share_12m", 70),
  "auto-pay": atLeast("loy.auto_pay_share_12m", 50),
  "in-arrears": over("use.arrears_last_month", 0),
  "arrears-often": atLeast("use.arrears_months_12m", 3),
  "never-in-arrears": equals("use.arrears_months_12m", 0),
  "suspended-often": atLeast("loy.suspensions_12m", 3),
};

const DEVICE: Readonly<Record<string, Holds>> = {
  "device-low": under("asset.device_price", 1500),
  "device-middle": from("asset.device_price", 1500, 4000),
  "device-high": atLeast("asset.device_price", 4000),
  "device-new": under("id.device_age_days", 90),
  "device-old": atLeast("id.device_age_days", 3 * 365),
  "device-hopper": atLeast("id.devices_12m", 3),
};

const CONTACT: Readonly<Record<string, Holds>> = {
  "calls-many": over("net.call_minutes_30d", 300),
  "calls-few": under("net.call_minutes_30d", 30),
  "mostly-outgoing": atLeast("net.out_share", 70),
  "mostly-incoming": atMost("net.out_share", 30),
  "night-caller": atLeast("net.night_calls_30d", 5),
  "calls-forwarded": atLeast("net.forwarded_share_7d", 50),
  "short-calls": under("net.call_seconds_avg_30d", 60),
  "messages-many": atLeast("net.person_messages_30d", 10),
  "messages-none": equals("net.person_messages_30d", 0),
  "bank-messages": atLeast("asset.bank_messages_90d", 1),
  "several-banks": atLeast("asset.banks_90d", 3),
  "merchant-messages": atLeast("online.merchant_messages_90d", 20),
  "loan-messages": atLeast("val.loan_messages_90d", 5),
  "collection-messages": atLeast("val.collection_messages_90d", 1),
  "circle-large": atLeast("net.circle_90d", 40),
  "circle-middle": from("net.circle_90d", 15, 40),
  "circle-small": under("net.circle_90d", 15),
  "circle-steady": atLeast("net.mutual_share", 60),
  "circle-growing": atLeast("net.new_contacts_30d", 10),
  "one-contact": atLeast("net.top_contact_share_90d", 50),
};

const PLACE: Readonly<Record<string, Holds>> = {
  local: equals("loc.lives_in_number_city", 1),
  "away-from-number-city": equals("loc.lives_in_number_city", 0),
  "moved-lately": equals("loc.moved_city", 1),
  "settled-home": atLeast("loc.home_night_share", 85),
  traveller: atLeast("loc.cities_30d", 3),
  "abroad-lately": atLeast("loc.abroad_trips_12m", 1),
  "regular-work-place": both(atLeast("loc.work_share", 80), atLeast("loc.work_minutes_30d", 4800)),
};

const ONLINE: Readonly<Record<string, Holds>> = {
  "online-heavy": atLeast("online.app_minutes_30d", 30 * 180),
  "online-light": under("online.app_minutes_30d", 30 * 30),
  shopper: atLeast("online.shopping_days_30d", 10),
  "video-viewer": atLeast("online.video_minutes_30d", 600),
  gamer: atLeast("online.game_minutes_30d", 300),
  socialiser: atLeast("online.social_days_30d", 20),
  "ride-hailer": atLeast("online.transport_days_30d", 10),
  searcher: atLeast("online.searches_30d", 30),
  "finance-content": atLeast("asset.finance_days_90d", 20),
  "education-content": atLeast("val.education_days_90d", 10),
  "reading-content": atLeast("val.reading_days_90d", 10),
  "news-content": atLeast("val.news_days_90d", 10),
  "health-content": atLeast("val.health_days_90d", 10),
  "travel-content": atLeast("online.travel_days_90d", 10),
  "house-content": atLeast("asset.house_days_90d", 5),
  "car-content": atLeast("asset.car_days_90d", 5),
  "charity-content": atLeast("val.charity_days_90d", 3),
};

function onList(...lists: readonly string[]): Holds {
  return ({ history }) => history.riskLists().some((list) => lists.includes(list));
}

const RISK: Readonly<Record<string, Holds>> = {
  gambling: atLeast("val.gambling_days_90d", 1),
  "loan-apps": atLeast("val.loan_apps_30d", 2),
  "collection-contact": either(
    atLeast("val.collection_messages_90d", 3),
    atLeast("net.collection_calls_90d", 1),
  ),
  "risk-contacts": atLeast("net.risk_contacts_90d", 3),
  "risk-listed": onList("fraud", "blacklist", "collection"),
  "many-numbers": atLeast("id.numbers_under_id", 5),
  "recycled-number": onList("recycled"),
  "burst-caller": atLeast("net.strangers_out_30d", 60),
};

const SEGMENTS: Readonly<Record<string, Holds>> = {
  "high-credit": (number) => (creditScore(number) ?? 0) >= 720,
  "low-credit": (number) => (creditScore(number) ?? Infinity) < 560,
  "at-risk": either(
    atLeast("use.arrears_months_3m", 2),
    atLeast("val.collection_messages_90d", 6),
    atLeast("val.loan_apps_30d", 3),
    ({ history }) => history.subscriber.status === "suspended_arrears",
  ),
  blacklisted: onList("fraud", "blacklist"),
};

/** By tag id. */
export const TAGS: Readonly<Record<string, Holds>> = {
  ...PERSON,
  ...MONEY,
  ...DEVICE,
  ...CONTACT,
  ...PLACE,
  ...ONLINE,
  ...RISK,
  ...SEGMENTS,
};

export function hasTag(number: NumberReading, tag: string): boolean {
  const holds = TAGS[tag];
  if (holds === undefined) throw new TypeError(`the oracle does not know the tag ${tag}`);
  return holds(number);
}
