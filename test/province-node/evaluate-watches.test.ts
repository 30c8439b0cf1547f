// Each of the 24 post-loan tests: crossed, back, and neither (the hysteresis between them), by hand from CATALOGUE §5.
import { expect, test } from "vitest";
import type { NumberRecord, Watch } from "../../catalogue/index.ts";
import { type Truth, testPredicate } from "../../province-node/evaluate/predicate.ts";
import { catalogue, fullList, key, productOf, record, SUBJECT_KEY } from "./evaluate-records.ts";

type Claim = Readonly<Record<string, string | number>>;

interface Case {
  readonly now: NumberRecord;
  readonly began?: NumberRecord;
  readonly claim?: Claim;
  readonly crossed: Truth;
  readonly back: Truth;
}

const { context } = productOf("credit-score@1");

function defaults(watch: Watch): Record<string, number> {
  return Object.fromEntries(
    Object.entries(watch.params).map(([id, { default: value }]) => [id, value as number]),
  );
}

const at = (values: Record<string, number>) => record({ values });
const CROSSED = { crossed: true, back: false };
const BACK = { crossed: false, back: true };
const BETWEEN = { crossed: false, back: false };
const CANNOT_TELL = { crossed: null, back: null };

/** One indicator: at its bad value, at its good one, and where there is one, between. */
function along(id: string, bad: number, good: number, between?: number): Case[] {
  return [
    { now: at({ [id]: bad }), ...CROSSED },
    { now: at({ [id]: good }), ...BACK },
    ...(between === undefined ? [] : [{ now: at({ [id]: between }), ...BETWEEN }]),
    { now: record({}), ...CANNOT_TELL },
  ];
}

/** Against the record kept when the watch began. */
function since(id: string, began: number, bad: number, good: number): Case[] {
  const kept = at({ [id]: began });
  return [
    { now: at({ [id]: bad }), began: kept, ...CROSSED },
    { now: at({ [id]: good }), began: kept, ...BACK },
    { now: record({}), began: kept, ...CANNOT_TELL },
    { now: at({ [id]: bad }), ...CANNOT_TELL },
  ];
}

/** Down by half (the default) against an earlier level; back within 40 percent of it. */
function down(id: string, levelId: string, level: number): Case[] {
  const pair = (now: number) => at({ [id]: now, [levelId]: level });
  return [
    { now: pair(level * 0.5), ...CROSSED },
    { now: pair(level * 0.55), ...BETWEEN },
    { now: pair(level * 0.6), ...BACK },
    { now: at({ [id]: level }), ...CANNOT_TELL },
  ];
}

const district = { district_code: 310101 };
const there = (days_7: number) => record({ lists: { districts: [{ key: 310101, days_7 }] } });
// As the claims schema leaves it: normalised.
const emergency = { contact_msisdn: "+8613700137000" };
const spoken = (days_since: number) =>
  record({ lists: { contacts: [{ key: key("msisdn", "13700137000"), days_since }] } });
const collection = (messages: number, calls: number) =>
  at({ "val.collection_messages_30d": messages, "net.collection_calls_30d": calls });
const risky = (now: number, before: number) =>
  at({ "val.risky_apps_30d": now, "val.risky_apps_prev_30d": before });
/** Scores by the plan: everything else is unknown. 60 months of history, so that there is a score at all. */
const scored = (extra: Record<string, number>) => at({ "loy.history_months": 60, ...extra });
const GOOD = {
  "id.tenure_months": 120,
  "id.real_name": 1,
  "use.spend_avg_6m": 200,
  "use.arrears_months_12m": 0,
  "use.on_time_share_12m": 100,
  "asset.device_price": 8000,
  "asset.finance_days_90d": 40,
  "online.shopping_days_30d": 20,
  "val.gambling_days_90d": 0,
  "val.loan_apps_30d": 0,
  "val.collection_messages_90d": 0,
};

const CASES: Readonly<Record<string, readonly Case[]>> = {
  "watch.closed": along("id.status", 3, 0),
  "watch.suspended_arrears": along("id.status", 1, 0, 2),
  "watch.suspended_voluntary": along("id.status", 2, 0, 1),
  "watch.sim_changed": along("id.days_since_sim_change", 7, 8),
  "watch.device_changed": [
    { now: at({ "id.device_age_days": 7, "id.devices_12m": 2 }), ...CROSSED },
    { now: at({ "id.device_age_days": 8, "id.devices_12m": 2 }), ...BACK },
    // The first device of a new number is no change.
    { now: at({ "id.device_age_days": 1, "id.devices_12m": 1 }), ...BACK },
    { now: record({}), ...CANNOT_TELL },
  ],
  "watch.switched_off": along("net.days_since_active", 7, 1, 6),
  "watch.transferred": [
    {
      now: at({ "id.tenure_months": 2, "id.recycled": 0 }),
      began: at({ "id.tenure_months": 30, "id.recycled": 0 }),
      ...CROSSED,
    },
    {
      now: at({ "id.tenure_months": 31, "id.recycled": 1 }),
      began: at({ "id.tenure_months": 30, "id.recycled": 0 }),
      ...CROSSED,
    },
    {
      now: at({ "id.tenure_months": 31, "id.recycled": 1 }),
      began: at({ "id.tenure_months": 30, "id.recycled": 1 }),
      ...BACK,
    },
  ],
  "watch.forwarded": along("net.forwarded_share_7d", 80, 39, 40),
  "watch.left_city": along("loc.days_since_usual_city", 7, 2, 3),
  "watch.new_city": since("loc.resident_city", 510100, 440300, 510100),
  "watch.work_changed": since("loc.work_district_30d", 510107, 510104, 510107),
  "watch.home_changed": since("loc.home_district_30d", 510107, 510104, 510107),
  "watch.abroad": along("loc.days_since_abroad", 3, 4),
  "watch.out_of_sight": along("loc.days_since_seen", 5, 1, 2),
  "watch.high_risk_area": [
    { now: there(1), claim: district, ...CROSSED },
    { now: there(0), claim: district, ...BACK },
    { now: record({ lists: { districts: [] } }), claim: district, ...BACK },
    {
      now: record({ lists: { districts: fullList("districts", { days_7: 0, days_60: 1 }) } }),
      claim: district,
      ...CANNOT_TELL,
    },
    { now: record({}), claim: district, ...CANNOT_TELL },
  ],
  "watch.calls_down": [
    ...down("net.calls_out_30d", "net.calls_out_prev_30d", 40),
    // Too few calls before to fall from.
    { now: at({ "net.calls_out_30d": 0, "net.calls_out_prev_30d": 4 }), ...BETWEEN },
  ],
  "watch.circle_shrank": down("net.circle_30d", "net.circle_prev_30d", 20),
  "watch.collection_up": [
    { now: collection(2, 2), began: collection(1, 0), ...CROSSED },
    { now: collection(2, 1), began: collection(1, 0), ...BETWEEN },
    { now: collection(0, 1), began: collection(1, 0), ...BACK },
    { now: collection(9, 9), ...CANNOT_TELL },
  ],
  "watch.contact_silent": [
    { now: spoken(30), claim: emergency, ...CROSSED },
    { now: spoken(29), claim: emergency, ...BACK },
    { now: record({ lists: { contacts: [] } }), claim: emergency, ...CROSSED },
    // Somebody who speaks with more people than are kept: the contact may have been called yesterday.
    {
      now: record({ lists: { contacts: fullList("contacts", { calls_180: 3, days_since: 9 }) } }),
      claim: emergency,
      ...CANNOT_TELL,
    },
    { now: record({}), claim: emergency, ...CANNOT_TELL },
  ],
  "watch.arrears": along("use.arrears_last_month", 0.01, 0),
  "watch.spending_down": down("use.spend_last_month", "use.spend_avg_6m", 100),
  "watch.plan_down": since("use.plan_fee", 59, 58.99, 59),
  "watch.risky_apps_up": [
    { now: risky(3, 1), ...CROSSED },
    { now: risky(2, 1), ...BETWEEN },
    { now: risky(1, 1), ...BACK },
    { now: record({}), ...CANNOT_TELL },
  ],
  "watch.score_fell": [
    { now: scored({}), began: scored(GOOD), ...CROSSED },
    { now: scored(GOOD), began: scored(GOOD), ...BACK },
    // Gambling on a day costs 18 points, on five days 36: under half of 40, and between.
    { now: scored({ ...GOOD, "val.gambling_days_90d": 1 }), began: scored(GOOD), ...BACK },
    { now: scored({ ...GOOD, "val.gambling_days_90d": 5 }), began: scored(GOOD), ...BETWEEN },
    { now: at(GOOD), began: scored(GOOD), ...CANNOT_TELL },
  ],
};

test("no watch is left out", () => {
  expect(Object.keys(CASES)).toEqual([...catalogue.watches.keys()]);
});

test.each(Object.entries(CASES))("%s", (id, cases) => {
  const watch = catalogue.watches.get(id);
  if (watch === undefined) throw new Error(`no ${id}`);
  cases.forEach(({ now, began, claim = {}, crossed, back }, i) => {
    const subject = {
      record: now,
      context,
      subjectKey: SUBJECT_KEY,
      params: defaults(watch),
      claim,
      ...(began === undefined ? {} : { baseline: began }),
    };
    expect(testPredicate(watch.crossed, subject), `case ${i}: crossed`).toBe(crossed);
    expect(testPredicate(watch.back, subject), `case ${i}: back`).toBe(back);
  });
});
