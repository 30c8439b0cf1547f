// Trains a data set over 31 provinces and centrally, on raw standardised and on weight-of-evidence columns, and compares.
import { systemRandom } from "../../core/random.ts";
import { train, TRAINING_DEFAULTS, type TrainingResult } from "../../cli/train-job.ts";
import { centralAucKs, centralRegression, centralWoe, standardise } from "./central-lr.ts";
import { type DataSet, splitByRow } from "./real-data-sets.ts";

export interface Comparison {
  readonly result: TrainingResult;
  /** Largest over the coefficients of |difference| / |central|. */
  readonly relativeError: number;
  /** The same with the standard error in place of a coefficient smaller than it: such a one has no leading digits to agree on. */
  readonly errorOfScale: number;
  /** Largest over the standard errors of |difference| / |central|. */
  readonly standardErrorGap: number;
  readonly aucGap: number;
  readonly ksGap: number;
  readonly central: { readonly auc: number; readonly ks: number };
}

export async function compareWithCentral(
  data: DataSet,
  columns: "raw" | "woe",
): Promise<Comparison> {
  const input = {
    id: `equals-central-${columns}`,
    client: "test-bank",
    purpose: "dpv:CreditChecking",
    features: data.features,
    provinces: splitByRow(data),
    random: systemRandom,
  };
  const result = await train(input, { ...TRAINING_DEFAULTS, columns });
  const design =
    result.design.kind === "raw"
      ? standardise(data.rows)
      : centralWoe(data.rows, data.labels, result.design.edges);
  const central = centralRegression(design, data.labels, TRAINING_DEFAULTS.l2);
  const measured = centralAucKs(central.scores, data.labels);
  const { coefficients, standardErrors } = result.regression;
  const differences = central.coefficients.map((value, c) => Math.abs(value - coefficients[c]!));
  const errors = central.coefficients.map((value, c) =>
    differences[c] === 0 ? 0 : differences[c]! / Math.abs(value),
  );
  const errorsOfScale = central.coefficients.map(
    (value, c) => differences[c]! / Math.max(Math.abs(value), standardErrors[c]!),
  );
  const gaps = central.standardErrors.map((value, c) =>
    Math.abs(1 - (standardErrors[c] ?? NaN) / value),
  );
  return {
    result,
    standardErrorGap: Math.max(...gaps),
    relativeError: Math.max(...errors),
    errorOfScale: Math.max(...errorsOfScale),
    aucGap: Math.abs(measured.auc - (result.evaluation?.auc ?? NaN)),
    ksGap: Math.abs(measured.ks - (result.evaluation?.ks ?? NaN)),
    central: measured,
  };
}
