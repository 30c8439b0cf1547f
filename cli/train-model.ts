// What a training job does with the authority's releases, from admission to an evaluated model: the bank's side. It asks for sums and
// sees nothing else, so it is the same in one process and over a network. DESIGN §9; docs/decisions/070.
import type { BinnedColumn, Evaluation, TrainingRelease } from "../consent/release/index.ts";
import { WjfError } from "../core/errors.ts";
import type { Design } from "../crypto/index.ts";
import {
  everything,
  regress,
  type Regression,
  type RegressionOptions,
} from "./train-regression.ts";
import {
  type CardEvaluation,
  cardEvaluation,
  countedScore,
  type Scorecard,
  scorecardOf,
  type ScorecardScale,
} from "./train-scorecard.ts";
import { selectColumns, type Selection, type SelectionOptions } from "./train-selection.ts";

export interface TrainingOptions extends RegressionOptions, SelectionOptions {
  readonly columns: "raw" | "woe";
  readonly bins: number;
  readonly monotone: boolean;
  readonly evaluate: boolean;
  /** Evaluate also by region: only of a job that was admitted so. */
  readonly byRegion: boolean;
  /** Weight-of-evidence training only: makes a scorecard, and evaluates it as it will be served. */
  readonly scale?: ScorecardScale;
}

export const TRAINING_DEFAULTS: TrainingOptions = {
  columns: "woe",
  bins: 10,
  monotone: false,
  evaluate: true,
  byRegion: false,
  l2: 1,
  maxSteps: 25,
  minIv: 0,
  maxCorrelation: 1,
  maxP: 1,
};

/** What the authority does for a job. */
export type TrainingAuthority = Pick<
  TrainingRelease,
  "admit" | "standardisation" | "bins" | "labelTotals" | "newton" | "evaluation"
>;

export interface TrainedModel {
  readonly people: number;
  readonly bad: number;
  readonly design: Design;
  /** Weight-of-evidence training only. */
  readonly bins: readonly BinnedColumn[] | undefined;
  readonly selection: Selection;
  readonly regression: Regression;
  readonly evaluation: Evaluation | undefined;
  /** Where a scale was given; its evaluation where one was wished. */
  readonly card:
    { readonly scorecard: Scorecard; readonly evaluation?: CardEvaluation } | undefined;
  readonly seconds: Readonly<Record<"preparation" | "regression" | "evaluation", number>>;
}

/** @throws WjfError `training-refused`, `config-invalid`. */
export async function trainModel(
  authority: TrainingAuthority,
  features: number,
  options: TrainingOptions,
): Promise<TrainedModel> {
  if (options.scale !== undefined && options.columns !== "woe") {
    throw new WjfError("config-invalid", "a scorecard needs columns in weights of evidence");
  }
  const clock = stopwatch();
  const cohort = await authority.admit();
  const { design, bins } = await prepare(authority, options);
  const preparation = clock();
  const totals = bins ? evidenceTotals(bins, cohort.bad) : await authority.labelTotals(design);
  const prepared = { design, bins, totals, features };
  const { regression, selection } = await fit(authority, prepared, options);
  const regressed = clock();
  const score = { design, coefficients: regression.coefficients };
  const evaluation = options.evaluate
    ? await authority.evaluation(score, { regions: options.byRegion })
    : undefined;
  const included = selection.leftOut.flatMap((out, feature) => (out === null ? [feature] : []));
  const card =
    options.scale === undefined || bins === undefined
      ? undefined
      : await makeCard(
          authority,
          scorecardOf(
            { ...cohort, bins, coefficients: score.coefficients, included },
            options.scale,
          ),
          { features, evaluate: options.evaluate },
        );
  const seconds = { preparation, regression: regressed, evaluation: clock() };
  return { ...cohort, design, bins, selection, regression, evaluation, card, seconds };
}

async function makeCard(
  authority: TrainingAuthority,
  scorecard: Scorecard,
  { features, evaluate }: { readonly features: number; readonly evaluate: boolean },
) {
  if (!evaluate) return { scorecard };
  const counted = await authority.evaluation(countedScore(scorecard, features), { ks: "coarse" });
  return { scorecard, evaluation: cardEvaluation(scorecard, counted) };
}

async function prepare(
  authority: TrainingAuthority,
  { columns, bins: count, monotone }: TrainingOptions,
): Promise<{ design: Design; bins: readonly BinnedColumn[] | undefined }> {
  if (columns === "raw") {
    const { centre, scale } = await authority.standardisation();
    return { design: { kind: "raw", centre, scale }, bins: undefined };
  }
  const bins = await authority.bins(count, monotone);
  const edges = bins.map(({ cuts }) => cuts);
  const woe = bins.map((each) => [...each.bins.map((bin) => bin.woe), each.missing?.woe ?? 0]);
  return { design: { kind: "woe", edges, woe }, bins };
}

interface Prepared {
  readonly design: Design;
  readonly bins: readonly BinnedColumn[] | undefined;
  /** Xᵀy. */
  readonly totals: Float64Array;
  readonly features: number;
}

/** Xᵀy of weights of evidence, without a round and without rounding: the bins say how many bad have each. */
function evidenceTotals(bins: readonly BinnedColumn[], bad: number): Float64Array {
  const totals = bins.map(({ bins: each, missing }) =>
    [...each, ...(missing ? [missing] : [])].reduce((sum, bin) => sum + bin.woe * bin.bad, 0),
  );
  return Float64Array.of(bad, ...totals);
}

/** Fits, and fits again as long as a column is to be left out. */
async function fit(
  authority: TrainingAuthority,
  { design, bins, totals, features }: Prepared,
  options: TrainingOptions,
): Promise<{ regression: Regression; selection: Selection }> {
  const { coefficients: zeros } = everything(features + 1);
  // Every fit from nothing begins with these sums, and the selection needs them first.
  const atZero = await authority.newton({ design, coefficients: zeros });
  const sumsAt = async (coefficients: readonly number[]) =>
    coefficients.every((value) => value === 0)
      ? atZero
      : await authority.newton({ design, coefficients });
  const { leftOut: first, correlation } = selectColumns(atZero.hessian, features, bins, options);
  const leftOut = [...first];
  let coefficients: readonly number[] = zeros;
  for (;;) {
    const included = [0, ...leftOut.flatMap((out, c) => (out === null ? [c + 1] : []))];
    const regression = await regress(totals, sumsAt, options, { coefficients, included });
    const [, ...pValues] = regression.pValues.map((p) => (Number.isNaN(p) ? 0 : p));
    const p = Math.max(0, ...pValues);
    if (p <= options.maxP) return { regression, selection: { leftOut, correlation } };
    const worst = pValues.indexOf(p);
    leftOut[worst] = { why: "p-value", p };
    coefficients = regression.coefficients.map((value, c) => (c === worst + 1 ? 0 : value));
  }
}

/** Seconds since it was last asked. */
export function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return seconds;
  };
}
