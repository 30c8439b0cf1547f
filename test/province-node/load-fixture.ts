// A small catalogue of its own and a folder that goes away, for the tests of loading and serving.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Indicator, KeyedList } from "../../catalogue/index.ts";
import { RAW_TABLES, type RawTableName } from "../../catalogue/raw-tables.ts";
import type { ServingCatalogue } from "../../province-node/load/serving-catalogue.ts";

export const SUBJECT_KEY = Buffer.alloc(32, 7);
export const ASOF = "2026-06-01";

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "wjf-load-"));
  at(...parts: string[]): string {
    return join(this.path, ...parts);
  }
  /** Writes `raw/<table>.csv` from its header and lines; bytes go out as they are. */
  table(table: RawTableName, rows: readonly (string | Buffer)[], name = `${table}.csv`): void {
    const header = Object.keys(RAW_TABLES[table].columns).join(",");
    const lines = [header, ...rows].flatMap((row) => [Buffer.from(row), Buffer.from("\n")]);
    mkdirSync(join(this.at("raw", name), ".."), { recursive: true });
    writeFileSync(this.at("raw", name), Buffer.concat(lines));
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function indicator(fields: object): Indicator {
  const common = { zh: "测", en: "test", family: "identity", unit: "count", window: "ever" };
  return Indicator.parse({ ...common, min: 0, max: 1_000_000, ...fields });
}

export const CATALOGUE: ServingCatalogue = {
  views: [
    {
      id: "long_call",
      tables: ["call"],
      sql: "SELECT msisdn, duration_s FROM call WHERE duration_s >= 60",
    },
  ],
  indicators: [
    indicator({ id: "social.calls", from: "call", sql: "count(*)", absent: 0 }),
    indicator({
      id: "social.out",
      from: "call",
      sql: "count(*) FILTER (direction = 'out')",
      absent: 0,
    }),
    indicator({ id: "social.long", from: "long_call", sql: "count(*)" }),
    indicator({ id: "use.spend", from: "bill", sql: "avg(total_yuan)", scale: 100, max: 500 }),
    indicator({
      id: "social.share",
      from: "derived",
      sql: '"social.out" / nullif("social.calls", 0)',
      scale: 1000,
      max: 1,
    }),
    indicator({ id: "web.days", from: "web_day", sql: "count(DISTINCT day)", absent: 0 }),
  ],
  lists: [
    KeyedList.parse({
      id: "contacts",
      zh: "联系人",
      en: "contacts",
      from: "call",
      window: "ever",
      key: "peer_msisdn",
      kind: "msisdn",
      columns: { calls: { sql: "count(*)" }, minutes: { sql: "sum(duration_s) / 60", scale: 10 } },
      order: "calls",
      top: 3,
    }),
    KeyedList.parse({
      id: "districts",
      zh: "区",
      en: "districts",
      from: "location_day",
      window: "ever",
      key: "district_code",
      kind: "code",
      columns: { nights: { sql: "count(*) FILTER (night_minutes > 0)" } },
      order: "nights",
      top: 10,
    }),
    KeyedList.parse({
      id: "categories",
      zh: "类",
      en: "categories",
      from: "app_day",
      window: "ever",
      key: "category",
      kind: "text",
      columns: { days: { sql: "count(DISTINCT day)" } },
      order: "days",
      top: 10,
    }),
  ],
};

/** Two numbers of one person and one of another, clean. */
export const SUBSCRIBERS = [
  "+8613800000001,110101199003070011,张三,1990-03-07,male,true,2015-01-01,active,,畅享39,39,110100,none,false",
  "13800000002,110101199003070011,张三,1990-03-07,male,true,2012-01-01,closed,2026-05-01,畅享39,39,110100,none,false",
  "8613900000003,,,,,false,2026-05-20,active,,畅享8,8,110100,none,false",
];

export const CALLS = [
  "+8613800000001,2026-05-01 10:00:00,+8613900000003,out,90,c1,110100,false",
  "+8613800000001,2026-05-02 10:00:00,+8613900000003,in,30,c1,110100,false",
  "+8613800000001,2026-05-03 10:00:00,13700000009,out,30,c1,110100,false",
  "+8613800000001,2026-05-03 11:00:00,95588,in,60,c1,110100,false",
  "+8613900000003,2026-05-01 10:00:00,+8613800000001,in,90,c1,110100,false",
];
