// How several checks become one answer (CATALOGUE §2): all, any, k of n, or a weighted total of 0–100 against a
// threshold. An answer is sure if it holds both where every unknown check were a yes and where every one were a no:
// every combination only gains by a yes, so these two stand for all the ways in between.
import type { Truth } from "./verifications.ts";

export type AskedCombination =
  | "all"
  | "any"
  | { readonly at_least: number }
  | { readonly score: { readonly weights: readonly number[]; readonly threshold: number } };

function holds(combination: AskedCombination, answers: readonly boolean[]): boolean {
  if (combination === "all") return answers.every(Boolean);
  if (combination === "any") return answers.some(Boolean);
  if ("at_least" in combination) return answers.filter(Boolean).length >= combination.at_least;
  const { weights, threshold } = combination.score;
  let reached = 0;
  let total = 0;
  answers.forEach((answer, i) => {
    total += weights[i] ?? 0;
    if (answer) reached += weights[i] ?? 0;
  });
  return 100 * reached >= threshold * total;
}

export function combined(combination: AskedCombination, truths: readonly Truth[]): Truth {
  const atBest = holds(
    combination,
    truths.map((truth) => truth ?? true),
  );
  const atWorst = holds(
    combination,
    truths.map((truth) => truth ?? false),
  );
  return atBest === atWorst ? atBest : null;
}
