// Links a product: the things it names exist, its kind fits its rule, and 31 · max(slot) < t (DESIGN §4), or the
// product is refused when the catalogue is loaded.
import { WjfError } from "../core/errors.ts";
import { ProductRef } from "../core/ids.ts";
import type { Catalogue } from "./catalogue.ts";
import { claimsSchemaOf } from "./claims.ts";
import type { KeyedList } from "./indicator.ts";
import { scaleOf } from "./link-model.ts";
import type { Model } from "./model.ts";
import type { Evaluation, LinkedInput, Product, ProductDeclaration } from "./product.ts";
import { overflowingSlot, type ReleaseRule, slotSpecs } from "./release-rule.ts";
import type { Verification } from "./verification.ts";

/** The parts of the catalogue that a product may name. */
export interface ProductParts extends Pick<
  Catalogue,
  "positions" | "models" | "indicatorById" | "verifications" | "tagClasses" | "watches"
> {
  readonly lists: ReadonlyMap<string, KeyedList>;
}

function invalid(where: string, rule: string): never {
  throw new WjfError("data-invalid", `${where}: ${rule}`);
}

/** @throws WjfError `data-invalid`, naming the place. */
export function linkProduct(
  declared: ProductDeclaration,
  parts: ProductParts,
  where: string,
): Product {
  const evaluation = linkEvaluation(declared.rule, parts, where);
  const rule = linkRule(declared.rule, evaluation, where);
  if (kindOf(rule) !== declared.kind) invalid(`${where}.kind`, `the rule answers ${kindOf(rule)}`);
  const overflow = overflowingSlot(rule);
  if (overflow !== undefined) {
    invalid(`${where}.rule`, `31 times slot ${overflow.id} could reach the plaintext modulus`);
  }
  const claimsSchema = claimsSchemaOf(evaluation);
  checkClaims(declared.claims, claimsSchema !== null, evaluation.type, where);
  const ref = ProductRef.parse(`${declared.id}@${declared.version}`);
  const { positions, models, indicatorById } = parts;
  const scales = [...indicatorById.values()].map(({ scale }) => scale);
  return {
    ...declared,
    ref,
    rule,
    evaluation,
    slots: slotSpecs(rule),
    claimsSchema: declared.claims === "none" ? null : claimsSchema,
    context: { positions, scales, models },
  };
}

function kindOf(rule: ReleaseRule): ProductDeclaration["kind"] {
  if (rule.type === "tags") return "tags";
  if (rule.type === "watch") return "alerts";
  return rule.type === "weighted-mean" ? "score" : "yes_no";
}

function checkClaims(
  claims: ProductDeclaration["claims"],
  takes: boolean,
  type: Evaluation["type"],
  where: string,
): void {
  if (claims !== "none" && !takes) invalid(`${where}.claims`, "nothing can be claimed here");
  if (claims !== "required" && (type === "checks" || type === "watches"))
    invalid(`${where}.claims`, "must be required");
}

function linkEvaluation(
  rule: ProductDeclaration["rule"],
  parts: ProductParts,
  where: string,
): Evaluation {
  switch (rule.type) {
    case "any":
      return {
        type: "checks",
        verifications: findVerifications(rule.verifications, parts, `${where}.rule.verifications`),
      };
    case "at-least": {
      const indicator =
        parts.indicatorById.get(rule.count) ?? invalid(`${where}.rule.count`, "no such indicator");
      return { type: "count", indicator, maxCount: rule.max_count };
    }
    case "weighted-mean": {
      const model = findModel(rule.model, parts, where);
      const inputs = rule.inputs.map((each, i) =>
        linkInput(each, parts, `${where}.rule.inputs.${i}`),
      );
      checkInputs(model, inputs, where);
      return { type: "model", model, inputs, dimensions: true };
    }
    case "threshold": {
      const model = findModel(rule.model, parts, where);
      checkInputs(model, [], where);
      return { type: "model", model, inputs: [], dimensions: false };
    }
    case "watch": {
      const watches = rule.watches.map(
        (id, i) => parts.watches.get(id) ?? invalid(`${where}.rule.watches.${i}`, "no such watch"),
      );
      return { type: "watches", watches };
    }
    case "tags": {
      const classes = rule.classes.map(
        (id, i) =>
          parts.tagClasses.get(id) ?? invalid(`${where}.rule.classes.${i}`, "no such tag class"),
      );
      return { type: "tags", classes, tags: classes.flatMap(({ tags }) => tags) };
    }
    case "statistics":
      return invalid(`${where}.rule.type`, "statistics are not released per person");
  }
}

function linkRule(
  declared: ProductDeclaration["rule"],
  evaluation: Evaluation,
  where: string,
): ReleaseRule {
  switch (evaluation.type) {
    case "checks":
      return { type: "any" };
    case "count":
      return declared.type === "at-least"
        ? { type: "at-least", k: declared.k, maxCount: declared.max_count }
        : invalid(`${where}.rule`, "a count needs at-least");
    case "model": {
      const scale = scaleOf(evaluation.model);
      return declared.type === "threshold"
        ? { type: "threshold", scale, at: declared.at }
        : { type: "weighted-mean", scale };
    }
    case "watches":
      return { type: "watch" };
    case "tags":
      return { type: "tags", tags: evaluation.tags.map(({ id }) => id) };
  }
}

function findModel(ref: string, parts: ProductParts, where: string): Model {
  return parts.models.get(ref) ?? invalid(`${where}.rule.model`, "no such model");
}

function findVerifications(
  ids: readonly string[],
  parts: ProductParts,
  where: string,
): readonly Verification[] {
  return ids.map(
    (id, i) => parts.verifications.get(id) ?? invalid(`${where}.${i}`, "no such verification"),
  );
}

type DeclaredInput = Extract<
  ProductDeclaration["rule"],
  { type: "weighted-mean" }
>["inputs"][number];

function linkInput(input: DeclaredInput, parts: ProductParts, where: string): LinkedInput {
  switch (input.count) {
    case "contradicted": {
      const { verifications } = input;
      return {
        ...input,
        verifications: findVerifications(verifications, parts, `${where}.verifications`),
      };
    }
    case "contacts": {
      const list = parts.lists.get(input.list) ?? invalid(`${where}.list`, "no such list");
      if (list.kind !== "msisdn") invalid(`${where}.list`, "its keys must be numbers");
      return { ...input, list };
    }
    case "self":
      return input;
  }
}

function checkInputs(model: Model, inputs: readonly LinkedInput[], where: string): void {
  const declared = new Set(inputs.map(({ id }) => id));
  const wanted = model.dimensions
    .flatMap(({ features }) => features)
    .flatMap((feature) => ("input" in feature ? [feature.input] : []));
  if (wanted.some((id) => !declared.has(id))) {
    invalid(`${where}.rule.inputs`, "the model reads an input that is not declared");
  }
}
