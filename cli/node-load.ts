// `wjf node load | status | drain | resume`: a province operator's own data.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { shanghaiDay, systemClock } from "../core/clock.ts";
import { partyFolder, readSettings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { readTlsIdentity } from "../proto/index.ts";
import { drain, FeatureStore, isDrained, loadProvince, resume } from "../province-node/index.ts";
import { LoadBars } from "./load-bars.ts";
import type { Output } from "./output.ts";

export interface LoadArguments {
  readonly province: string;
  /** A folder, or a `postgres://` address. */
  readonly from: string;
  readonly asof?: string;
  readonly mapping?: string;
  readonly incremental?: boolean;
  readonly quality?: boolean;
}

function provinceFolder(province: string): string {
  const code = parseWith(ProvinceCode, province, "config-invalid", "--province");
  return partyFolder(readSettings().home, code);
}

export async function nodeLoad(output: Output, options: LoadArguments): Promise<void> {
  const folder = provinceFolder(options.province);
  const startedMs = performance.now();
  const qualityDir = join(folder, "quality");
  using progress = new LoadBars(output);
  const report = await loadProvince({
    rawDir: options.from,
    storePath: join(folder, "store.db"),
    rejectsDir: join(folder, "rejects"),
    subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
    asof: options.asof ?? shanghaiDay(systemClock),
    catalogue: loadCatalogue(),
    ...(options.mapping === undefined ? {} : { mapping: options.mapping }),
    ...(options.incremental === true ? { historyPath: join(folder, "history.duckdb") } : {}),
    ...(options.quality === true ? { qualityDir } : {}),
    onProgress: (at) => progress.show(at),
  });
  const seconds = (performance.now() - startedMs) / 1000;
  output.line(
    `${report.rawRows} rows of ${report.tables.length} tables → ${report.numbers} numbers of ${report.people} people in ${seconds.toFixed(1)} s`,
  );
  if (report.rejected > 0) {
    output.line(`${report.rejected} rows rejected: see ${report.rejectsPath}`);
  }
  if (options.quality === true) output.line(`data quality: ${join(qualityDir, "quality.html")}`);
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
  const drained = isDrained(folder);
  output.line(drained ? "service: drained; `wjf node resume` ends it" : "service: not drained");
  output.result({ folder, keys: true, store: loaded ? storePath : null, drained });
}

/** A running node follows at once, one that starts later from its start. */
export async function nodeDrain(
  output: Output,
  options: { province: string },
  drained: boolean,
): Promise<void> {
  const folder = provinceFolder(options.province);
  readTlsIdentity(join(folder, "secrets"));
  if (drained) drain(folder);
  else resume(folder);
  output.line(
    drained
      ? `Province ${options.province} takes no new questions; those under way end. Back with \`wjf node resume\`.`
      : `Province ${options.province} takes questions again.`,
  );
  output.result({ province: options.province, drained });
}
