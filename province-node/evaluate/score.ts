// A model over one number's record: points per bin, clamped per dimension, weighted into a score above the offset.
// Integers only, so every party that evaluates a package gets the same number.
import {
  type EvaluationContext,
  type Feature,
  maxScore,
  type Model,
  type NumberRecord,
  roundedRatio,
  type WeightedDimension,
} from "../../catalogue/index.ts";

/** Numbers that came from the caller's claims, by input id; a missing one is not known. */
export type Inputs = Readonly<Record<string, number | null>>;

export interface NumberScore {
  /** Evidence weight, 0 … 255; 0 means that this number says nothing. */
  readonly weight: number;
  /** Above the model's offset: 0 … maxScore(model). */
  readonly score: number;
  /** Points per dimension, 0 … max. */
  readonly dimensions: readonly number[];
}

export function evaluateModel(
  model: Model,
  record: NumberRecord,
  context: EvaluationContext,
  inputs: Inputs = {},
): NumberScore {
  const dimensions = model.dimensions.map((d) => dimensionPoints(d, record, context, inputs));
  const sum = model.dimensions.reduce(
    (total, d, i) => total + d.weight * (dimensions[i] as number),
    0,
  );
  const score = Math.min(roundedRatio(sum, model.divisor), maxScore(model));
  return { weight: evidenceWeight(model, record, context), score, dimensions };
}

/** The released score that this number alone would give; null without evidence. Inputs count as missing. */
export function scoreOfNumber(
  model: Model,
  record: NumberRecord,
  context: EvaluationContext,
): number | null {
  const { weight, score } = evaluateModel(model, record, context);
  if (weight === 0) return null;
  return Math.min(model.max, Math.max(model.min, model.offset + score));
}

function evidenceWeight(model: Model, record: NumberRecord, context: EvaluationContext): number {
  const { indicator, min, max } = model.weight;
  const natural = naturalValue(indicator, record, context);
  if (natural === null) return 0;
  return Math.min(max, Math.max(min, Math.floor(natural)));
}

function dimensionPoints(
  dimension: WeightedDimension,
  record: NumberRecord,
  context: EvaluationContext,
  inputs: Inputs,
): number {
  let points = dimension.base;
  for (const feature of dimension.features)
    points += featurePoints(feature, record, context, inputs);
  return Math.min(dimension.max, Math.max(0, points));
}

function featurePoints(
  feature: Feature,
  record: NumberRecord,
  context: EvaluationContext,
  inputs: Inputs,
): number {
  const value =
    "input" in feature
      ? (inputs[feature.input] ?? null)
      : naturalValue(feature.indicator, record, context);
  if (value === null) return feature.missing;
  const bin = feature.bins.find(({ below }) => below === undefined || value < below);
  return bin?.points ?? feature.missing;
}

function naturalValue(
  id: string,
  record: NumberRecord,
  { positions, scales }: EvaluationContext,
): number | null {
  const position = positions.get(id) as number;
  const stored = record.values[position] ?? null;
  return stored === null ? null : stored / (scales[position] as number);
}
