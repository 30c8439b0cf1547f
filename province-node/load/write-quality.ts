// Puts a load's quality report into a folder, as quality.json, quality.txt and quality.html, compared with the report
// that is there from the load before.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Indicator } from "../../catalogue/index.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { driftBetween } from "./quality-drift.ts";
import { qualityHtml } from "./quality-html.ts";
import { qualityText } from "./quality-text.ts";
import { QualityReport } from "./quality.ts";

/** A report that cannot be read (an older format, a torn disk) is no reason to fail a load: there is nothing to compare. */
function earlierReport(folder: string): QualityReport | undefined {
  try {
    return parseJsonWith(
      QualityReport,
      readFileSync(join(folder, "quality.json"), "utf8"),
      "data-invalid",
    );
  } catch (error) {
    if (error instanceof WjfError || (error as NodeJS.ErrnoException).code === "ENOENT")
      return undefined;
    throw error;
  }
}

export function writeQuality(
  folder: string,
  loaded: Omit<QualityReport, "drift" | "comparedWith">,
  indicators: readonly Indicator[],
): QualityReport {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const before = earlierReport(folder);
  const report: QualityReport = {
    ...loaded,
    comparedWith: before?.asof ?? null,
    drift: before ? driftBetween(before, loaded) : [],
  };
  const files = {
    "quality.txt": qualityText(report),
    "quality.html": qualityHtml(report, indicators),
    "quality.json": `${JSON.stringify(report)}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const temporary = join(folder, `${name}.${process.pid}.tmp`);
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, join(folder, name));
  }
  return report;
}
