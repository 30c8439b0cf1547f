// The real data sets, split over 31 provinces by the row's number. Absent on most machines: tests that need them then skip.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROVINCES } from "../../core/provinces.ts";
import type { ProvincePeople } from "../../cli/train-job.ts";

export const DATA_FOLDER =
  process.env["WJF_SHARED_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));

export interface DataSet {
  readonly features: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

const FILES = {
  german: { file: "south_german_credit.asc", label: "credit_risk", badIs: 0, drop: [] },
  uci: {
    file: "uci_credit_card_default.csv",
    label: "default.payment.next.month",
    badIs: 1,
    drop: ["ID", "id"],
  },
  sichuan: { file: "sichuan_mobile_fraud.csv", label: "label", badIs: 1, drop: [] },
} as const;

/** Undefined where the data is absent. An empty cell is NaN. Columns that are not numbers, or never differ, are left out. */
export function readDataSet(name: keyof typeof FILES): DataSet | undefined {
  const { file, label, badIs, drop } = FILES[name];
  const path = join(DATA_FOLDER, file);
  if (!existsSync(path)) return undefined;
  const [header = "", ...lines] = readFileSync(path, "utf8").trim().split(/\r?\n/);
  const separator = header.includes(",") ? "," : " ";
  const names = header.split(separator).map((each) => each.replaceAll('"', ""));
  const cells = lines.map((line) => line.split(separator));
  const target = names.indexOf(label);
  const dropped: readonly string[] = drop;
  const kept = names.flatMap((each, c) => {
    const values = cells.map((row) => row[c] ?? "");
    const numeric = values.every((value) => Number.isFinite(Number(value)));
    const varies = new Set(values).size > 1;
    return c !== target && !dropped.includes(each) && numeric && varies ? [c] : [];
  });
  return {
    features: kept.map((c) => names[c]!),
    rows: cells.map((row) => kept.map((c) => (row[c] === "" ? NaN : Number(row[c])))),
    labels: cells.map((row) => (Number(row[target]) === badIs ? 1 : 0)),
  };
}

export function splitByRow({ features, rows, labels }: DataSet, provinces = 31): ProvincePeople[] {
  return PROVINCES.slice(0, provinces).map(({ code }, p) => {
    const mine = rows.flatMap((_, i) => (i % provinces === p ? [i] : []));
    return {
      code,
      columns: features.map((_, c) => Float64Array.from(mine, (i) => rows[i]![c]!)),
      labels: Uint8Array.from(mine, (i) => labels[i]!),
    };
  });
}
