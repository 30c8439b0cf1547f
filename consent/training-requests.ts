// What is asked in a training job, as zod schemas: of the provinces by the authority, and of the authority by the institution.
// The types are crypto/training-round.ts's. None of it names a person or carries a label. docs/decisions/070.
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import type { AggregateRequest, Design, LabelRequest, Score } from "../crypto/index.ts";

/** Columns, and cuts of one column: what a province is ready to work through in one round. */
const MOST_COLUMNS = 128;
const MOST_CUTS = 8192;

const numbers = (max: number) => z.array(z.number()).max(max);
const columns = numbers(MOST_COLUMNS);
const perColumn = z.array(numbers(MOST_CUTS)).max(MOST_COLUMNS);

export const DesignSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("raw"), centre: columns, scale: columns }),
  z.strictObject({ kind: z.literal("woe"), edges: perColumn, woe: perColumn }),
]) satisfies z.ZodType<Design>;

const score = { design: DesignSchema, coefficients: numbers(1 + MOST_COLUMNS) };
const cuts = numbers(MOST_CUTS);
/** Each of at least three of 64 provinces. */
const byRegion = { regions: z.int().min(2).max(21), cuts: numbers(MOST_COLUMNS), ...score };

export const AggregateRequestSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("counts"), edges: perColumn }),
  z.strictObject({ type: z.literal("moments"), centre: columns, scale: columns }),
  z.strictObject({ type: z.literal("overlap"), jobs: z.array(z.uuid()).max(256) }),
  z.strictObject({ type: z.literal("newton"), ...score }),
  z.strictObject({ type: z.literal("score-counts"), cuts, ...score }),
  z.strictObject({ type: z.literal("region-counts"), ...byRegion }),
]) satisfies z.ZodType<AggregateRequest>;

export const LabelRequestSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("bins"), edges: perColumn }),
  z.strictObject({ type: z.literal("design"), design: DesignSchema }),
  z.strictObject({ type: z.literal("score-bins"), cuts, ...score }),
  z.strictObject({ type: z.literal("region-bins"), ...byRegion }),
]) satisfies z.ZodType<LabelRequest>;

/** One question of an institution to the authority: each is one or more rounds, and one release. */
export const TrainingAsk = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("admit") }),
  z.strictObject({ type: z.literal("standardisation") }),
  z.strictObject({ type: z.literal("bins"), count: z.int().min(2).max(20), monotone: z.boolean() }),
  z.strictObject({ type: z.literal("label-totals"), design: DesignSchema }),
  z.strictObject({ type: z.literal("newton"), ...score }),
  z.strictObject({
    type: z.literal("evaluation"),
    ks: z.enum(["exact", "coarse"]),
    /** Only of a job that was admitted `by_region`. */
    regions: z.literal(true).optional(),
    ...score,
  }),
  z.strictObject({
    type: z.literal("drift"),
    cuts: numbers(64).refine(
      (all) => all.every((cut, i) => i === 0 || (all[i - 1] as number) < cut),
      "ascending",
    ),
    ...score,
  }),
]);
export type TrainingAsk = z.infer<typeof TrainingAsk>;

/** What a job without labels asks: a score over these indicators, counted at these cuts. The same again has the same digest. */
export function driftDigest(
  features: readonly string[],
  { design, coefficients, cuts }: Score & { readonly cuts: readonly number[] },
): string {
  return sha256Hex(canonicalJson({ features, design, coefficients, cuts }));
}
