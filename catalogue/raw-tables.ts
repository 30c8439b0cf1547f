// The thirteen raw tables of an operator (CATALOGUE §1): column, DuckDB type, and the rule that a row must keep.
// Loading validates by these rules, the sandbox generator writes by them, and indicators compute over them.
// In the typed tables a mobile number is the 11-digit national form (it fits DuckDB's inlined strings); +86, 0086
// and 86 prefixes are taken off on the way in. All times are Asia/Shanghai, without zone. Cities and districts are
// six-digit GB/T 2260 codes as integers (a city is its district with the last two digits 00).

export type RawType =
  "VARCHAR" | "INTEGER" | "BIGINT" | "DOUBLE" | "BOOLEAN" | "DATE" | "TIMESTAMP";

export interface RawColumn {
  readonly type: RawType;
  /** An empty field is allowed and means unknown. */
  readonly nullable?: true;
  readonly min?: number;
  readonly max?: number;
  readonly oneOf?: readonly string[];
  /** RE2, matched against the whole text. */
  readonly pattern?: string;
  /** Longest text, in characters; 128 unless told. */
  readonly maxLength?: number;
  /** A number that may carry +86: brought to its national form. */
  readonly phone?: true;
}

export interface RawTable {
  readonly columns: Readonly<Record<string, RawColumn>>;
  /** No two rows may agree in all of these. */
  readonly key: readonly string[];
  /** The column that dates a row; absent in tables that state the present (subscriber, device, risk_number). */
  readonly time?: string;
}

export const APP_CATEGORIES = [
  "social",
  "video",
  "music",
  "game",
  "news",
  "reading",
  "education",
  "shopping",
  "food",
  "travel",
  "transport",
  "finance",
  "insurance",
  "loan",
  "gambling",
  "health",
  "work",
  "tools",
  "charity",
  "luxury",
  "car",
  "house",
  "other",
] as const;

export const MESSAGE_CATEGORIES = [
  "person",
  "bank",
  "collection",
  "loan",
  "merchant",
  "other",
] as const;

export const RISK_LISTS = ["fraud", "collection", "blacklist", "recycled"] as const;

const msisdn = { type: "VARCHAR", phone: true, pattern: "1[3-9][0-9]{9}" } as const;
/** Any party: a mobile in national form, a landline, a short code, a sender id. */
const party = { type: "VARCHAR", phone: true, pattern: "[0-9]{3,20}" } as const;
const text = { type: "VARCHAR" } as const;
const yuan = { type: "DOUBLE", min: 0, max: 1_000_000 } as const;
const flag = { type: "BOOLEAN" } as const;
const direction = { type: "VARCHAR", oneOf: ["in", "out"] } as const;
const category = { type: "VARCHAR", oneOf: APP_CATEGORIES } as const;
const area = { type: "INTEGER", min: 110000, max: 659999 } as const;
const date = { type: "DATE" } as const;
const at = { type: "TIMESTAMP" } as const;

function whole(min: number, max: number) {
  return { type: "INTEGER", min, max } as const;
}

const tables = {
  subscriber: {
    columns: {
      msisdn,
      cn_id_number: { type: "VARCHAR", nullable: true, pattern: "[1-9][0-9]{16}[0-9X]" },
      name: { type: "VARCHAR", nullable: true, maxLength: 64 },
      birth_date: { type: "DATE", nullable: true },
      gender: { type: "VARCHAR", nullable: true, oneOf: ["male", "female"] },
      real_name_verified: flag,
      activated_on: date,
      status: {
        type: "VARCHAR",
        oneOf: ["active", "suspended_arrears", "suspended_voluntary", "closed"],
      },
      closed_on: { type: "DATE", nullable: true },
      plan_name: text,
      plan_monthly_fee_yuan: { type: "DOUBLE", min: 0, max: 10_000 },
      home_city_code: area,
      contract_type: { type: "VARCHAR", oneOf: ["none", "handset", "fee", "broadband"] },
      is_campus_plan: flag,
    },
    key: ["msisdn"],
  },
  bill: {
    // `month` is the first day of the billed month.
    columns: {
      msisdn,
      month: date,
      total_yuan: yuan,
      voice_yuan: yuan,
      data_yuan: yuan,
      value_added_yuan: yuan,
      arrears_yuan: yuan,
      suspended_days: whole(0, 31),
    },
    key: ["msisdn", "month"],
    time: "month",
  },
  payment: {
    columns: {
      msisdn,
      paid_at: at,
      amount_yuan: yuan,
      channel: { type: "VARCHAR", oneOf: ["online", "hall", "auto"] },
      late_days: whole(0, 3650),
    },
    key: ["msisdn", "paid_at", "channel"],
    time: "paid_at",
  },
  call: {
    columns: {
      msisdn,
      at,
      peer_msisdn: party,
      direction,
      duration_s: whole(0, 86_400),
      cell_id: text,
      city_code: area,
      call_forwarded: flag,
    },
    key: ["msisdn", "at", "peer_msisdn", "direction"],
    time: "at",
  },
  message: {
    columns: {
      msisdn,
      at,
      peer: party,
      direction,
      category: { type: "VARCHAR", oneOf: MESSAGE_CATEGORIES },
    },
    key: ["msisdn", "at", "peer", "direction"],
    time: "at",
  },
  location_day: {
    columns: {
      msisdn,
      day: date,
      district_code: area,
      day_minutes: whole(0, 1440),
      night_minutes: whole(0, 1440),
      work_minutes: whole(0, 1440),
      cells: whole(0, 100_000),
    },
    key: ["msisdn", "day", "district_code"],
    time: "day",
  },
  roaming: {
    // A province's two digits, or a country's ISO 3166-1 alpha-2 code. `to` is empty while the person is there.
    columns: {
      msisdn,
      from: at,
      to: { type: "TIMESTAMP", nullable: true },
      country_or_province: { type: "VARCHAR", pattern: "[1-8][0-9]|[A-Z]{2}" },
    },
    key: ["msisdn", "from"],
    time: "from",
  },
  app_day: {
    columns: {
      msisdn,
      day: date,
      app: text,
      category,
      sessions: whole(0, 100_000),
      minutes: whole(0, 1440),
      bytes: { type: "BIGINT", min: 0, max: 1e15 },
    },
    key: ["msisdn", "day", "app"],
    time: "day",
  },
  web_day: {
    columns: { msisdn, day: date, domain: text, category, page_views: whole(0, 1_000_000) },
    key: ["msisdn", "day", "domain"],
    time: "day",
  },
  search_day: {
    columns: { msisdn, day: date, keyword: text, count: whole(0, 1_000_000) },
    key: ["msisdn", "day", "keyword"],
    time: "day",
  },
  device: {
    columns: {
      msisdn,
      imei: { type: "VARCHAR", pattern: "[0-9]{14,16}" },
      model: text,
      price_band_yuan: whole(0, 100_000),
      first_seen: date,
      last_seen: date,
    },
    key: ["msisdn", "imei", "first_seen"],
  },
  sim: {
    columns: {
      msisdn,
      changed_at: at,
      iccid_hash: { type: "VARCHAR", pattern: "[0-9a-f]{16,64}" },
    },
    key: ["msisdn", "changed_at"],
    time: "changed_at",
  },
  risk_number: {
    // Any number, not only this province's own subscribers: peers are compared with it.
    columns: { msisdn: party, list: { type: "VARCHAR", oneOf: RISK_LISTS }, since: date },
    key: ["msisdn", "list"],
  },
} as const satisfies Record<string, RawTable>;

export type RawTableName = keyof typeof tables;

export const RAW_TABLES: Readonly<Record<RawTableName, RawTable>> = tables;

export const RAW_TABLE_NAMES = Object.keys(tables) as readonly RawTableName[];
