// From a regression on weights of evidence to whole points: per bin of a feature, so that a province adds integers. The scale is
// the usual one: so many points at given odds of good to bad, and so many more double them. Pure. CATALOGUE §3.
import { WjfError } from "../core/errors.ts";
import type { BinnedColumn, Evaluation } from "../consent/release/index.ts";
import type { Score } from "../crypto/index.ts";

export interface ScorecardScale {
  /** The score where the odds of good to bad are `baseOdds`. */
  readonly basePoints: number;
  readonly baseOdds: number;
  /** Points to double the odds. */
  readonly pdo: number;
  readonly min: number;
  readonly max: number;
  /**
   * Share of the bad where the score will be used; without it, the cohort's. Moves the intercept by the difference in log-odds (King
   * and Zeng 2001 §4.1, prior correction): what class weights are mostly for, and exact where the model is right.
   */
  readonly badRate?: number;
}

export const DEFAULT_SCALE: ScorecardScale = {
  basePoints: 600,
  baseOdds: 20,
  pdo: 40,
  min: 300,
  max: 850,
};

export interface CardFeature {
  /** Place among the job's features. */
  readonly feature: number;
  readonly cuts: readonly number[];
  /** Per bin, one more than the cuts; the least of them, `missing` among them, is 0. */
  readonly points: readonly number[];
  readonly missing: number;
}

/** score = offset + Σ points, within min and max. */
export interface Scorecard {
  readonly scale: ScorecardScale;
  readonly offset: number;
  readonly features: readonly CardFeature[];
}

/** What a served score follows from. */
export type ServedCard = Pick<Scorecard, "offset" | "features">;

/** A group by score, of the card as it is served. */
export interface CardGroup {
  readonly people: number;
  readonly bad: number;
  /** Lowest and highest score in it; null where it is open. */
  readonly from: number | null;
  readonly to: number | null;
}

export interface CardEvaluation extends Pick<Evaluation, "auc" | "gini" | "ks"> {
  /** From the lowest score to the highest: what a later population is compared with. */
  readonly groups: readonly CardGroup[];
}

export interface CardSource {
  readonly people: number;
  readonly bad: number;
  readonly bins: readonly BinnedColumn[];
  /** The intercept's first. */
  readonly coefficients: readonly number[];
  /** Features in the model. */
  readonly included: readonly number[];
}

/** @throws WjfError `config-invalid` for a scale that is none. */
export function scorecardOf(source: CardSource, scale: ScorecardScale): Scorecard {
  const { people, bad, bins, coefficients, included } = source;
  const badRate = scale.badRate ?? bad / people;
  const sound = scale.pdo > 0 && scale.baseOdds > 0 && scale.min < scale.max;
  if (!sound || !(badRate > 0 && badRate < 1)) {
    throw new WjfError("config-invalid", "a scorecard's pdo, odds, bounds and bad rate");
  }
  const factor = scale.pdo / Math.LN2;
  const shift = Math.log(badRate / (1 - badRate)) - Math.log(bad / (people - bad));
  const intercept = (coefficients[0] as number) + shift;
  let offset = Math.round(scale.basePoints - factor * (Math.log(scale.baseOdds) + intercept));
  const features = included.map((feature) => {
    const column = bins[feature] as BinnedColumn;
    const slope = coefficients[feature + 1] as number;
    const raw = [...column.bins.map(({ woe }) => woe), column.missing?.woe ?? 0].map((woe) =>
      Math.round(-factor * slope * woe),
    );
    const least = Math.min(...raw);
    offset += least;
    const points = raw.map((each) => each - least);
    const missing = points.pop() as number;
    return { feature, cuts: column.cuts, points, missing };
  });
  return { scale, offset, features };
}

/** A linear score is counted in hundredths (training-release.ts): a point is one, and lies in the middle between two. */
const POINT = 0.01;

/** A score halfway between the most and the least that the card gives: the counting reaches 3,000 points to each side. */
function middleOf({ offset, features }: ServedCard): number {
  const most = features.reduce((sum, each) => sum + Math.max(...each.points, each.missing), 0);
  return offset + Math.round(most / 2);
}

/** The card as provinces can be asked to count it: linear in its own points, and like every score here high for the bad. */
export function countedScore(card: ServedCard, features: number): Score {
  const edges = Array.from({ length: features }, (): readonly number[] => []);
  const woe = edges.map((): readonly number[] => [0, 0]);
  for (const { feature, cuts, points, missing } of card.features) {
    edges[feature] = cuts;
    woe[feature] = [...points, missing].map((each) => -POINT * each);
  }
  const intercept = POINT * (middleOf(card) - card.offset) + POINT / 2;
  return {
    design: { kind: "woe", edges, woe },
    coefficients: [intercept, ...edges.map(() => 1)],
  };
}

/** The linear score of `countedScore` below which lie the scores from `from` on. */
export function cutBelow(card: ServedCard, from: number): number {
  return (middleOf(card) + 1 - from) / 100;
}

/** @param counted the evaluation of `countedScore`. */
export function cardEvaluation(card: Scorecard, counted: Evaluation): CardEvaluation {
  const middle = middleOf(card);
  const { auc, gini, ks } = counted;
  const groups = counted.groups.map(({ people, bad, from, below }) => ({
    people,
    bad,
    from: below === null ? null : middle + 1 - Math.round(below / POINT),
    to: from === null ? null : middle - Math.round(from / POINT),
  }));
  return { auc, gini, ks, groups: groups.toReversed() };
}
