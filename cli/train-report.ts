// A training job's report as data: what the page shows, for a machine. Everything in it was released by the authority or follows from
// what was: nothing here is about fewer people than its rules allow. The page: train-report-page.ts.
import {
  type BinnedColumn,
  type Evaluation,
  type RegionEvaluation,
  type ScoreGroup,
  separationOf,
} from "../consent/release/index.ts";
import { REGION_NAMES } from "../core/provinces.ts";
import type { TrainingInput, TrainingResult } from "./train-job.ts";
import type { TrainedModel, TrainingOptions } from "./train-model.ts";
import type { CardFeature, CardGroup } from "./train-scorecard.ts";
import type { LeftOut } from "./train-selection.ts";

export interface Names {
  readonly zh: string;
  readonly en: string;
}

export interface ReportSource {
  readonly input: Pick<TrainingInput, "id" | "client" | "purpose" | "features"> & {
    readonly provinces: { readonly length: number };
  };
  readonly options: TrainingOptions;
  readonly result: TrainedModel & Partial<Pick<TrainingResult, "rounds" | "traffic">>;
  readonly createdAt: string;
  /** What a feature is called; itself where it is not known. */
  readonly names: (feature: string) => Names | undefined;
}

export type TrainingReport = ReturnType<typeof trainingReport>;

export function trainingReport({ input, options, result, createdAt, names }: ReportSource) {
  const { id, client, purpose, features, provinces } = input;
  const { people, bad, regression, rounds, traffic, seconds, evaluation } = result;
  const called = (feature: string): Names => names(feature) ?? { zh: feature, en: feature };
  return {
    format: 1 as const,
    job: { id, client, purpose, created_at: createdAt, provinces: provinces.length },
    options,
    cohort: { people, bad, bad_rate: bad / people },
    fit: fitOf(result),
    coefficients: regression.coefficients.flatMap((estimate, c) => {
      const feature = features[c - 1];
      if (feature !== undefined && result.selection.leftOut[c - 1] !== null) return [];
      const named =
        feature === undefined
          ? { feature: null, zh: "截距", en: "Intercept" }
          : { feature, ...called(feature) };
      const standard_error = regression.standardErrors[c] as number;
      const z = regression.zValues[c] as number;
      return [{ ...named, estimate, standard_error, z, p: regression.pValues[c] as number }];
    }),
    features: features.map((feature, i) => ({
      id: feature,
      ...called(feature),
      ...binsOf(result, i),
      left_out: leftOutText(result.selection.leftOut[i] ?? null, features),
    })),
    correlation: { features, matrix: result.selection.correlation },
    evaluation: evaluation && evaluationOf(evaluation),
    scorecard: scorecardOf(result, features),
    cost: { rounds: rounds ?? null, bytes: traffic ?? null, seconds },
  };
}

function fitOf({ people, bad, regression }: TrainedModel) {
  const good = people - bad;
  const nothing = bad * Math.log(bad / people) + good * Math.log(good / people);
  const logLikelihood = regression.steps.at(-1)?.logLikelihood ?? NaN;
  return {
    log_likelihood: logLikelihood,
    /** Of the intercept alone. */
    null_log_likelihood: nothing,
    /** McFadden's. */
    pseudo_r2: 1 - logLikelihood / nothing,
    effective_parameters: regression.effectiveParameters,
    steps: regression.steps,
  };
}

function binsOf({ bins, card, bad, people }: TrainedModel, feature: number) {
  const column = bins?.[feature];
  if (column === undefined) return { iv: null, bins: null };
  const points = card?.scorecard.features.find((each) => each.feature === feature);
  const whole = { people, bad };
  return { iv: column.iv, bins: binRows(column, points, whole) };
}

function binRows(
  { cuts, bins, missing }: BinnedColumn,
  points: CardFeature | undefined,
  whole: { readonly people: number },
) {
  const rows = bins.map((bin, i) => ({
    from: cuts[i - 1] ?? null,
    below: cuts[i] ?? null,
    missing: false,
    ...bin,
    points: points?.points[i] ?? null,
  }));
  const lacking = missing && {
    from: null,
    below: null,
    missing: true,
    ...missing,
    points: points?.missing ?? null,
  };
  return [...rows, ...(lacking ? [lacking] : [])].map((row) => ({
    ...row,
    share: row.people / whole.people,
    bad_rate: row.people === 0 ? 0 : row.bad / row.people,
  }));
}

function leftOutText(out: LeftOut | null, features: readonly string[]): string | null {
  switch (out?.why) {
    case undefined:
      return null;
    case "constant":
      return "the same for everybody";
    case "information":
      return `information value ${out.iv.toFixed(4)}`;
    case "correlation":
      return `correlation ${out.r.toFixed(2)} with ${features[out.with]}`;
    case "p-value":
      return `p = ${out.p.toFixed(3)}`;
  }
}

function evaluationOf({ auc, gini, ks, people, bad, groups, regions }: Evaluation) {
  let [badAbove, goodAbove] = [0, 0];
  const riskiest = groups.toReversed();
  const curve = riskiest.map((group) => {
    badAbove += group.bad;
    goodAbove += group.people - group.bad;
    return {
      /** Share of all, of the good, of the bad among those that score at least so badly. */
      people: (badAbove + goodAbove) / people,
      good: goodAbove / (people - bad),
      bad: badAbove / bad,
    };
  });
  return {
    auc,
    gini,
    ks,
    curve,
    deciles: decilesOf(riskiest, people, bad),
    by_region: regions === undefined ? null : byRegionOf(regions, groups),
  };
}

function byRegionOf(regions: readonly RegionEvaluation[], groups: readonly ScoreGroup[]) {
  const counts = (key: "people" | "bad") => Float64Array.from(groups, (group) => group[key]);
  return {
    /** The whole cohort, counted in the same cells as its regions: what theirs compare with. */
    whole: separationOf({ people: counts("people"), bad: counts("bad") }),
    regions: regions.map(({ provinces, people, bad, expected, auc, gini, ks, bands }) => ({
      ...regionNames(provinces),
      provinces,
      people,
      bad,
      bad_rate: bad / people,
      expected,
      auc,
      gini,
      ks,
      /** From the safest. */
      bands: bands.map((band) => ({ ...band, bad_rate: band.bad / band.people })),
    })),
  };
}

function regionNames(provinces: readonly string[]): Names {
  const digits = [...new Set(provinces.map((code) => code.slice(0, 1)))];
  const names = digits.map((digit) => REGION_NAMES[digit] ?? { zh: digit, en: digit });
  return {
    zh: names.map(({ zh }) => zh).join("、"),
    en: names.map(({ en }) => en).join(" and "),
  };
}

/** From the riskiest. @param groups smaller ones, from the riskiest. */
function decilesOf(groups: readonly ScoreGroup[], people: number, bad: number) {
  let captured = 0;
  return tenths(groups).map((group) => {
    const sum = (value: (each: ScoreGroup) => number): number =>
      group.reduce((total, each) => total + value(each), 0);
    const count = sum((each) => each.people);
    const ill = sum((each) => each.bad);
    captured += ill;
    const rate = ill / count;
    return {
      people: count,
      bad: ill,
      bad_rate: rate,
      /** Mean of the model's probabilities. */
      expected: sum((each) => each.people * each.expected) / count,
      lift: rate / (bad / people),
      /** Share of all bad up to here. */
      captured: captured / bad,
    };
  });
}

const TENTHS = 10;
/** A tenth ends with the group that brings it to within this share of its end. */
const SLACK = 0.01;

/** Neighbours put together into tenths of the people, as nearly as the groups allow. */
function tenths<T extends { readonly people: number }>(groups: readonly T[]): T[][] {
  const total = groups.reduce((sum, { people }) => sum + people, 0);
  const runs: T[][] = [];
  let run: T[] = [];
  let held = 0;
  let end = 1;
  for (const group of groups) {
    run.push(group);
    held += group.people;
    if (held < total * (end / TENTHS - SLACK)) continue;
    runs.push(run);
    run = [];
    end = Math.max(end, Math.floor((held / total + SLACK) * TENTHS)) + 1;
  }
  return run.length === 0 ? runs : [...runs, run];
}

function scorecardOf({ card, people, bad }: TrainedModel, features: readonly string[]) {
  if (card === undefined) return null;
  const { scale, offset, features: points } = card.scorecard;
  const groups = card.evaluation?.groups ?? [];
  return {
    scale,
    offset,
    features: points.map(({ feature, ...rest }) => ({ indicator: features[feature], ...rest })),
    auc: card.evaluation?.auc ?? null,
    ks: card.evaluation?.ks ?? null,
    /** Shares of the cohort by score, from the lowest: PSI of later people is Σ (a − e) · ln(a / e) over them. */
    psi_baseline: tenths(groups).map((group) => bandOf(group, people, bad)),
  };
}

function bandOf(group: readonly CardGroup[], people: number, bad: number) {
  const count = group.reduce((sum, each) => sum + each.people, 0);
  const ill = group.reduce((sum, each) => sum + each.bad, 0);
  const from = group[0]?.from ?? null;
  const to = group.at(-1)?.to ?? null;
  return {
    from,
    to,
    share: count / people,
    bad_rate: ill / count,
    lift: ill / count / (bad / people),
  };
}
