// Links a model package: its sub-scores are written in, its indicators exist, its bounds fit what its points can give.
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import type { Indicator } from "./indicator.ts";
import { Dimension, type Model, type ModelDeclaration, type WeightedDimension } from "./model.ts";
import type { ScoreScale } from "./release-rule.ts";
import { roundedRatio } from "./decide-score.ts";

/** A dimension that several models share (CATALOGUE §3, the six sub-scores), each 0–100. */
export const SubScore = z.strictObject({ ...Dimension.shape, max: z.literal(100) });
export type SubScore = z.infer<typeof SubScore>;

export interface ModelParts {
  readonly indicators: ReadonlyMap<string, Indicator>;
  readonly subScores: ReadonlyMap<string, SubScore>;
  /** The catalogue's. */
  readonly version: number;
}

function invalid(where: string, rule: string): never {
  throw new WjfError("data-invalid", `${where}: ${rule}`);
}

/** @throws WjfError `data-invalid`, naming the place. */
export function linkModel(
  declared: z.infer<typeof ModelDeclaration>,
  parts: ModelParts,
  file: string,
): Model {
  if (declared.catalogue_version !== parts.version) {
    invalid(`${file}: catalogue_version`, `the catalogue is version ${parts.version}`);
  }
  if (declared.min >= declared.max) invalid(`${file}: max`, "must be above min");
  if (declared.weight.min > declared.weight.max)
    invalid(`${file}: weight.max`, "must not be below min");
  if (!parts.indicators.has(declared.weight.indicator)) {
    invalid(`${file}: weight.indicator`, "no such indicator");
  }
  checkBands(declared, file);
  const dimensions = declared.dimensions.map((each, i) => {
    const where = `${file}: dimensions.${i}`;
    return linkDimension(each, parts, where);
  });
  if (new Set(dimensions.map(({ id }) => id)).size !== dimensions.length) {
    invalid(`${file}: dimensions`, "two have the same id");
  }
  return { ...declared, ref: `${declared.id}@${declared.version}`, dimensions };
}

function linkDimension(
  declared: z.infer<typeof ModelDeclaration>["dimensions"][number],
  { indicators, subScores }: ModelParts,
  where: string,
): WeightedDimension {
  const dimension =
    "use" in declared
      ? {
          ...(subScores.get(declared.use) ?? invalid(`${where}.use`, "no such sub-score")),
          weight: declared.weight,
        }
      : declared;
  dimension.features.forEach((feature, i) => {
    if ("indicator" in feature && !indicators.has(feature.indicator)) {
      invalid(`${where}.features.${i}.indicator`, "no such indicator");
    }
  });
  return dimension;
}

function checkBands({ bands, good }: z.infer<typeof ModelDeclaration>, file: string): void {
  const sign = good === "high" ? 1 : -1;
  bands.forEach((band, i) => {
    const previous = bands[i - 1];
    if (previous !== undefined && (previous.from - band.from) * sign <= 0) {
      invalid(`${file}: bands.${i}.from`, "bands go from the good end to the other");
    }
  });
}

/** The largest score above the offset that a number's points can give. */
export function maxScore(model: Pick<Model, "dimensions" | "divisor" | "offset" | "max">): number {
  const sum = model.dimensions.reduce((total, d) => total + d.weight * d.max, 0);
  return Math.max(0, Math.min(roundedRatio(sum, model.divisor), model.max - model.offset));
}

/** What a release needs to know of a model, and no more. */
export function scaleOf(model: Model): ScoreScale {
  return {
    model: { id: model.id, version: model.version },
    offset: model.offset,
    min: model.min,
    max: model.max,
    good: model.good,
    maxScore: maxScore(model),
    divisor: model.divisor,
    dimensions: model.dimensions.map(({ id, max, weight, reason }) => ({
      id,
      max,
      weight,
      reason,
    })),
    authority: model.authority.map(({ id, window_days, bins, max, reason }) => ({
      id,
      windowDays: window_days,
      bins,
      max,
      reason,
    })),
    bands: model.bands.map(({ id, from }) => ({ id, from })),
  };
}
