// A model package (CATALOGUE §3): points per bin of a feature, summed per dimension, weighted into a score. All in
// integers, so that a province, an auditor and the training report get the same number. Evaluated at the provinces;
// how the score is released is the product's rule.
import { z } from "zod";
import { IndicatorId, RelationId } from "./indicator.ts";

const points = z.int().min(-10_000).max(10_000);

/** Bins in ascending order; a value falls into the first whose `below` exceeds it; the last one has no `below`. */
const Bins = z
  .array(z.strictObject({ below: z.number().optional(), points }))
  .min(1)
  .max(64)
  .refine(
    (bins) => bins.slice(0, -1).every((bin) => bin.below !== undefined),
    "only the last bin may lack `below`",
  )
  .refine((bins) => bins.at(-1)?.below === undefined, "the last bin must lack `below`")
  .refine(
    (bins) =>
      bins.every(
        (bin, i) => i === 0 || bin.below === undefined || bin.below > (bins[i - 1]?.below ?? 0),
      ),
    "`below` must ascend",
  );

/** `below` is in the indicator's natural unit. `missing`: the points when the value is not known. */
export const Feature = z.union([
  z.strictObject({ indicator: IndicatorId, bins: Bins, missing: points }),
  /** A number that comes from the caller's claims, by the product's input of that name. */
  z.strictObject({ input: RelationId, bins: Bins, missing: points }),
]);
export type Feature = z.infer<typeof Feature>;

const reason = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9-]*$/, "a reason code: lower-case-words"),
  zh: z.string().min(1),
  en: z.string().min(1),
});

/** Sum of `base` and the features' points, clamped to 0 … max. */
export const Dimension = z.strictObject({
  id: RelationId,
  zh: z.string().min(1),
  en: z.string().min(1),
  base: z.int().min(-10_000).max(10_000).default(0),
  max: z.int().min(1).max(10_000),
  /** What is said when this dimension is among the two that cost most. */
  reason,
  features: z.array(Feature).min(1).max(200),
});
export type Dimension = z.infer<typeof Dimension>;

const weight = z.int().min(1).max(1000);

/** Counted by the authority after decryption; no province can know it (CATALOGUE §4, 多头申请). */
export const AuthorityFeature = z.strictObject({
  id: RelationId,
  zh: z.string().min(1),
  en: z.string().min(1),
  /** Different institutions that had an answer about this person in so many days, this one not counted. */
  counts: z.literal("institutions"),
  window_days: z.int().min(1).max(366),
  bins: Bins,
  max: z.int().min(1).max(10_000),
  reason,
});
export type AuthorityFeature = z.infer<typeof AuthorityFeature>;

export const ModelDeclaration = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]*(:[a-z0-9-]+)?$/, "a model id"),
  version: z.int().min(1).max(9999),
  /** The catalogue version whose indicators it was made for. */
  catalogue_version: z.int().min(1),
  zh: z.string().min(1),
  en: z.string().min(1),
  owner: z.string().min(1),
  /** Where the score's good end is; decides what "costs". */
  good: z.enum(["high", "low"]),
  /** Evidence weight: an indicator's natural value, clamped; a number without it has no evidence. DESIGN §4. */
  weight: z.strictObject({
    indicator: IndicatorId,
    min: z.int().min(0).max(255),
    max: z.int().min(1).max(255),
  }),
  offset: z.int().min(-100_000).max(100_000),
  /** The released score's bounds. */
  min: z.int(),
  max: z.int(),
  /** score = offset + Σ weight · points / divisor, rounded half up. */
  divisor: z.int().min(1).max(100_000).default(1),
  dimensions: z
    .array(
      z.union([
        z.strictObject({ ...Dimension.shape, weight: weight.default(1) }),
        /** A sub-score declared once in sub-scores.json, with this model's weight. */
        z.strictObject({ use: RelationId, weight }),
      ]),
    )
    .min(1)
    .max(20),
  authority: z.array(AuthorityFeature).max(4).default([]),
  /** From the best to the worst end of the scale: the first whose `from` the score reaches. */
  bands: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(16),
        from: z.int(),
        zh: z.string(),
        en: z.string(),
      }),
    )
    .max(20)
    .default([]),
  /** What the training run, or the expert, reported; shown, never computed with. */
  training: z.record(z.string(), z.json()).optional(),
});

export interface WeightedDimension extends Dimension {
  readonly weight: number;
}

export interface Model extends Omit<z.infer<typeof ModelDeclaration>, "dimensions"> {
  /** `id@version` */
  readonly ref: string;
  readonly dimensions: readonly WeightedDimension[];
}
