// A product: what is asked, about whom, with which claims, how a node evaluates it, and the release rule that bounds
// what comes out (DESIGN §4). Declared in data/products.json; linked and bounds-checked by load.ts.
import { z } from "zod";
import type { ProductRef } from "../core/ids.ts";
import { IndicatorId, RelationId } from "./indicator.ts";
import type { Indicator, KeyedList } from "./indicator.ts";
import type { Model } from "./model.ts";
import type { ReleaseRule, SlotSpec } from "./release-rule.ts";
import type { Tag, TagClass } from "./tag.ts";
import type { Verification } from "./verification.ts";
import type { Watch } from "./watch.ts";

/** A number that a model takes from the caller's sealed claims. */
export const ModelInput = z.discriminatedUnion("count", [
  /** How many of the claimed checks are answered "no". */
  z.strictObject({
    count: z.literal("contradicted"),
    id: RelationId,
    claim: RelationId,
    verifications: z.array(IndicatorId).min(1),
  }),
  /** How many of the claimed numbers are in this number's list. */
  z.strictObject({
    count: z.literal("contacts"),
    id: RelationId,
    claim: RelationId,
    list: RelationId,
    at_most: z.int().min(1).max(1000),
  }),
  /** 1 if the number itself is among the claimed ones. */
  z.strictObject({
    count: z.literal("self"),
    id: RelationId,
    claim: RelationId,
    at_most: z.int().min(1).max(1000),
  }),
]);

const RuleDeclaration = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("any"), verifications: z.array(IndicatorId).min(1) }),
  z.strictObject({
    type: z.literal("at-least"),
    count: IndicatorId,
    k: z.int().min(1),
    max_count: z.int().min(1).max(1_000_000),
  }),
  z.strictObject({
    type: z.literal("weighted-mean"),
    model: z.string(),
    inputs: z.array(ModelInput).default([]),
  }),
  z.strictObject({ type: z.literal("threshold"), model: z.string(), at: z.int() }),
  z.strictObject({ type: z.literal("watch"), watches: z.array(IndicatorId).min(1) }),
  z.strictObject({ type: z.literal("tags"), classes: z.array(RelationId).min(1) }),
  z.strictObject({
    type: z.literal("statistics"),
    counts: z.array(RelationId).min(1),
    sums: z.array(z.strictObject({ id: RelationId, max: z.int().min(1) })).default([]),
    k: z.int().min(20),
  }),
]);

const text = z.strictObject({ zh: z.string().min(1), en: z.string().min(1) });

export const ProductDeclaration = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]*(:[a-z0-9-]+)?$/, "a product id"),
  version: z.int().min(1).max(9999),
  zh: z.string().min(1),
  en: z.string().min(1),
  description: text,
  kind: z.enum(["yes_no", "score", "tags", "alerts"]),
  /** What may identify the person. */
  subjects: z.array(z.enum(["msisdn", "cn-id"])).min(1),
  claims: z.enum(["required", "optional", "none"]),
  /**
   * Which answers hold although a province is missing (DESIGN §4 "Coverage"). "yes": only an answer that no further
   * province can change; "known": also a known score or known tags, as the provinces that did answer see the person;
   * "any": every answer.
   */
  partial: z.enum(["yes", "known", "any"]).default("yes"),
  rule: RuleDeclaration,
});
export type ProductDeclaration = z.infer<typeof ProductDeclaration>;

/** A linked {@link ModelInput}. */
export type LinkedInput =
  | {
      readonly count: "contradicted";
      readonly id: string;
      readonly claim: string;
      readonly verifications: readonly Verification[];
    }
  | {
      readonly count: "contacts";
      readonly id: string;
      readonly claim: string;
      readonly list: KeyedList;
      readonly at_most: number;
    }
  | {
      readonly count: "self";
      readonly id: string;
      readonly claim: string;
      readonly at_most: number;
    };

/** What a node does for an item of this product, in the clear. */
export type Evaluation =
  | { readonly type: "checks"; readonly verifications: readonly Verification[] }
  | { readonly type: "count"; readonly indicator: Indicator; readonly maxCount: number }
  | {
      readonly type: "model";
      readonly model: Model;
      readonly inputs: readonly LinkedInput[];
      /** Whether the item has a slot per dimension. */
      readonly dimensions: boolean;
    }
  | { readonly type: "watches"; readonly watches: readonly Watch[] }
  | { readonly type: "tags"; readonly classes: readonly TagClass[]; readonly tags: readonly Tag[] };

/** Where a product that did not come with the software comes from. */
export interface PackageOrigin {
  /** Client id of the institution that signed the package. */
  readonly owner: string;
  /** SHA-256 of the package's canonical JSON. */
  readonly sha256: string;
}

export interface Product extends Omit<ProductDeclaration, "rule"> {
  /** `id@version` */
  readonly ref: ProductRef;
  readonly package?: PackageOrigin;
  readonly rule: ReleaseRule;
  readonly slots: readonly SlotSpec[];
  readonly evaluation: Evaluation;
  /** Of the opened claims; null for a product that takes none. */
  readonly claimsSchema: z.ZodType | null;
  /** What trees need to evaluate, resolved once. */
  readonly context: EvaluationContext;
}

/** What evaluation looks up by name. */
export interface EvaluationContext {
  /** Indicator id → its place in a record's values. */
  readonly positions: ReadonlyMap<string, number>;
  /** By place: the stored integer divided by this is the natural value. */
  readonly scales: readonly number[];
  readonly models: ReadonlyMap<string, Model>;
}

/** Slots that one item of this product takes in a node's ciphertext. */
export function slotWidth(product: Product): number {
  return product.slots.length;
}

/** The form of the opened claims as JSON Schema (draft 2020-12), for /v1/products; null where there are none. */
export function claimsJsonSchema(product: Product): Record<string, unknown> | null {
  if (product.claimsSchema === null) return null;
  return z.toJSONSchema(product.claimsSchema, { io: "input" });
}
