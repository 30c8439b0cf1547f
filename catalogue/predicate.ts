// The declarative form of a test about one number: a small JSON tree, checked when the catalogue is loaded and
// interpreted by the node without eval (docs/decisions/010-predicate-form.md). Three-valued: a test is yes, no, or
// unknown when what it needs is not known. A tree can only name what its scope lists; it cannot loop or call.
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import { type ClaimFieldName, CLAIM_FIELDS, claimFitsKey } from "./claim-fields.ts";
import type { Indicator, KeyedList } from "./indicator.ts";

export const COMPARISONS = [">=", ">", "<=", "<", "==", "!="] as const;
export type Comparison = (typeof COMPARISONS)[number];

export const ARITHMETIC = ["+", "-", "*", "/"] as const;
export type Arithmetic = (typeof ARITHMETIC)[number];

export type IdentityField = "msisdn" | "cn_id_number" | "name";

/** A number, or unknown. */
export type Expression =
  | { readonly kind: "literal"; readonly literal: number }
  /** An indicator's natural value. */
  | { readonly kind: "value"; readonly indicator: Indicator }
  | { readonly kind: "param"; readonly param: string }
  /** A claimed code. */
  | { readonly kind: "claim"; readonly claim: ClaimFieldName }
  /** A column of the list's row for the claimed key; `absent` when there is no such row. */
  | {
      readonly kind: "cell";
      readonly list: KeyedList;
      readonly key: ClaimFieldName;
      readonly column: string;
      readonly absent: number;
    }
  /** That row's place in the list, from 1. */
  | {
      readonly kind: "rank";
      readonly list: KeyedList;
      readonly key: ClaimFieldName;
      readonly absent: number;
    }
  /** One expression per value of a parameter that is one of a few. */
  | { readonly kind: "by"; readonly by: string; readonly of: ReadonlyMap<number, Expression> }
  /** A model's score of this number. */
  | { readonly kind: "score"; readonly model: string }
  /** The same expression over the record kept when a watch began. */
  | { readonly kind: "baseline"; readonly of: Expression }
  | {
      readonly kind: "arithmetic";
      readonly op: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
    };

export type Predicate =
  | {
      readonly kind: "compare";
      readonly op: Comparison;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "all" | "any"; readonly of: readonly Predicate[] }
  | { readonly kind: "not"; readonly of: Predicate }
  | { readonly kind: "known"; readonly of: Expression }
  /** The claimed identifier is the record's own. */
  | { readonly kind: "same"; readonly field: IdentityField };

/** What a tree may name. */
export interface Scope {
  readonly indicators: ReadonlyMap<string, Indicator>;
  readonly lists: ReadonlyMap<string, KeyedList>;
  /** Parameter → its values if it is one of a few, else undefined. */
  readonly params: ReadonlyMap<string, readonly number[] | undefined>;
  readonly claims: readonly ClaimFieldName[];
  readonly models: ReadonlySet<string>;
  readonly baseline: boolean;
}

const IDENTITY_FIELDS = ["msisdn", "cn_id_number", "name"] as const;
const child = z.unknown().refine((value) => value !== undefined, "is missing");
const children = z.array(z.unknown()).min(1).max(32);
const MAX_DEPTH = 12;

const predicateNodes = {
  all: z.strictObject({ all: children }),
  any: z.strictObject({ any: children }),
  not: z.strictObject({ not: child }),
  known: z.strictObject({ known: child }),
  same: z.strictObject({ same: z.enum(IDENTITY_FIELDS) }),
  op: z.strictObject({ op: z.enum(COMPARISONS), left: child, right: child }),
} as const;

const expressionNodes = {
  value: z.strictObject({ value: z.string() }),
  param: z.strictObject({ param: z.string() }),
  claim: z.strictObject({ claim: z.string() }),
  cell: z.strictObject({
    cell: z.string(),
    key: z.string(),
    column: z.string(),
    absent: z.number().default(0),
  }),
  rank: z.strictObject({ rank: z.string(), key: z.string(), absent: z.number() }),
  by: z.strictObject({ by: z.string(), of: z.record(z.string(), z.unknown()) }),
  score: z.strictObject({ score: z.string() }),
  baseline: z.strictObject({ baseline: child }),
  op: z.strictObject({ op: z.enum(ARITHMETIC), left: child, right: child }),
} as const;

function invalid(where: string, rule: string): never {
  throw new WjfError("data-invalid", `${where}: ${rule}`);
}

/** The one key that says what kind of node this is. */
function nodeKind<K extends string>(json: unknown, kinds: Record<K, unknown>, where: string): K {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    invalid(where, `expected an object with one of ${Object.keys(kinds).join(", ")}`);
  }
  const found = (Object.keys(kinds) as K[]).filter((kind) => Object.hasOwn(json, kind));
  return found.length === 1 && found[0] !== undefined
    ? found[0]
    : invalid(where, `expected exactly one of ${Object.keys(kinds).join(", ")}`);
}

function guardDepth(where: string): void {
  if (where.split(".").length > MAX_DEPTH * 2) invalid(where, "nested too deeply");
}

/** JSON → a checked tree. @throws WjfError `data-invalid`, naming the place. */
export function readPredicate(json: unknown, scope: Scope, where: string): Predicate {
  guardDepth(where);
  const kind = nodeKind(json, predicateNodes, where);
  const parse = <S extends z.ZodType>(schema: S) => parseWith(schema, json, "data-invalid", where);
  switch (kind) {
    case "all":
    case "any": {
      const list = kind === "all" ? parse(predicateNodes.all).all : parse(predicateNodes.any).any;
      return {
        kind,
        of: list.map((each, i) => readPredicate(each, scope, `${where}.${kind}.${i}`)),
      };
    }
    case "not":
      return { kind, of: readPredicate(parse(predicateNodes.not).not, scope, `${where}.not`) };
    case "known":
      return {
        kind,
        of: readExpression(parse(predicateNodes.known).known, scope, `${where}.known`),
      };
    case "same": {
      const field = parse(predicateNodes.same).same;
      if (!scope.claims.includes(field)) invalid(`${where}.same`, "is not a claim of this test");
      return { kind, field };
    }
    case "op": {
      const { op, left, right } = parse(predicateNodes.op);
      return {
        kind: "compare",
        op,
        left: readExpression(left, scope, `${where}.left`),
        right: readExpression(right, scope, `${where}.right`),
      };
    }
  }
}

/** JSON → a checked tree. @throws WjfError `data-invalid`, naming the place. */
export function readExpression(json: unknown, scope: Scope, where: string): Expression {
  guardDepth(where);
  if (typeof json === "number" && Number.isFinite(json)) return { kind: "literal", literal: json };
  const kind = nodeKind(json, expressionNodes, where);
  const parse = <S extends z.ZodType>(schema: S) => parseWith(schema, json, "data-invalid", where);
  switch (kind) {
    case "value": {
      const indicator = scope.indicators.get(parse(expressionNodes.value).value);
      return indicator ? { kind, indicator } : invalid(`${where}.value`, "no such indicator");
    }
    case "param": {
      const { param } = parse(expressionNodes.param);
      return scope.params.has(param) ? { kind, param } : invalid(`${where}.param`, "not declared");
    }
    case "claim":
      return {
        kind,
        claim: readClaim(parse(expressionNodes.claim).claim, scope, `${where}.claim`, "code"),
      };
    case "cell": {
      const node = parse(expressionNodes.cell);
      const { list, key } = readLookup(node.cell, node.key, scope, where);
      if (!Object.hasOwn(list.columns, node.column)) invalid(`${where}.column`, "no such column");
      return { kind, list, key, column: node.column, absent: node.absent };
    }
    case "rank": {
      const node = parse(expressionNodes.rank);
      return { kind, ...readLookup(node.rank, node.key, scope, where), absent: node.absent };
    }
    case "by":
      return readBy(parse(expressionNodes.by), scope, where);
    case "score": {
      const { score } = parse(expressionNodes.score);
      if (!scope.models.has(score)) invalid(`${where}.score`, "no such model");
      return { kind, model: score };
    }
    case "baseline":
      if (!scope.baseline) invalid(where, "only a watch has a baseline");
      return {
        kind,
        of: readExpression(parse(expressionNodes.baseline).baseline, scope, `${where}.baseline`),
      };
    case "op": {
      const { op, left, right } = parse(expressionNodes.op);
      return {
        kind: "arithmetic",
        op,
        left: readExpression(left, scope, `${where}.left`),
        right: readExpression(right, scope, `${where}.right`),
      };
    }
  }
}

function readClaim(name: string, scope: Scope, where: string, kind?: string): ClaimFieldName {
  const field = scope.claims.find((each) => each === name);
  if (field === undefined) return invalid(where, "is not a claim of this test");
  if (kind !== undefined && CLAIM_FIELDS[field].kind !== kind) invalid(where, `is not a ${kind}`);
  return field;
}

function readLookup(listId: string, keyName: string, scope: Scope, where: string) {
  const list = scope.lists.get(listId) ?? invalid(where, "no such list");
  const key = readClaim(keyName, scope, `${where}.key`);
  if (!claimFitsKey(key, list.kind)) invalid(`${where}.key`, `the list's keys are ${list.kind}`);
  return { list, key };
}

function readBy(
  node: { by: string; of: Record<string, unknown> },
  scope: Scope,
  where: string,
): Expression {
  const values = scope.params.get(node.by) ?? invalid(`${where}.by`, "needs a one_of parameter");
  const wanted = values.map(String).sort().join();
  if (Object.keys(node.of).sort().join() !== wanted) {
    invalid(`${where}.of`, "needs exactly one entry per value of the parameter");
  }
  const of = new Map(
    Object.entries(node.of).map(([value, each]) => [
      Number(value),
      readExpression(each, scope, `${where}.of.${value}`),
    ]),
  );
  return { kind: "by", by: node.by, of };
}
