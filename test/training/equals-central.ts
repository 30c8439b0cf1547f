// Trains a data set over 31 provinces and centrally, on raw standardised and on weight-of-evidence columns, and compares.
import { systemRandom } from "../../core/random.ts";
import { train, TRAINING_DEFAULTS, type TrainingResult } from "../../cli/train-job.ts";
import { centralAucKs, centralRegression, centralWoe, standardise } from "./central-lr.ts";
import { type DataSet, splitByRow } from "./real-data-sets.ts";

export interface Comparison {
  readonly result: TrainingResult;
  /** Largest over the coefficients of |difference| / |central|. */
  readonly relativeError: number;
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
  const errors = central.coefficients.map((value, c) => {
    const difference = Math.abs(value - result.regression.coefficients[c]!);
    return difference === 0 ? 0 : difference / Math.abs(value);
  });
  return {
    result,
    relativeError: Math.max(...errors),
    aucGap: Math.abs(measured.auc - (result.evaluation?.auc ?? NaN)),
    ksGap: Math.abs(measured.ks - (result.evaluation?.ks ?? NaN)),
    central: measured,
  };
}
