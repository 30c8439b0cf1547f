// What a node puts into an item's slots, in the clear and only inside the node (DESIGN §2, §4): the product's
// evaluation over the person's numbers here. Pure; the result goes to reply.ts to be masked and encrypted, and
// nowhere else. Whether the node holds the person must not show: an absent person gives zeros, after the same work.
import type {
  Check,
  CheckClaims,
  LinkedInput,
  NumberRecord,
  PersonRecord,
  Product,
  TagClaims,
  WatchClaims,
} from "../catalogue/index.ts";
import {
  MAX_NODE_WEIGHT,
  MAX_NUMBERS_PER_PERSON,
  packFacts,
  slotWidth,
} from "../catalogue/index.ts";
import { subjectTag } from "../crypto/subject.ts";
import { combine, runCheck } from "./evaluate/checks.ts";
import { anyOf, listKey, testPredicate } from "./evaluate/predicate.ts";
import { evaluateModel, type Inputs } from "./evaluate/score.ts";

export interface EvaluationEnvironment {
  readonly subjectKey: Buffer;
  /** The numbers as they were when a watch began (baseline-store.ts); without it, what compares with them is not known. */
  readonly baseline?: (numbers: readonly NumberRecord[]) => readonly NumberRecord[];
}

type EvaluationOf<T extends Product["evaluation"]["type"]> = Extract<
  Product["evaluation"],
  { type: T }
>;

/** The slot that says that a holder could not use the claims (docs/decisions/002-fault-slot.md). */
const FAULT = 0;

/**
 * @param person undefined where this node holds nobody of that tag
 * @param claims the opened claims as parsed JSON; undefined where the query has none, null where they did not open
 * @returns slotWidth(product) numbers, each at most its slot's max
 */
export function evaluateItem(
  product: Product,
  person: PersonRecord | undefined,
  claims: unknown,
  environment: EvaluationEnvironment,
): Uint32Array {
  const slots = new Uint32Array(slotWidth(product));
  const subject = person ?? blankPerson(product);
  const opened = parseClaims(product, claims);
  if (opened === "unfit") slots[FAULT] = 1;
  else
    fill(
      slots.subarray(1),
      product,
      subject.numbers.slice(0, MAX_NUMBERS_PER_PERSON),
      opened,
      environment,
    );
  if (person === undefined) slots.fill(0);
  return slots;
}

interface Opened {
  readonly claims: unknown;
}

function parseClaims(product: Product, claims: unknown): Opened | "unfit" {
  if (claims === undefined) return product.claims === "required" ? "unfit" : { claims };
  if (product.claimsSchema === null) return "unfit";
  const parsed = product.claimsSchema.safeParse(claims);
  return parsed.success ? { claims: parsed.data } : "unfit";
}

const blanks = new WeakMap<Product["context"], PersonRecord>();

/** Somebody of whom nothing is known, evaluated in place of an absent person. */
function blankPerson({ context }: Product): PersonRecord {
  let blank = blanks.get(context);
  if (blank === undefined) {
    const values = Array.from({ length: context.positions.size }, () => null);
    blank = { numbers: [{ values, identity: { msisdn: "", cnId: null, name: null }, lists: {} }] };
    blanks.set(context, blank);
  }
  return blank;
}

function fill(
  slots: Uint32Array,
  product: Product,
  numbers: readonly NumberRecord[],
  { claims }: Opened,
  environment: EvaluationEnvironment,
): void {
  const { evaluation } = product;
  switch (evaluation.type) {
    case "checks":
      return fillChecks(slots, product, evaluation, numbers, claims as CheckClaims, environment);
    case "count":
      return fillCount(slots, product, evaluation, numbers);
    case "model":
      return fillModel(slots, product, evaluation, numbers, claims, environment);
    case "watches":
      return fillWatches(slots, product, evaluation, numbers, claims as WatchClaims, environment);
    case "tags":
      return fillTags(slots, product, evaluation, numbers, claims as TagClaims, environment);
  }
}

/** A person's several numbers: yes if any number's combination is yes; known if any is. */
function fillChecks(
  slots: Uint32Array,
  { context }: Product,
  { verifications }: EvaluationOf<"checks">,
  numbers: readonly NumberRecord[],
  { checks, combine: combination }: CheckClaims,
  { subjectKey }: EvaluationEnvironment,
): void {
  const truths = numbers.map((record) =>
    combine(
      combination,
      checks.map((check) => runCheck(check, verifications, { record, context, subjectKey })),
    ),
  );
  slots[0] = truths.some((truth) => truth !== null) ? 1 : 0;
  slots[1] = anyOf(truths) === true ? 1 : 0;
}

/** A person's several numbers: crossed if any number is; well only if none of those that can be told is not. */
function fillWatches(
  slots: Uint32Array,
  { context }: Product,
  { watches }: EvaluationOf<"watches">,
  numbers: readonly NumberRecord[],
  { conditions }: WatchClaims,
  { subjectKey, baseline }: EvaluationEnvironment,
): void {
  const watched = conditions.map(({ indicator, params, claim }) => {
    const watch = watches.find(({ id }) => id === indicator);
    // The claims schema only lets this product's watches through.
    if (watch === undefined) throw new TypeError("a condition that the product does not have");
    return { watch, params, claim };
  });
  const began = watched.some(({ watch }) => watch.baseline) ? (baseline?.(numbers) ?? []) : [];
  for (const [i, { watch, params, claim }] of watched.entries()) {
    const truths = numbers.map((record) => {
      const before = began.find(({ identity }) => identity.msisdn === record.identity.msisdn);
      const subject = { record, context, subjectKey, params, claim };
      const compared = before === undefined ? subject : { ...subject, baseline: before };
      return {
        crossed: testPredicate(watch.crossed, compared),
        back: testPredicate(watch.back, compared),
      };
    });
    slots[i] = packFacts({
      known: truths.some(({ crossed }) => crossed !== null),
      crossed: truths.some(({ crossed }) => crossed === true),
      unwell: truths.some(({ crossed, back }) => crossed !== null && back !== true),
    });
  }
}

function fillCount(
  slots: Uint32Array,
  { context }: Product,
  { indicator, maxCount }: EvaluationOf<"count">,
  numbers: readonly NumberRecord[],
): void {
  const position = context.positions.get(indicator.id) as number;
  const counts = numbers.flatMap(({ values }) => values[position] ?? []);
  const sum = counts.reduce((total, stored) => total + Math.floor(stored / indicator.scale), 0);
  slots[0] = counts.length > 0 ? 1 : 0;
  slots[1] = Math.min(maxCount, Math.max(0, sum));
}

function fillModel(
  slots: Uint32Array,
  { context }: Product,
  { model, inputs, dimensions }: EvaluationOf<"model">,
  numbers: readonly NumberRecord[],
  claims: unknown,
  environment: EvaluationEnvironment,
): void {
  const scores = numbers.map((record) => {
    const given = claimInputs(inputs, claims, record, context, environment);
    return evaluateModel(model, record, context, given);
  });
  const total = scores.reduce((sum, { weight }) => sum + weight, 0);
  for (const each of scores) {
    // One node's weight is bounded whatever the number of numbers; shares are kept.
    const weight =
      total > MAX_NODE_WEIGHT ? Math.floor((each.weight * MAX_NODE_WEIGHT) / total) : each.weight;
    const row = [1, each.score, ...(dimensions ? each.dimensions : [])];
    row.forEach((value, i) => {
      slots[i] = (slots[i] as number) + weight * value;
    });
  }
}

function claimInputs(
  inputs: readonly LinkedInput[],
  claims: unknown,
  record: NumberRecord,
  context: Product["context"],
  { subjectKey }: EvaluationEnvironment,
): Inputs {
  const given = (claims ?? {}) as Readonly<Record<string, readonly unknown[] | undefined>>;
  const valueOf = (input: LinkedInput): number | null => {
    const claimed = given[input.claim];
    if (claimed === undefined) return null;
    if (input.count === "contradicted") {
      const checks = claimed as readonly Check[];
      const subject = { record, context, subjectKey };
      return checks.filter((check) => runCheck(check, input.verifications, subject) === false)
        .length;
    }
    const tags = claimed.map((number) =>
      subjectTag(subjectKey, "msisdn", String(number)).toString("hex"),
    );
    if (input.count === "self") return tags.includes(record.identity.msisdn) ? 1 : 0;
    const rows = record.lists[input.list.id];
    const listed = new Set(tags.map(listKey));
    return rows === undefined ? null : rows.filter(({ key }) => listed.has(String(key))).length;
  };
  return Object.fromEntries(inputs.map((input) => [input.id, valueOf(input)]));
}

/** A tag holds if it holds for any of the person's numbers; classes that were not asked for stay out. */
function fillTags(
  slots: Uint32Array,
  { context }: Product,
  { tags }: EvaluationOf<"tags">,
  numbers: readonly NumberRecord[],
  claims: TagClaims | undefined,
  { subjectKey }: EvaluationEnvironment,
): void {
  slots[0] = 1;
  tags.forEach((tag, i) => {
    if (claims !== undefined && !claims.classes.includes(tag.class)) return;
    const subject = { context, subjectKey, params: {}, claim: {} };
    const holds = numbers.some(
      (record) => testPredicate(tag.test, { ...subject, record }) === true,
    );
    slots[i + 1] = holds ? 1 : 0;
  });
}
