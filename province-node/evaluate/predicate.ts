// Interprets a checked predicate over one number's record: yes, no, or null for "not known" (Kleene's three-valued
// logic). Claimed identifiers are compared as HMACs under K_subject, never as text. No eval, no I/O.
import type {
  Check,
  EvaluationContext,
  Expression,
  KeyedList,
  ListRow,
  NumberRecord,
  Predicate,
} from "../../catalogue/index.ts";
import { CLAIM_FIELDS, type ClaimFieldName } from "../../catalogue/index.ts";
import { subjectTag } from "../../crypto/subject.ts";
import {
  cellOf,
  compareRanges,
  exactly,
  mayBeCut,
  missingCell,
  type Range,
  soleValue,
} from "./range.ts";
import { scoreOfNumber } from "./score.ts";

export type Truth = boolean | null;

/** What a tree is interpreted over. */
export interface Subject {
  readonly record: NumberRecord;
  readonly context: EvaluationContext;
  readonly subjectKey: Buffer;
  readonly params: Check["params"];
  readonly claim: Check["claim"];
  /** The record kept when a watch began. */
  readonly baseline?: NumberRecord;
}

export function testPredicate(predicate: Predicate, subject: Subject): Truth {
  switch (predicate.kind) {
    case "compare": {
      const left = rangeOf(predicate.left, subject);
      const right = rangeOf(predicate.right, subject);
      return left === null || right === null ? null : compareRanges(predicate.op, left, right);
    }
    case "all":
      return allOf(predicate.of.map((each) => testPredicate(each, subject)));
    case "any":
      return anyOf(predicate.of.map((each) => testPredicate(each, subject)));
    case "not": {
      const truth = testPredicate(predicate.of, subject);
      return truth === null ? null : !truth;
    }
    case "known":
      return valueOf(predicate.of, subject) !== null;
    case "same": {
      const own = ownTag(predicate.field, subject.record);
      return own === null ? null : own === claimTag(predicate.field, subject);
    }
  }
}

export function allOf(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

export function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true;
  return truths.includes(null) ? null : false;
}

/** A number in natural units, or null for "not known". */
export function valueOf(expression: Expression, subject: Subject): number | null {
  switch (expression.kind) {
    case "literal":
      return expression.literal;
    case "value":
      return indicatorValue(expression.indicator, subject);
    case "param":
      return subject.params[expression.param] ?? null;
    case "claim":
      return (subject.claim[expression.claim] as number | undefined) ?? null;
    case "cell":
    case "rank":
      return soleValue(lookUp(expression, subject));
    case "by": {
      const chosen = chosenBy(expression, subject);
      return chosen === undefined ? null : valueOf(chosen, subject);
    }
    case "score": {
      const model = subject.context.models.get(expression.model);
      return model === undefined ? null : scoreOfNumber(model, subject.record, subject.context);
    }
    case "baseline":
      return subject.baseline === undefined
        ? null
        : valueOf(expression.of, { ...subject, record: subject.baseline });
    case "arithmetic":
      return calculate(expression, subject);
  }
}

/** As `valueOf`, but a row that a list may have lost still lies somewhere. */
function rangeOf(expression: Expression, subject: Subject): Range | null {
  const { kind } = expression;
  if (kind === "cell" || kind === "rank") return lookUp(expression, subject);
  if (kind === "by") {
    const chosen = chosenBy(expression, subject);
    return chosen === undefined ? null : rangeOf(chosen, subject);
  }
  const value = valueOf(expression, subject);
  return value === null ? null : exactly(value);
}

function lookUp(
  expression: Extract<Expression, { kind: "cell" | "rank" }>,
  subject: Subject,
): Range | null {
  const { list, key, absent } = expression;
  const rows = subject.record.lists[list.id];
  if (rows === undefined) return null;
  const index = findRow(list, rows, key, subject);
  if (expression.kind === "rank") {
    if (index >= 0) return exactly(index + 1);
    return mayBeCut(list, rows) ? { least: rows.length + 1, most: Infinity } : exactly(absent);
  }
  const row = rows[index];
  return row === undefined
    ? missingCell(list, rows, expression.column, absent)
    : exactly(cellOf(list, row, expression.column));
}

function chosenBy(
  { by, of }: Extract<Expression, { kind: "by" }>,
  { params }: Subject,
): Expression | undefined {
  return of.get(params[by] as number);
}

function indicatorValue(
  indicator: (Expression & { kind: "value" })["indicator"],
  { record, context }: Subject,
): number | null {
  const stored = record.values[context.positions.get(indicator.id) as number] ?? null;
  return stored === null ? null : stored / indicator.scale;
}

function calculate(
  expression: Expression & { kind: "arithmetic" },
  subject: Subject,
): number | null {
  const left = valueOf(expression.left, subject);
  const right = valueOf(expression.right, subject);
  if (left === null || right === null) return null;
  switch (expression.op) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right === 0 ? null : left / right;
  }
}

/** The place of the claimed key's row, or -1. */
function findRow(
  list: KeyedList,
  rows: readonly ListRow[],
  field: ClaimFieldName,
  subject: Subject,
): number {
  const isPlain = list.kind === "code" || list.kind === "text";
  const wanted = isPlain ? subject.claim[field] : listKey(claimTag(field, subject));
  return rows.findIndex(({ key }) => key === wanted);
}

/** A list's key for a tag: its first 8 bytes in hex. */
export function listKey(tagHex: string): string {
  return tagHex.slice(0, 16);
}

/** The full tag of a claimed value, in hex. */
function claimTag(field: ClaimFieldName, { subjectKey, claim }: Subject): string {
  const { kind } = CLAIM_FIELDS[field];
  if (kind === "code" || kind === "text") throw new TypeError(`${field} is not tagged`);
  return subjectTag(subjectKey, kind, String(claim[field])).toString("hex");
}

function ownTag(
  field: (Predicate & { kind: "same" })["field"],
  { identity }: NumberRecord,
): string | null {
  switch (field) {
    case "msisdn":
      return identity.msisdn;
    case "cn_id_number":
      return identity.cnId;
    case "name":
      return identity.name;
  }
}
