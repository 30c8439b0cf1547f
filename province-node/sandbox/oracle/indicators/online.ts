// Online life from raw rows (CATALOGUE §3): assets 固定资产, online spending 线上消费能力 and values 价值观, all of which
// are seen in apps, sites, searches and messages. A number without any such row simply did nothing: 0, not unknown.
import { distinct, maxOf, type NumberHistory, roundedShare, sumOf } from "../number-history.ts";
import type { RowOf } from "../raw-rows.ts";
import { flag, ifAny, partsOf, type Reading, type Readings, unitsOf } from "./indicator-value.ts";

type AppDay = RowOf<"app_day">;
type WebDay = RowOf<"web_day">;
type Message = RowOf<"message">;

function apps(
  days: number,
  n: (rows: readonly AppDay[]) => number,
  categories?: string[],
): Reading {
  return appsBefore(0, days, n, categories);
}

function appsBefore(
  before: number,
  days: number,
  n: (rows: readonly AppDay[]) => number,
  categories?: string[],
): Reading {
  return (history) =>
    n(
      history
        .lastDays(history.all("app_day"), days, before)
        .filter(({ category }) => categories?.includes(category) ?? true),
    );
}

const appDays = (rows: readonly AppDay[]): number => distinct(rows.map(({ day }) => day));
const appCount = (rows: readonly AppDay[]): number => distinct(rows.map((row) => row.word));
const appMinutes = (rows: readonly AppDay[]): number => sumOf(rows.map(({ minutes }) => minutes));

function pages(days: number, n: (rows: readonly WebDay[]) => number, category?: string): Reading {
  return (history) =>
    n(
      history
        .lastDays(history.all("web_day"), days)
        .filter((row) => category === undefined || row.category === category),
    );
}

const views = (rows: readonly WebDay[]): number => sumOf(rows.map((row) => row.views));

function messages(
  days: number,
  category: string,
  n: (rows: readonly Message[]) => number = (rows) => rows.length,
): Reading {
  return (history) =>
    n(history.lastDays(history.all("message"), days).filter((row) => row.category === category));
}

const received = (rows: readonly Message[]): Message[] => rows.filter(({ out }) => !out);

function since(kind: "gambling" | "loan", table: "app_day" | "web_day"): Reading {
  return (history) => {
    const rows: readonly (AppDay | WebDay)[] = history.all(table);
    const days = rows.filter(({ category }) => category === kind).map(({ day }) => day);
    return history.daysSince(days) ?? 9999;
  };
}

function listed(list: string): Reading {
  return (history) => flag(history.riskLists().includes(list));
}

function devicesSeen(history: NumberHistory, days: number): readonly RowOf<"device">[] {
  return history.all("device").filter(({ lastDay }) => lastDay >= history.asof.day - days);
}

export const ASSETS: Readings = {
  // Of several devices seen on the same last day, the dearest.
  "asset.device_price": (history) =>
    ifAny(history.all("device"), (devices) => {
      const last = maxOf(devices.map(({ lastDay }) => lastDay));
      return maxOf(
        devices.filter(({ lastDay }) => lastDay === last).map(({ priceYuan }) => priceYuan),
      );
    }),
  "asset.device_price_max_24m": (history) =>
    ifAny(devicesSeen(history, 730), (devices) => maxOf(devices.map((each) => each.priceYuan))),
  "asset.devices_24m": (history) =>
    history.all("device").length === 0
      ? null
      : distinct(devicesSeen(history, 730).map(({ imei }) => imei)),
  "asset.finance_days_90d": apps(90, appDays, ["finance"]),
  "asset.insurance_days_90d": apps(90, appDays, ["insurance"]),
  "asset.house_days_90d": apps(90, appDays, ["house"]),
  "asset.car_days_90d": apps(90, appDays, ["car"]),
  "asset.luxury_days_90d": apps(90, appDays, ["luxury"]),
  "asset.finance_apps_90d": apps(90, appCount, ["finance"]),
  "asset.finance_minutes_90d": apps(90, appMinutes, ["finance"]),
  "asset.bank_messages_90d": messages(90, "bank", (rows) => received(rows).length),
  "asset.banks_90d": messages(90, "bank", (rows) =>
    distinct(received(rows).map(({ peer }) => peer)),
  ),
  "asset.device_price_to_spend": (_, other) => {
    const price = other("asset.device_price");
    const fen = partsOf(other("use.spend_avg_6m"), 100);
    return price === null || fen === null ? null : unitsOf(roundedShare(price * 1000, fen), 10);
  },
};

export const ONLINE: Readings = {
  "online.shopping_days_30d": apps(30, appDays, ["shopping"]),
  "online.food_days_30d": apps(30, appDays, ["food"]),
  "online.travel_days_90d": apps(90, appDays, ["travel"]),
  "online.transport_days_30d": apps(30, appDays, ["transport"]),
  "online.social_days_30d": apps(30, appDays, ["social"]),
  "online.shopping_minutes_30d": apps(30, appMinutes, ["shopping"]),
  "online.video_minutes_30d": apps(30, appMinutes, ["video"]),
  "online.game_minutes_30d": apps(30, appMinutes, ["game"]),
  "online.social_minutes_30d": apps(30, appMinutes, ["social"]),
  "online.music_minutes_30d": apps(30, appMinutes, ["music"]),
  "online.shopping_apps_90d": apps(90, appCount, ["shopping"]),
  "online.app_minutes_30d": apps(30, appMinutes),
  "online.app_days_30d": apps(30, appDays),
  "online.apps_30d": apps(30, appCount),
  "online.traffic_gb_30d": apps(
    30,
    (rows) => (roundedShare(sumOf(rows.map(({ bytes }) => bytes)), 1e8) ?? 0) / 10,
  ),
  "online.web_views_30d": pages(30, views),
  "online.web_domains_30d": pages(30, (rows) => distinct(rows.map((row) => row.word))),
  "online.web_shopping_views_30d": pages(30, views, "shopping"),
  "online.searches_30d": (history) =>
    sumOf(history.lastDays(history.all("search_day"), 30).map(({ times }) => times)),
  "online.merchant_messages_90d": messages(90, "merchant", (rows) => received(rows).length),
  "online.game_share": (_, other) =>
    roundedShare(
      100 * (other("online.game_minutes_30d") ?? 0),
      other("online.app_minutes_30d") ?? 0,
    ),
};

export const VALUES: Readings = {
  "val.gambling_days_90d": apps(90, appDays, ["gambling"]),
  "val.loan_days_30d": apps(30, appDays, ["loan"]),
  "val.loan_days_90d": apps(90, appDays, ["loan"]),
  "val.education_days_90d": apps(90, appDays, ["education"]),
  "val.reading_days_90d": apps(90, appDays, ["reading"]),
  "val.news_days_90d": apps(90, appDays, ["news"]),
  "val.charity_days_90d": apps(90, appDays, ["charity"]),
  "val.health_days_90d": apps(90, appDays, ["health"]),
  "val.work_days_30d": apps(30, appDays, ["work"]),
  "val.gambling_minutes_90d": apps(90, appMinutes, ["gambling"]),
  "val.days_since_gambling": since("gambling", "app_day"),
  "val.days_since_gambling_web": since("gambling", "web_day"),
  "val.days_since_loan": since("loan", "app_day"),
  "val.gambling_views_90d": pages(90, views, "gambling"),
  "val.loan_apps_30d": apps(30, appCount, ["loan"]),
  "val.loan_apps_prev_30d": appsBefore(30, 30, appCount, ["loan"]),
  "val.risky_apps_30d": apps(30, appCount, ["loan", "gambling"]),
  "val.risky_apps_prev_30d": appsBefore(30, 30, appCount, ["loan", "gambling"]),
  "val.loan_messages_90d": messages(90, "loan"),
  "val.collection_messages_30d": messages(30, "collection"),
  "val.collection_messages_90d": messages(90, "collection"),
  "val.on_fraud_list": listed("fraud"),
  "val.on_collection_list": listed("collection"),
  "val.on_blacklist_list": listed("blacklist"),
};
