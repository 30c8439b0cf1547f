// `wjf node load | status`: a province operator's own data.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { partyFolder, readSettings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { readTlsIdentity } from "../proto/index.ts";
import { FeatureStore, loadProvince } from "../province-node/index.ts";
import type { Output } from "./output.ts";

export interface LoadArguments {
  readonly province: string;
  readonly from: string;
  readonly asof?: string;
}

function provinceFolder(province: string): string {
  const code = parseWith(ProvinceCode, province, "config-invalid", "--province");
  return partyFolder(readSettings().home, code);
}

export async function nodeLoad(output: Output, options: LoadArguments): Promise<void> {
  const folder = provinceFolder(options.province);
  const startedMs = performance.now();
  const report = await loadProvince({
    rawDir: options.from,
    storePath: join(folder, "store.db"),
    rejectsDir: join(folder, "rejects"),
    subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
    asof: options.asof ?? new Date(systemClock.nowMs()).toISOString().slice(0, 10),
    catalogue: loadCatalogue(),
  });
  const seconds = (performance.now() - startedMs) / 1000;
  output.line(
    `${report.rawRows} rows of ${report.tables.length} tables → ${report.numbers} numbers of ${report.people} people in ${seconds.toFixed(1)} s`,
  );
  if (report.rejected > 0)
    output.line(`${report.rejected} rows rejected: see ${report.rejectsPath}`);
  output.result({ ...report, seconds });
}

export async function nodeStatus(output: Output, options: { province: string }): Promise<void> {
  const folder = provinceFolder(options.province);
  const storePath = join(folder, "store.db");
  readTlsIdentity(join(folder, "secrets"));
  const loaded = existsSync(storePath);
  if (loaded) FeatureStore.open(storePath, loadCatalogue())[Symbol.dispose]();
  output.line(`keys: in order in ${join(folder, "secrets")}`);
  output.line(loaded ? `store: ${storePath}` : "store: none yet; load tables with `wjf node load`");
  output.result({ folder, keys: true, store: loaded ? storePath : null });
}
