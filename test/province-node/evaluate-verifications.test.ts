// Each of the 33 verifications at its edges: yes, no, unknown. The expectations are written by hand from CATALOGUE §2.
import { expect, test } from "vitest";
import type { NumberRecord } from "../../catalogue/index.ts";
import { evaluateItem } from "../../province-node/evaluate.ts";
import {
  catalogue,
  ENVIRONMENT,
  fullList,
  key,
  OWN,
  productOf,
  record,
} from "./evaluate-records.ts";

type Answer = "yes" | "no" | "unknown";
type Params = Readonly<Record<string, number>>;
type Claim = Readonly<Record<string, string | number>>;
type Case = readonly [Answer, NumberRecord, Params?, Claim?];

const verification = productOf("verification@1");

function ask(
  indicator: string,
  holder: NumberRecord,
  params: Params = {},
  claim: Claim = {},
): Answer {
  const claims = { checks: [{ indicator, params, claim }] };
  const [fault, known, match] = evaluateItem(
    verification,
    { numbers: [holder] },
    claims,
    ENVIRONMENT,
  );
  expect(fault, "the claims fit").toBe(0);
  if (known === 0) return "unknown";
  return match === 1 ? "yes" : "no";
}

const NOTHING = record({});
const NAMELESS = record({ identity: { cnId: null, name: null } });
const OTHER_NAME = { ...OWN, name: "李娜" };
const OTHER_ID = { ...OWN, cn_id_number: "440524188001010014" };
const { msisdn, name, cn_id_number } = OWN;

const having = (values: Record<string, number>) => record({ values });

/** One indicator against one parameter: at the bound, on its wrong side, and not known. */
function bound(id: string, param: string, at: number, wrong: number, fixed: Params = {}): Case[] {
  const params = { ...fixed, [param]: Math.floor(at) };
  return [
    ["yes", having({ [id]: at }), params],
    ["no", having({ [id]: wrong }), params],
    ["unknown", NOTHING, params],
  ];
}

function place(id: string, field: string, here: number, elsewhere: number): Case[] {
  return [
    ["yes", having({ [id]: here }), {}, { [field]: here }],
    ["no", having({ [id]: elsewhere }), {}, { [field]: here }],
    ["unknown", NOTHING, {}, { [field]: here }],
  ];
}

const PEER = "+86 139 0013 9000";
const peer = { contact_msisdn: PEER };
const circle = record({
  lists: {
    contacts: [
      { key: key("msisdn", "13700137000"), calls_30: 9, calls_90: 9, calls_180: 90, days_since: 1 },
      { key: key("msisdn", PEER), calls_30: 2, calls_90: 5, calls_180: 11, days_since: 12 },
    ],
  },
});
const stranger = record({ lists: { contacts: [] } });
const online = record({
  lists: {
    apps: [{ key: key("app", "weixin"), days_30: 20, days_90: 61, minutes_30: 900 }],
    domains: [{ key: key("domain", "example.cn"), views_30: 3, views_90: 10, days_30: 2 }],
    keywords: [{ key: key("keyword", "房贷 利率"), count_30: 1, count_90: 4 }],
    categories: [{ key: "finance", days_30: 12, days_90: 30 }],
  },
});
const offline = record({ lists: { apps: [], domains: [], keywords: [], categories: [] } });
const travelled = record({
  lists: {
    cities: [{ key: 510100, days_30: 28, hours_since: 12 }],
    provinces: [{ key: 44, days_180: 3, days_since: 40 }],
  },
});
/** Every list full: who or what is asked for has no row, and may have lost it. */
const crowded = record({
  lists: {
    contacts: fullList("contacts", { calls_30: 3, calls_90: 3, calls_180: 3, days_since: 2 }),
    apps: fullList("apps", { days_30: 2, days_90: 4 }),
    domains: fullList("domains", { views_30: 5, views_90: 5, days_30: 1 }),
    keywords: fullList("keywords", { count_30: 1, count_90: 2 }),
    categories: fullList("categories", { days_30: 1, days_90: 3 }),
    cities: fullList("cities", { days_30: 2, hours_since: 40 }),
    provinces: fullList("provinces", { days_180: 1, days_since: 9 }),
  },
});
const clean = {
  "val.days_since_gambling": 91,
  "val.days_since_gambling_web": 9999,
  "val.days_since_loan": 9999,
};

const CASES: Readonly<Record<string, readonly Case[]>> = {
  "id.three_elements": [
    ["yes", NOTHING, {}, OWN],
    [
      "yes",
      NOTHING,
      {},
      { msisdn: "138-0013-8000", name: " 王 伟", cn_id_number: "11010519491231002x" },
    ],
    ["no", NOTHING, {}, OTHER_NAME],
    ["no", NOTHING, {}, OTHER_ID],
    ["no", NOTHING, {}, { ...OWN, msisdn: "13900139000" }],
    ["unknown", NAMELESS, {}, OWN],
    ["no", NAMELESS, {}, { ...OWN, msisdn: "13900139000" }],
  ],
  "id.number_idno": [
    ["yes", NOTHING, {}, { msisdn, cn_id_number }],
    ["no", NOTHING, {}, { msisdn, cn_id_number: OTHER_ID.cn_id_number }],
    ["unknown", NAMELESS, {}, { msisdn, cn_id_number }],
  ],
  "id.number_name": [
    ["yes", NOTHING, {}, { msisdn, name }],
    ["no", NOTHING, {}, { msisdn, name: "李娜" }],
    ["unknown", NAMELESS, {}, { msisdn, name }],
  ],
  "id.real_name": [
    ["yes", having({ "id.real_name": 1 })],
    ["no", having({ "id.real_name": 0 })],
    ["unknown", NOTHING],
  ],
  "id.tenure_at_least": bound("id.tenure_months", "months", 24, 23),
  "id.in_normal_use": [
    ["yes", having({ "id.in_use": 1 })],
    ["no", having({ "id.in_use": 0 })],
    ["unknown", NOTHING],
  ],
  "id.age_at_least": bound("id.age_years", "years", 18, 17),
  "id.numbers_under_id_at_most": bound("id.numbers_under_id", "n", 4, 5),
  "use.monthly_spend_at_least": [
    ...bound("use.spend_avg_3m", "yuan", 100, 99.99, { months: 3 }),
    ...bound("use.spend_avg_6m", "yuan", 100.01, 99.99, { months: 6 }),
    ["unknown", having({ "use.spend_avg_3m": 500 }), { yuan: 100, months: 6 }],
  ],
  "use.no_arrears": [
    ["yes", having({ "use.months_since_arrears": 7 }), { months: 6 }],
    ["no", having({ "use.months_since_arrears": 6 }), { months: 6 }],
    ["unknown", NOTHING, { months: 6 }],
  ],
  "use.suspensions_at_most": [
    ...bound("loy.suspensions_3m", "n", 1, 2, { months: 3 }),
    ...bound("loy.suspensions_6m", "n", 0, 1, { months: 6 }),
    ...bound("loy.suspensions_12m", "n", 2, 3),
  ],
  "use.plan_fee_at_least": bound("use.plan_fee", "yuan", 59, 58.99),
  "use.pays_on_time": bound("use.on_time_share_12m", "share", 95, 94),
  "use.topup_at_least": [1, 3, 6, 12].flatMap((months) =>
    bound(`use.topup_${months}m`, "yuan", 50, 49.99, { months }),
  ),
  "loc.number_city": place("id.home_city", "city_code", 510100, 510700),
  "loc.resident_city": place("loc.resident_city", "city_code", 510100, 440300),
  "loc.work_place": place("loc.work_district", "district_code", 510107, 510104),
  "loc.home_place": place("loc.home_district", "district_code", 510107, 510104),
  "loc.current_city": [
    ["yes", travelled, { hours: 12 }, { city_code: 510100 }],
    ["no", travelled, { hours: 11 }, { city_code: 510100 }],
    ["no", travelled, { hours: 168 }, { city_code: 440300 }],
    ["unknown", NOTHING, { hours: 12 }, { city_code: 510100 }],
    ["unknown", crowded, { hours: 168 }, { city_code: 510100 }],
  ],
  "loc.days_in_city_at_least": [
    ["yes", travelled, { days: 28 }, { city_code: 510100 }],
    ["no", travelled, { days: 29 }, { city_code: 510100 }],
    ["no", travelled, { days: 1 }, { city_code: 440300 }],
    ["unknown", NOTHING, { days: 1 }, { city_code: 510100 }],
    // The last of the kept cities saw two days: another one no more.
    ["unknown", crowded, { days: 2 }, { city_code: 510100 }],
    ["no", crowded, { days: 3 }, { city_code: 510100 }],
  ],
  "loc.visited_province": [
    ["yes", travelled, { days: 40 }, { province_code: 44 }],
    ["no", travelled, { days: 39 }, { province_code: 44 }],
    ["no", travelled, { days: 180 }, { province_code: 11 }],
    ["unknown", NOTHING, { days: 180 }, { province_code: 44 }],
    ["unknown", crowded, { days: 180 }, { province_code: 44 }],
  ],
  "loc.roamed_abroad": [
    ["yes", having({ "loc.days_since_abroad": 90 }), { months: 3 }],
    ["no", having({ "loc.days_since_abroad": 91 }), { months: 3 }],
    ["no", having({ "loc.days_since_abroad": 9999 }), { months: 24 }],
    ["unknown", NOTHING, { months: 3 }],
  ],
  "net.is_contact": [
    ["yes", circle, {}, peer],
    ["no", circle, {}, { contact_msisdn: "13600136000" }],
    ["no", stranger, {}, peer],
    ["unknown", NOTHING, {}, peer],
    ["unknown", crowded, {}, peer],
  ],
  "net.contact_calls_at_least": [
    ["yes", circle, { n: 2, days: 30 }, peer],
    ["no", circle, { n: 3, days: 30 }, peer],
    ["yes", circle, { n: 5 }, peer],
    ["no", circle, { n: 6, days: 90 }, peer],
    ["yes", circle, { n: 11, days: 180 }, peer],
    ["no", stranger, { n: 1, days: 180 }, peer],
    ["unknown", NOTHING, { n: 1, days: 30 }, peer],
    // Nobody beyond the kept ones has more than three calls, in any of the windows.
    ["unknown", crowded, { n: 1 }, peer],
    ["unknown", crowded, { n: 3, days: 30 }, peer],
    ["no", crowded, { n: 4, days: 30 }, peer],
    ["no", crowded, { n: 4, days: 180 }, peer],
  ],
  "net.contact_within": [
    ["yes", circle, { days: 12 }, peer],
    ["no", circle, { days: 11 }, peer],
    ["no", stranger, { days: 180 }, peer],
    ["unknown", NOTHING, { days: 12 }, peer],
    ["unknown", crowded, { days: 180 }, peer],
  ],
  "net.contact_in_top": [
    ["yes", circle, { k: 2 }, peer],
    ["no", circle, { k: 1 }, peer],
    ["no", stranger, { k: 50 }, peer],
    ["unknown", NOTHING, { k: 2 }, peer],
    // Not among the sixty kept, so not among the closest fifty.
    ["no", crowded, { k: 50 }, peer],
  ],
  "net.circle_at_least": bound("net.circle_90d", "n", 15, 14),
  "net.active_days_at_least": bound("net.active_days_30d", "days", 25, 24),
  "web.app_used": [
    ["yes", online, { days: 20 }, { app: " WeiXin " }],
    ["no", online, { days: 21 }, { app: "weixin" }],
    ["yes", online, { days: 61, window: 90 }, { app: "weixin" }],
    ["no", offline, { days: 1 }, { app: "weixin" }],
    ["unknown", NOTHING, { days: 1 }, { app: "weixin" }],
    ["unknown", crowded, { days: 4 }, { app: "weixin" }],
    ["no", crowded, { days: 5 }, { app: "weixin" }],
  ],
  "web.domain_visited": [
    ["yes", online, { views: 3 }, { domain: "Example.CN." }],
    ["no", online, { views: 4 }, { domain: "example.cn" }],
    ["yes", online, { views: 10, window: 90 }, { domain: "example.cn" }],
    ["no", offline, { views: 1 }, { domain: "example.cn" }],
    ["unknown", NOTHING, { views: 1 }, { domain: "example.cn" }],
    ["unknown", crowded, { views: 5 }, { domain: "example.cn" }],
    ["no", crowded, { views: 6, window: 90 }, { domain: "example.cn" }],
  ],
  "web.keyword_searched": [
    ["yes", online, { times: 1 }, { keyword: "房贷  利率" }],
    ["no", online, { times: 2, window: 30 }, { keyword: "房贷 利率" }],
    ["yes", online, { times: 4, window: 90 }, { keyword: "房贷 利率" }],
    ["no", offline, { times: 1 }, { keyword: "房贷 利率" }],
    ["unknown", NOTHING, { times: 1 }, { keyword: "房贷 利率" }],
    ["unknown", crowded, { times: 2, window: 90 }, { keyword: "房贷 利率" }],
    ["no", crowded, { times: 3 }, { keyword: "房贷 利率" }],
  ],
  "web.category_at_least": [
    ["yes", online, { days: 12 }, { category: "finance" }],
    ["no", online, { days: 13 }, { category: "finance" }],
    ["yes", online, { days: 30, window: 90 }, { category: "finance" }],
    ["no", online, { days: 1 }, { category: "game" }],
    ["unknown", NOTHING, { days: 1 }, { category: "finance" }],
  ],
  "web.no_gambling": [
    ["yes", having(clean), { days: 90 }],
    ["no", having(clean), { days: 91 }],
    ["no", having({ ...clean, "val.days_since_gambling_web": 3 }), { days: 30 }],
    ["no", having({ ...clean, "val.days_since_loan": 30 }), { days: 30 }],
    ["yes", having({ ...clean, "val.days_since_loan": 31 }), { days: 30 }],
    ["unknown", having({ "val.days_since_gambling": 9999 }), { days: 30 }],
    ["no", having({ "val.days_since_gambling": 1 }), { days: 30 }],
  ],
};

test("no verification is left out", () => {
  expect(Object.keys(CASES).sort()).toEqual([...catalogue.verifications.keys()].sort());
});

test.each(Object.entries(CASES))("%s", (id, cases) => {
  for (const [expected, holder, params, claim] of cases) {
    expect(ask(id, holder, params, claim), JSON.stringify({ params, claim })).toBe(expected);
  }
});
