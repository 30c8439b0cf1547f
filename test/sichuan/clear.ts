// The Sichuan file in the clear: its rows, the indicators that examples/sichuan/mapping.json makes of them, and a model's
// score, all written again in plain TypeScript, without the loader, the node's evaluation or the release rule.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";

export const SICHUAN = join(
  process.env["WJF_SHARED_DATA"] ?? join(import.meta.dirname, "../../../shared/data"),
  "sichuan_mobile_fraud.csv",
);
export const EXAMPLE = join(import.meta.dirname, "../../examples/sichuan");

export function hasSichuan(): boolean {
  return existsSync(SICHUAN);
}

export interface ClearNumber {
  /** A valid number made of the hash that the file has in its place. */
  readonly msisdn: string;
  readonly fraud: boolean;
  readonly values: Readonly<Record<string, number | null>>;
}

type Row = Readonly<Record<string, string>>;

export function readSichuan(): readonly ClearNumber[] {
  const rows = parse(readFileSync(SICHUAN), { columns: true }) as Row[];
  return rows.map((row) => ({
    msisdn: numberOf(row["phone_no_m"] as string),
    fraud: row["label"] === "1",
    values: valuesOf(row),
  }));
}

function numberOf(hash: string): string {
  const second = 3 + (Number.parseInt(hash.slice(0, 8), 16) % 7);
  const rest = BigInt(`0x${hash.slice(8, 22)}`) % 1_000_000_000n;
  return `1${second}${String(rest).padStart(9, "0")}`;
}

/** Natural values, before rounding and bounds. */
function valuesOf(row: Row): Record<string, number | null> {
  const at = (column: string): number | null => {
    const text = row[column];
    return text === undefined || text === "" ? null : Number(text);
  };
  const both = (a: string, b: string, of: (a: number, b: number) => number): number | null => {
    const [x, y] = [at(a), at(b)];
    return x === null || y === null ? null : of(x, y);
  };
  return {
    "loy.history_months": Math.max(at("month_ids") ?? 1, 1),
    "net.circle_90d": at("opposite_unique"),
    "net.calls_out_30d": at("voccalltype1"),
    "net.calls_in_30d": both("opposite_count", "voccalltype1", (all, out) => all - out),
    "net.out_share": both("voc_calltype1", "voc_calltype1", (share) => share * 100),
    "net.call_seconds_avg_30d": at("call_dur_mean"),
    "net.call_days_30d": at("voc_day_nunique"),
    "net.top_contact_share_90d": both(
      "phone2opposite_max",
      "opposite_count",
      (most, all) => (most / all) * 100,
    ),
    "net.messages_in_30d": at("calltype_2"),
    "net.messages_out_30d": both("sms_count", "calltype_2", (all, received) => all - received),
    "net.message_peers_30d": at("sms_nunique"),
    "id.devices_12m": at("imeis"),
    "loc.cities_30d": at("city_name_nunique"),
    "online.apps_30d": at("busi_count"),
    "online.traffic_gb_30d": both("flow_month", "flow_month", (megabytes) => megabytes / 1024),
    "use.spend_avg_6m": at("arpu_mean"),
    "use.spend_max_12m": at("arpu_max"),
    "use.spend_min_12m": at("arpu_min"),
  };
}

/** What the catalogue keeps of a natural value: within bounds, rounded to its scale. */
export function kept(
  value: number | null,
  { min, max, scale }: { readonly min: number; readonly max: number; readonly scale: number },
): number | null {
  if (value === null) return null;
  return Math.round(Math.min(max, Math.max(min, value)) * scale) / scale;
}

interface Binned {
  readonly indicator: string;
  readonly bins: readonly { readonly below?: number; readonly points: number }[];
  readonly missing: number;
}

export interface ClearModel {
  readonly min: number;
  readonly max: number;
  readonly dimensions: readonly { readonly max: number; readonly features: readonly Binned[] }[];
}

/** The score by the format's definition: bins, sums per dimension, bounds. Weights, base, offset are 1, 0, 0 here. */
export function clearScore(model: ClearModel, values: ReadonlyMap<string, number | null>): number {
  let score = 0;
  for (const { max, features } of model.dimensions) {
    let points = 0;
    for (const { indicator, bins, missing } of features) {
      const value = values.get(indicator) ?? null;
      if (value === null) points += missing;
      else points += bins.find(({ below }) => below === undefined || value < below)?.points ?? 0;
    }
    score += Math.min(max, Math.max(0, points));
  }
  return Math.min(model.max, Math.max(model.min, score));
}

/** P(a fraud's score > another's), ties half: by ranks. */
export function aucOf(
  scored: readonly { readonly score: number; readonly fraud: boolean }[],
): number {
  const sorted = scored.toSorted((a, b) => a.score - b.score);
  let rankSum = 0;
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (end < sorted.length && sorted[end]?.score === sorted[i]?.score) end++;
    const rank = (i + 1 + end) / 2;
    for (let j = i; j < end; j++) if (sorted[j]?.fraud === true) rankSum += rank;
    i = end;
  }
  const frauds = scored.filter(({ fraud }) => fraud).length;
  const others = scored.length - frauds;
  return (rankSum - (frauds * (frauds + 1)) / 2) / (frauds * others);
}
