// The declarations' SQL over a few hand-made rows, loaded by the real loader: every expression runs, windows start and
// end on the right day, and values are what a person reading the rows would say. As-of day: 2026-06-01.
import { beforeAll, expect, test } from "vitest";
import { loadCatalogue, type NumberRecord, normaliseKey } from "../../catalogue/index.ts";
import { normaliseMsisdn, subjectTag } from "../../crypto/subject.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import { ASOF, Folder, SUBJECT_KEY } from "../province-node/load-fixture.ts";

const catalogue = loadCatalogue();
const A = "13800138000";
/** No row in any table but subscriber. */
const B = "13900139000";
const PEER = "13700137000";
const PEER2 = "13600136000";

let a: NumberRecord;
let b: NumberRecord;

beforeAll(async () => {
  using folder = new Folder();
  const CN = "11010519491231002X";
  folder.table("subscriber", [
    `${A},${CN},王伟,1990-06-02,male,true,2024-06-01,active,,plan,59.00,510100,handset,false`,
    `${B},${CN},王伟,1990-06-01,male,false,2026-05-02,closed,2026-05-20,plan,8,510100,none,false`,
    `13500135000,${CN},王伟,1990-06-01,male,true,2020-01-01,active,,plan,8,510100,none,false`,
  ]);
  folder.table("bill", [
    // The as-of month is not complete: it is never counted.
    `${A},2026-06-01,999,0,0,0,0,0`,
    `${A},2026-05-01,60.10,20,40.10,0,0,0`,
    `${A},2026-04-01,70,20,50,0,0,0`,
    `${A},2026-03-01,80,20,60,0,80,5`,
    `${A},2026-02-01,90,20,70,0,0,0`,
    `${A},2025-06-01,10,5,5,0,10,1`,
    `${A},2025-05-01,500,5,5,0,0,0`,
  ]);
  folder.table("payment", [
    `${A},2026-05-31 23:59:59,100.50,online,0`,
    `${A},2026-05-01 00:00:00,50,auto,0`,
    `${A},2026-04-30 23:59:59,30,auto,9`,
    `${A},2026-06-01 00:00:00,7,hall,0`,
    `${A},2025-05-31 23:59:59,999,hall,30`,
  ]);
  folder.table("call", [
    `${A},2026-05-31 23:00:00,${PEER},out,60,c1,510100,false`,
    `${A},2026-05-02 00:00:00,${PEER},in,30,c1,510100,true`,
    // One second before 30 days: in the 90-day window only.
    `${A},2026-05-01 23:59:59,${PEER2},out,600,c1,510700,false`,
    `${A},2026-03-03 00:00:00,${PEER2},out,60,c1,510700,false`,
    // Before 90 days, within 180.
    `${A},2026-03-02 12:00:00,${PEER2},in,60,c1,510700,false`,
    `${A},2026-05-30 02:00:00,95588,in,10,c1,510100,false`,
    `${A},2025-11-01 12:00:00,13400134000,in,60,c1,510700,false`,
  ]);
  folder.table("message", [
    `${A},2026-05-31 10:00:00,106801,in,collection`,
    `${A},2026-05-01 10:00:00,106801,in,collection`,
    `${A},2026-05-20 10:00:00,95588,in,bank`,
    `${A},2026-05-21 10:00:00,${PEER},out,person`,
  ]);
  folder.table("location_day", [
    `${A},2026-05-31,510107,200,400,300,5`,
    `${A},2026-05-30,440305,500,900,0,9`,
    `${A},2026-05-29,510107,200,600,300,5`,
    // Days 31 to 120 back.
    `${A},2026-05-01,440305,10,700,10,5`,
    `${A},2026-02-01,440305,10,700,10,5`,
    `${A},2026-01-31,510107,10,1400,10,5`,
  ]);
  folder.table("roaming", [
    `${A},2026-05-30 08:00:00,2026-05-30 20:00:00,44`,
    `${A},2026-04-01 00:00:00,2026-04-03 00:00:00,JP`,
    `${A},2024-01-01 00:00:00,2024-01-02 00:00:00,FR`,
    `${A},2026-05-28 00:00:00,,11`,
  ]);
  folder.table("app_day", [
    `${A},2026-05-31,kuaijie,loan,1,5,1000`,
    `${A},2026-05-02,mayi,loan,1,5,1000`,
    `${A},2026-05-01,mayi,loan,1,5,1000`,
    `${A},2026-04-02,mayi,loan,1,5,1000`,
    `${A},2026-05-10,majiang,gambling,2,30,1000`,
    `${A},2026-05-10,weixin,social,2,60,2500000000`,
  ]);
  folder.table("device", [
    `${A},86000000000001,old,1000,2024-06-01,2026-05-01`,
    `${A},86000000000002,new,4000,2026-05-02,2026-05-31`,
  ]);
  folder.table("sim", [`${A},2026-05-25 10:00:00,${"ab".repeat(8)}`]);
  folder.table("risk_number", [
    `${PEER2},fraud,2026-01-01`,
    `${PEER},recycled,2026-01-01`,
    `${B},blacklist,2026-01-01`,
  ]);
  const storePath = folder.at("store", "p.db");
  const report = await loadProvince({
    rawDir: folder.at("raw"),
    storePath,
    rejectsDir: folder.at("rejects"),
    subjectKey: SUBJECT_KEY,
    asof: ASOF,
    catalogue,
  });
  expect(report.rejectedByRule).toEqual([]);
  using store = FeatureStore.open(storePath, catalogue);
  const lookup = (msisdn: string) => {
    const person = store.lookup(subjectTag(SUBJECT_KEY, "msisdn", normaliseMsisdn(msisdn)));
    if (person?.numbers[0] === undefined) throw new Error("not stored");
    return person.numbers[0];
  };
  a = lookup(A);
  b = lookup(B);
});

function natural(of: NumberRecord, id: string): number | null {
  const indicator = catalogue.indicatorById.get(id);
  if (indicator === undefined) throw new Error(`no indicator ${id}`);
  const stored = of.values[catalogue.positions.get(id) as number] ?? null;
  return stored === null ? null : stored / indicator.scale;
}

const EXPECTED: Readonly<Record<string, number | null>> = {
  "id.real_name": 1,
  "id.age_years": 35,
  "id.tenure_months": 24,
  "id.in_use": 1,
  "id.numbers_under_id": 2,
  "id.home_city": 510100,
  "id.recycled": 0,
  "id.sim_changes_90d": 1,
  "id.days_since_sim_change": 7,
  "id.devices_12m": 2,
  "id.device_age_days": 30,
  "loy.history_months": 7,
  "loy.active_months_12m": 5,
  "loy.suspensions_3m": 1,
  "loy.suspensions_12m": 2,
  "loy.suspended_days_12m": 6,
  "loy.payments_12m": 3,
  "loy.auto_pay_share_12m": 67,
  // 24 months of 17 adult years, and the paid months among the last 12 with at most 7 of history.
  "loy.tenure_share": 12,
  "loy.paid_months_share": 71,
  "use.plan_fee": 59,
  "use.spend_avg_3m": 70.03,
  "use.spend_avg_prev_3m": 90,
  "use.spend_avg_6m": 75.03,
  "use.spend_last_month": 60.1,
  "use.spend_max_12m": 90,
  "use.spend_min_12m": 10,
  "use.spend_range_6m": 29.9,
  "use.arrears_months_3m": 1,
  "use.arrears_months_12m": 2,
  "use.arrears_last_month": 0,
  "use.months_since_arrears": 3,
  "use.topup_1m": 150.5,
  "use.topup_3m": 180.5,
  "use.on_time_share_12m": 67,
  "use.late_days_avg_12m": 3,
  "use.late_days_max_12m": 9,
  "use.spend_trend": 78,
  "asset.device_price": 4000,
  "asset.bank_messages_90d": 1,
  "online.apps_30d": 4,
  "online.traffic_gb_30d": 2.5,
  "online.game_share": 0,
  "loc.resident_city": 510100,
  "loc.resident_city_before": 440300,
  // Nights of 60 days: 440305 has 900 + 700, 510107 has 1000.
  "loc.home_district": 440305,
  "loc.home_district_30d": 510107,
  "loc.work_district": 510107,
  "loc.home_night_share": 62,
  "loc.days_seen_30d": 3,
  "loc.days_since_seen": 1,
  "loc.days_since_usual_city": 2,
  "loc.usual_city_days_30d": 1,
  "loc.moved_city": 1,
  "loc.abroad_trips_12m": 1,
  "loc.days_since_abroad": 59,
  "loc.travel_provinces_180d": 2,
  // Since 28 May in 11: 28, 29, 30, 31; the day in 44 is one of them.
  "loc.travel_days_180d": 4,
  "val.loan_days_30d": 2,
  "val.loan_apps_30d": 2,
  "val.loan_apps_prev_30d": 1,
  "val.risky_apps_30d": 3,
  "val.days_since_gambling": 22,
  "val.collection_messages_30d": 1,
  "val.collection_messages_90d": 2,
  "val.on_blacklist_list": 0,
  "net.circle_30d": 2,
  "net.circle_90d": 3,
  "net.circle_prev_30d": 1,
  "net.calls_out_30d": 1,
  "net.calls_in_30d": 2,
  "net.call_minutes_30d": 1.7,
  // 2 May at midnight, 30 May at two.
  "net.night_calls_30d": 2,
  "net.forwarded_share_7d": 0,
  "net.mutual_contacts_90d": 1,
  "net.strangers_out_30d": 0,
  "net.new_contacts_30d": 2,
  "net.risk_contacts_90d": 1,
  "net.fraud_contacts_90d": 1,
  "net.out_share": 33,
};

test("each value is what the rows say", () => {
  const got = Object.keys(EXPECTED).map((id) => [id, natural(a, id)]);
  expect(Object.fromEntries(got)).toEqual(EXPECTED);
});

test("a number without rows: counts are 0, means are unknown, tables never loaded are unknown", () => {
  expect(natural(b, "net.calls_out_30d")).toBe(0);
  expect(natural(b, "net.risk_contacts_90d")).toBe(0);
  expect(natural(b, "loy.history_months")).toBe(0);
  expect(natural(b, "val.days_since_gambling")).toBe(9999);
  expect(natural(b, "use.spend_avg_3m")).toBeNull();
  expect(natural(b, "use.arrears_months_12m")).toBeNull();
  expect(natural(b, "loc.resident_city")).toBeNull();
  expect(natural(b, "net.forwarded_share_7d")).toBeNull();
  // web_day and search_day were not delivered: not even a gambling site can be denied.
  expect(natural(b, "val.days_since_gambling_web")).toBeNull();
  expect(natural(b, "online.searches_30d")).toBeNull();
  expect(natural(b, "id.status")).toBe(3);
  expect(natural(b, "id.young_number")).toBe(1);
  expect(natural(b, "val.on_blacklist_list")).toBe(1);
  // Closed numbers are not counted under the ID, but know how many others there are.
  expect(natural(b, "id.numbers_under_id")).toBe(2);
});

test("keyed lists hold what verifications look up", () => {
  const key = (value: string) =>
    subjectTag(SUBJECT_KEY, "msisdn", normaliseKey("msisdn", value)).toString("hex").slice(0, 16);
  expect(a.lists["contacts"]).toEqual([
    { key: key(PEER2), calls_30: 0, calls_90: 2, calls_180: 3, days_since: 31 },
    { key: key(PEER), calls_30: 2, calls_90: 2, calls_180: 2, days_since: 1 },
  ]);
  expect(a.lists["cities"]).toEqual([
    // Calls on 2, 30 and 31 May and nights on 29 and 31: four days; the last call an hour before midnight.
    { key: 510100, days_30: 4, hours_since: 1 },
    { key: 440300, days_30: 1, hours_since: 36 },
  ]);
  expect(a.lists["provinces"]).toContainEqual({ key: 44, days_180: 3, days_since: 2 });
  expect(a.lists["provinces"]).toContainEqual({ key: 11, days_180: 1, days_since: 1 });
  // Two days each: the smaller code comes first.
  expect(a.lists["districts"]).toMatchObject([
    { key: 440305, days_7: 1, days_60: 2, night_60: 1600, work_60: 10 },
    { key: 510107, days_7: 2, days_60: 2, night_60: 1000, work_60: 600 },
  ]);
  expect(a.lists["categories"]).toContainEqual({ key: "loan", days_30: 2, days_90: 4 });
  expect(a.lists["domains"]).toBeUndefined();
  expect(b.lists["contacts"]).toEqual([]);
});

test("every indicator with a range is inside of it", () => {
  for (const { id, min, max } of catalogue.indicators) {
    for (const of of [a, b]) {
      const value = natural(of, id);
      if (value === null) continue;
      expect(value, id).toBeGreaterThanOrEqual(min);
      expect(value, id).toBeLessThanOrEqual(max);
    }
  }
});
