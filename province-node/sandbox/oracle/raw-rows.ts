// One province's raw CSV files as typed rows by number (CATALOGUE §1), for the oracle alone: csv-parse and nothing of
// the loader's. It trusts its input, which is the sandbox's own; rows that loading would reject must not be in it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import type { RawTableName } from "../../../catalogue/index.ts";
import { dayOf, dayOfSecond, monthOf, secondOf } from "./dates.ts";

type Field = (column: string) => string;

const interned = new Map<string, string>();

/** Words recur in millions of rows: each is kept once. */
function word(text: string): string {
  const kept = interned.get(text);
  if (kept !== undefined) return kept;
  interned.set(text, text);
  return text;
}

/** The national form of a mainland number; other parties' numbers stay as they are. */
export function nationalNumber(text: string): string {
  const bare = text.replace(/[\s-]/g, "");
  if (bare.startsWith("+86")) return bare.slice(3);
  return /^(?:0086|86)(1\d{10})$/.exec(bare)?.[1] ?? bare;
}

function fen(yuan: string): number {
  return Math.round(Number(yuan) * 100);
}

function orNull<T>(text: string, read: (text: string) => T): T | null {
  return text === "" ? null : read(text);
}

function timed(text: string) {
  const at = secondOf(text);
  return { at, day: dayOfSecond(at), month: monthOf(text) };
}

/** How a row of each table reads. Amounts are in fen, days and months as in dates.ts, times in seconds. */
const READERS = {
  subscriber: (f: Field) => ({
    msisdn: nationalNumber(f("msisdn")),
    cnId: orNull(f("cn_id_number"), String),
    name: orNull(f("name"), String),
    birthDay: orNull(f("birth_date"), dayOf),
    gender: orNull(f("gender"), word),
    realName: f("real_name_verified") === "true",
    activatedDay: dayOf(f("activated_on")),
    status: word(f("status")),
    planFeeFen: fen(f("plan_monthly_fee_yuan")),
    cityCode: Number(f("home_city_code")),
    contract: word(f("contract_type")),
    campus: f("is_campus_plan") === "true",
  }),
  bill: (f: Field) => ({
    month: monthOf(f("month")),
    totalFen: fen(f("total_yuan")),
    voiceFen: fen(f("voice_yuan")),
    dataFen: fen(f("data_yuan")),
    valueAddedFen: fen(f("value_added_yuan")),
    arrearsFen: fen(f("arrears_yuan")),
    suspendedDays: Number(f("suspended_days")),
  }),
  payment: (f: Field) => ({
    ...timed(f("paid_at")),
    amountFen: fen(f("amount_yuan")),
    channel: word(f("channel")),
    lateDays: Number(f("late_days")),
  }),
  call: (f: Field) => ({
    ...timed(f("at")),
    peer: word(nationalNumber(f("peer_msisdn"))),
    out: f("direction") === "out",
    seconds: Number(f("duration_s")),
    city: Number(f("city_code")),
    forwarded: f("call_forwarded") === "true",
  }),
  message: (f: Field) => ({
    ...timed(f("at")),
    peer: word(nationalNumber(f("peer"))),
    out: f("direction") === "out",
    category: word(f("category")),
  }),
  location_day: (f: Field) => ({
    day: dayOf(f("day")),
    district: Number(f("district_code")),
    city: Math.trunc(Number(f("district_code")) / 100) * 100,
    nightMinutes: Number(f("night_minutes")),
    workMinutes: Number(f("work_minutes")),
    cells: Number(f("cells")),
  }),
  roaming: (f: Field) => ({
    from: secondOf(f("from")),
    to: orNull(f("to"), secondOf),
    place: word(f("country_or_province")),
  }),
  app_day: (f: Field) => ({
    day: dayOf(f("day")),
    word: word(f("app")),
    category: word(f("category")),
    minutes: Number(f("minutes")),
    bytes: Number(f("bytes")),
  }),
  web_day: (f: Field) => ({
    day: dayOf(f("day")),
    word: word(f("domain")),
    category: word(f("category")),
    views: Number(f("page_views")),
  }),
  search_day: (f: Field) => ({
    day: dayOf(f("day")),
    word: word(f("keyword")),
    times: Number(f("count")),
  }),
  device: (f: Field) => ({
    imei: f("imei"),
    priceYuan: Number(f("price_band_yuan")),
    firstDay: dayOf(f("first_seen")),
    lastDay: dayOf(f("last_seen")),
  }),
  sim: (f: Field) => timed(f("changed_at")),
  risk_number: (f: Field) => word(f("list")),
} as const satisfies Record<RawTableName, (field: Field) => unknown>;

export type RowOf<T extends RawTableName> = ReturnType<(typeof READERS)[T]>;
export type Subscriber = RowOf<"subscriber">;

/** A table's rows by the number that each is about, in national form. */
export function readTable<T extends RawTableName>(
  folder: string,
  table: T,
): ReadonlyMap<string, readonly RowOf<T>[]> {
  const records: string[][] = parse(readFileSync(join(folder, `${table}.csv`)));
  const [header = [], ...rows] = records;
  const places = new Map(header.map((column, place) => [column, place]));
  const read = READERS[table] as (field: Field) => RowOf<T>;
  const byNumber = new Map<string, RowOf<T>[]>();
  for (const row of rows) {
    const field: Field = (column) => row[places.get(column) as number] as string;
    const number = nationalNumber(field("msisdn"));
    const own = byNumber.get(number);
    if (own) own.push(read(field));
    else byNumber.set(number, [read(field)]);
  }
  return byNumber;
}
