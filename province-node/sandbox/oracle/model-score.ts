// A model package over one number (CATALOGUE §3): points by bins, dimensions, evidence. The points, weights and bounds
// are the package's, the arithmetic is the oracle's own.
import type { Model } from "../../../catalogue/index.ts";
import { roundedShare, sumOf } from "./number-history.ts";
import type { NumberReading } from "./number-reading.ts";

/** What the caller's claims say about this number, by input; null where nothing was claimed. */
export type ClaimedInputs = Readonly<Record<string, number | null>>;

export interface Scored {
  /** Months of evidence; 0 where this number says nothing. */
  readonly evidence: number;
  /** Above the model's offset. */
  readonly score: number;
  /** Points of each dimension, in the model's order. */
  readonly points: readonly number[];
}

type ModelDimension = Model["dimensions"][number];
type ModelFeature = ModelDimension["features"][number];

export function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** The points of the first bin that ends above the value. */
export function binPoints(
  bins: readonly { readonly below?: number | undefined; readonly points: number }[],
  value: number,
): number {
  for (const { below, points } of bins) {
    if (below === undefined || value < below) return points;
  }
  return 0;
}

function featurePoints(
  number: NumberReading,
  feature: ModelFeature,
  inputs: ClaimedInputs,
): number {
  const value =
    "input" in feature ? (inputs[feature.input] ?? null) : number.value(feature.indicator);
  return value === null ? feature.missing : binPoints(feature.bins, value);
}

function dimensionPoints(
  number: NumberReading,
  { base, max, features }: ModelDimension,
  inputs: ClaimedInputs,
): number {
  const gained = sumOf(features.map((feature) => featurePoints(number, feature, inputs)));
  return within(base + gained, 0, max);
}

export function scored(number: NumberReading, model: Model, inputs: ClaimedInputs = {}): Scored {
  const points = model.dimensions.map((each) => dimensionPoints(number, each, inputs));
  const weighted = sumOf(model.dimensions.map(({ weight }, i) => weight * (points[i] ?? 0)));
  const score = roundedShare(weighted, model.divisor) ?? 0;
  const months = number.value(model.weight.indicator);
  return {
    evidence: months === null ? 0 : within(Math.floor(months), model.weight.min, model.weight.max),
    score: Math.min(score, model.max - model.offset),
    points,
  };
}

/** The credit score that this number alone would have; null without evidence. */
export function creditScore(number: NumberReading): number | null {
  const model = number.parameters.models.get("credit-score@1");
  if (model === undefined) throw new TypeError("there is no credit-score@1");
  const { evidence, score } = scored(number, model);
  return evidence === 0 ? null : within(model.offset + score, model.min, model.max);
}
