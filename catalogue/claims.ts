// The form of a product's opened claims. Only a province that holds the person ever sees them; what does not fit
// raises the item's fault slot there. Schemas are built from the declarations, so /v1/products can publish them.
import { z } from "zod";
import { CLAIM_FIELDS } from "./claim-fields.ts";
import type { Evaluation, LinkedInput } from "./product.ts";
import { type Check, type Checkable, checkSchema } from "./verification.ts";
import { MAX_CONDITIONS } from "./watch-state.ts";

const MAX_CHECKS = 16;

/** How the checks' answers become one: three-valued, see combine.ts at the node. */
export const Combination = z.union([
  z.literal(["all", "any"]),
  z.strictObject({ at_least: z.int().min(1).max(MAX_CHECKS) }),
  z.strictObject({
    score: z.strictObject({
      weights: z.array(z.int().min(0).max(1000)).min(1).max(MAX_CHECKS),
      threshold: z.int().min(0).max(100),
    }),
  }),
]);
export type Combination = z.infer<typeof Combination>;

export interface CheckClaims {
  readonly combine: Combination;
  readonly checks: readonly Check[];
}

/** Checks of one claim field, or the numbers of a caller's own list. */
export type ModelClaims = Readonly<
  Record<string, readonly Check[] | readonly string[] | undefined>
>;

/** What is watched about one person: conditions with their thresholds. */
export interface WatchClaims {
  readonly conditions: readonly Check[];
}

export interface TagClaims {
  readonly classes: readonly string[];
}

/** The schema of the opened claims of a product that evaluates so; null where it takes none. */
export function claimsSchemaOf(evaluation: Evaluation): z.ZodType | null {
  switch (evaluation.type) {
    case "checks":
      return checkClaimsSchema(evaluation.verifications);
    case "count":
      return null;
    case "model":
      return evaluation.inputs.length === 0 ? null : modelClaimsSchema(evaluation.inputs);
    case "watches":
      return z.strictObject({
        conditions: z.array(oneCheck(evaluation.watches)).min(1).max(MAX_CONDITIONS),
      });
    case "tags":
      return z.strictObject({
        classes: z.array(z.enum(evaluation.classes.map((each) => each.id))).min(1),
      });
  }
}

function oneCheck(verifications: readonly Checkable[]): z.ZodType<Check> {
  const [first, ...rest] = verifications.map(checkSchema);
  if (first === undefined) throw new RangeError("a product without verifications");
  return z.discriminatedUnion("indicator", [first, ...rest]);
}

function checkClaimsSchema(verifications: readonly Checkable[]): z.ZodType<CheckClaims> {
  return z
    .strictObject({
      combine: Combination.default("all"),
      checks: z.array(oneCheck(verifications)).min(1).max(MAX_CHECKS),
    })
    .superRefine(({ combine, checks }, context) => {
      const rule = combinationFault(combine, checks.length);
      if (rule !== undefined) {
        context.addIssue({ code: "custom", path: ["combine"], message: rule });
      }
    });
}

function combinationFault(combine: Combination, checks: number): string | undefined {
  if (typeof combine === "string") return undefined;
  if ("at_least" in combine) {
    return combine.at_least > checks ? "at_least must not exceed the number of checks" : undefined;
  }
  const { weights } = combine.score;
  if (weights.length !== checks) return "needs exactly one weight per check";
  return weights.every((weight) => weight === 0) ? "some weight must be above 0" : undefined;
}

function modelClaimsSchema(inputs: readonly LinkedInput[]): z.ZodType {
  const fields = inputs.map((input) => [input.claim, inputSchema(input).optional()] as const);
  return z.strictObject(Object.fromEntries(fields));
}

function inputSchema(input: LinkedInput): z.ZodType {
  return input.count === "contradicted"
    ? z.array(oneCheck(input.verifications)).min(1).max(MAX_CHECKS)
    : z.array(CLAIM_FIELDS.msisdn.schema).max(input.at_most);
}
