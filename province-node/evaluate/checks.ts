// The checks of a verification product over one number, and their combination: all, any, k of n, or a weighted total
// of 0–100 against a threshold. Three-valued: the answer is unknown only if the unknown checks could change it.
import type { Check, Combination, Verification } from "../../catalogue/index.ts";
import { allOf, anyOf, type Subject, testPredicate, type Truth } from "./predicate.ts";

/** One check over one number. */
export function runCheck(
  check: Check,
  verifications: readonly Verification[],
  subject: Omit<Subject, "params" | "claim">,
): Truth {
  const verification = verifications.find(({ id }) => id === check.indicator);
  // The claims schema only lets this product's verifications through.
  if (verification === undefined) throw new TypeError("a check that the product does not have");
  return testPredicate(verification.test, { ...subject, params: check.params, claim: check.claim });
}

export function combine(combination: Combination, truths: readonly Truth[]): Truth {
  if (combination === "all") return allOf(truths);
  if (combination === "any") return anyOf(truths);
  if ("at_least" in combination) {
    return reaches(
      truths,
      truths.map(() => 1),
      combination.at_least,
    );
  }
  const { weights, threshold } = combination.score;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // The total score is 100 · Σ(weights of yes) / Σ weights; compared without dividing.
  return reaches(
    truths,
    weights.map((weight) => weight * 100),
    threshold * total,
  );
}

/** Whether the yes-weights reach the bound: yes if they do already, no if not even all unknown ones would help. */
function reaches(truths: readonly Truth[], weights: readonly number[], bound: number): Truth {
  let sure = 0;
  let open = 0;
  truths.forEach((truth, i) => {
    if (truth === true) sure += weights[i] as number;
    if (truth === null) open += weights[i] as number;
  });
  if (sure >= bound) return true;
  return sure + open >= bound ? null : false;
}
