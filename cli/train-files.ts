// What a finished training job leaves in a folder: the report as a page and as JSON, and where a scorecard was made its draft of a model
// package, which names the report by its digest. `wjf model check | preview | sign` go on from there.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Catalogue } from "../catalogue/index.ts";
import { sha256Hex } from "../core/canonical.ts";
import { type PackageNames, packageDraft } from "./train-package.ts";
import { type ReportSource, trainingReport } from "./train-report.ts";
import { trainingPage } from "./train-report-page.ts";

export interface TrainingFiles {
  readonly report: string;
  readonly page: string;
  readonly model: string | undefined;
}

/**
 * @param names of the package; without them, or without a scorecard, none is written.
 * @throws WjfError `model-invalid` where a feature is no indicator of the catalogue; then nothing is written.
 */
export function writeTrainingFiles(
  folder: string,
  source: Omit<ReportSource, "names">,
  catalogue: Catalogue,
  names?: PackageNames,
): TrainingFiles {
  const report = trainingReport({
    ...source,
    names: (feature) => catalogue.indicatorById.get(feature),
  });
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const { card, evaluation, people, bad } = source.result;
  const training = {
    kind: "federated logistic regression on encrypted labels",
    job: report.job.id,
    people,
    bad,
    auc: evaluation?.auc ?? null,
    ks: evaluation?.ks ?? null,
    scorecard_auc: report.scorecard?.auc ?? null,
    scorecard_ks: report.scorecard?.ks ?? null,
    psi_baseline: (report.scorecard?.psi_baseline ?? []).map(({ from, share }) => ({
      from,
      share,
    })),
    report_sha256: sha256Hex(json),
  };
  const draft =
    card === undefined || names === undefined
      ? undefined
      : packageDraft({ ...card, features: source.input.features, training }, names, catalogue);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  return {
    report: write("report.json", json),
    page: write("report.html", trainingPage(report)),
    model: draft && write("model.json", `${JSON.stringify(draft, null, 2)}\n`),
  };
}
