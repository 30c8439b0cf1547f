// Days of a sandbox after the first: the same raw rows read a day, or a week, later, with what happened meanwhile written into
// them: people are suspended, closed, pay, change plan, card or home city.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../../catalogue/index.ts";
import { partyFolder } from "../../core/config.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import type { Federation } from "../federation/federation.ts";

/** Whose raw rows they are. */
type Loaded = Pick<Federation, "settings" | "provinces">;

type Row = Record<string, string>;

/** Rewrites a table's rows; the sandbox writes no quotes. */
function rewrite(path: string, change: (row: Row, index: number) => void): void {
  const [head = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const names = head.split(",");
  const rows = lines.map((line, i) => {
    const cells = line.split(",");
    const row: Row = Object.fromEntries(names.map((name, k) => [name, cells[k] ?? ""]));
    change(row, i);
    return names.map((name) => row[name]).join(",");
  });
  writeFileSync(path, `${[head, ...rows].join("\n")}\n`);
}

/** What happens to every fifth person or so; on the third day it is over for some. */
const HAPPENINGS: Record<number, (row: Row, index: number) => void> = {
  2: (row, index) => {
    if (index % 5 === 0) row["status"] = "suspended_arrears";
    if (index % 5 === 1) row["status"] = "suspended_voluntary";
    if (index % 5 === 2) row["plan_monthly_fee_yuan"] = "8";
    if (index % 7 === 3) row["cn_id_number"] = "";
  },
  3: (row, index) => {
    if (index % 10 === 0) row["status"] = "active";
    if (index % 10 === 2) row["plan_monthly_fee_yuan"] = "199";
    if (index % 10 === 1) row["status"] = "suspended_arrears";
  },
};

export interface SandboxDay {
  readonly folder: string;
  readonly asof: string;
}

/** Writes the raw rows of a day from those of the day before. */
export function nextDay(federation: Loaded, before: SandboxDay, day: number): SandboxDay {
  const folder = join(federation.settings.home, `day-${day}`);
  cpSync(before.folder, folder, { recursive: true });
  const asof = day === 2 ? "2026-11-02" : "2026-11-09";
  for (const { code } of federation.provinces) {
    rewrite(join(folder, code, "subscriber.csv"), HAPPENINGS[day] ?? (() => undefined));
    const sim = join(folder, code, "sim.csv");
    const someone = readFileSync(join(folder, code, "subscriber.csv"), "utf8").split("\n")[4];
    const [msisdn] = (someone ?? "").split(",");
    const changed = `${msisdn},2026-11-0${day - 1} 11:00:00,${"7c".repeat(16)}\n`;
    if (day === 2) writeFileSync(sim, readFileSync(sim, "utf8") + changed);
  }
  return { folder, asof };
}

export async function loadDay({ settings, provinces }: Loaded, day: SandboxDay): Promise<void> {
  for (const { code } of provinces) {
    const folder = partyFolder(settings.home, code);
    await loadProvince({
      rawDir: join(day.folder, code),
      storePath: join(folder, "store.db"),
      rejectsDir: join(folder, "rejects"),
      subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
      asof: day.asof,
      catalogue: loadCatalogue(),
    });
  }
}
