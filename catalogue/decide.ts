// The release rules applied to an item's decrypted sums (DESIGN §4): pure, and the only way from sums to an answer.
// It checks every sum against what honest nodes could have put in, and says whether a missing province could still
// change the answer; whether it may then be given is the caller's to enforce.
import type { Answer, AuthorityFacts, Decision, YesNo } from "./answer.ts";
import type { Product } from "./product.ts";
import type { ReleaseRule, SlotSpec } from "./release-rule.ts";
import { decideScore, scoreAtLeast } from "./decide-score.ts";
import {
  type ConditionState,
  nextState,
  type Observed,
  observe,
  toldState,
} from "./watch-state.ts";

const OUT_OF_RANGE: Decision = { kind: "refuse", code: "sum-out-of-range" };

/**
 * @param sums one decrypted sum per slot of the product, in [0, t)
 * @param answeringNodes how many provinces are in the sums
 */
export function decideAnswer(
  product: Product,
  sums: readonly number[],
  answeringNodes: number,
  facts: AuthorityFacts = {},
): Decision {
  if (!withinBounds(product.slots, sums, answeringNodes)) return OUT_OF_RANGE;
  // Bounds hold, so the count of faults is a real one: some holder could not use the claims.
  const [fault = 0, ...slots] = sums;
  if (fault > 0) return { kind: "refuse", code: "claims-invalid" };
  const decided = decideByRule(product.rule, slots, facts);
  if (decided === undefined) return OUT_OF_RANGE;
  const stands =
    decided.stands || product.partial === "any" || (product.partial === "known" && decided.known);
  const { answer, states } = decided;
  return { kind: "answer", answer, conclusive: stands, ...(states && { states }) };
}

function withinBounds(slots: readonly SlotSpec[], sums: readonly number[], nodes: number): boolean {
  return (
    sums.length === slots.length &&
    slots.every(({ max }, i) => {
      const sum = sums[i] as number;
      return Number.isInteger(sum) && sum >= 0 && sum <= nodes * max;
    })
  );
}

interface Decided {
  readonly answer: Answer;
  /** Some province knows the person. */
  readonly known: boolean;
  /** More provinces cannot change it. */
  readonly stands: boolean;
  readonly states?: readonly ConditionState[];
}

/** Undefined when the sums contradict each other. */
function decideByRule(
  rule: ReleaseRule,
  slots: readonly number[],
  facts: AuthorityFacts,
): Decided | undefined {
  switch (rule.type) {
    case "any":
      return decideAny(slots);
    case "at-least":
      return decideAtLeast(rule.k, slots);
    case "weighted-mean": {
      const answer = decideScore(rule.scale, slots, facts);
      return answer && { answer, known: answer.value !== null, stands: false };
    }
    case "threshold": {
      const reached = scoreAtLeast(rule.scale, rule.at, slots);
      if (reached === undefined) return undefined;
      // A mean can fall as well as rise when another province joins, so not even "yes" stands.
      return {
        answer: { kind: "yes_no", value: reached },
        known: reached !== "unknown",
        stands: false,
      };
    }
    case "tags":
      return decideTags(rule.tags, slots);
    case "watch":
      return decideWatch(slots, facts.states ?? []);
    case "statistics":
      // load.ts refuses such a product: cohorts are released noised, by their own path.
      throw new TypeError("statistics are not released per person");
  }
}

function yesNo(value: YesNo): Decided {
  return {
    answer: { kind: "yes_no", value },
    known: value !== "unknown",
    stands: value === "yes",
  };
}

function decideAny([known = 0, match = 0]: readonly number[]): Decided | undefined {
  if (match > known) return undefined;
  return yesNo(known === 0 ? "unknown" : match > 0 ? "yes" : "no");
}

function decideAtLeast(k: number, [known = 0, count = 0]: readonly number[]): Decided | undefined {
  if (known === 0 && count > 0) return undefined;
  return yesNo(known === 0 ? "unknown" : count >= k ? "yes" : "no");
}

function decideTags(ids: readonly string[], slots: readonly number[]): Decided | undefined {
  const [known = 0, ...bits] = slots;
  if (bits.some((bit) => bit > known)) return undefined;
  const tags = ids.filter((_, i) => (bits[i] as number) > 0);
  return { answer: { kind: "tags", tags }, known: known > 0, stands: false };
}

/** "Crossed" stands whoever else joins; anything else another province could change. */
function decideWatch(
  slots: readonly number[],
  before: readonly ConditionState[],
): Decided | undefined {
  const observed = before.map((_, i) => observe(slots[i] as number));
  if (observed.includes("impossible")) return undefined;
  const states = before.map((state, i) => nextState(state, observed[i] as Observed));
  const changes = states.flatMap((state, i) => {
    const told = toldState(state);
    return told === toldState(before[i] as ConditionState) ? [] : [{ condition: i, state: told }];
  });
  return {
    answer: { kind: "alerts", changes },
    known: !observed.includes("unknown"),
    stands: observed.every((each) => each === "crossed"),
    states,
  };
}
