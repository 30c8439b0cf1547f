// What the cohorts of one institution's jobs may have in common. Sums over two that differ by few people tell of those few by their
// difference, and sums over three of one person: of some, of others, of all those and one more. So two cohorts are the same people, or
// hardly anybody is in both. Of labels the same holds, for what they add up is a class. The provinces compare. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";
import type { CohortSize } from "./training-rules.ts";

/** How a cohort differs from an earlier one of the same institution: people, or labels of people. */
export interface CohortDifference {
  /** In the earlier one only. */
  readonly gone: number;
  /** In this one only. */
  readonly added: number;
  readonly shared: number;
  /** Where both have labels. */
  readonly labels?: LabelDifference | undefined;
}

export interface LabelDifference {
  /** Of those in both, at least so many have another one. */
  readonly relabelled: number;
  /** People of the smallest of the four classes. */
  readonly smallestClass: number;
}

/** Of the smaller of two cohorts, and of the smallest class where both have labels, at most one in so many may be in the other one too. */
const SHARED_ONE_IN = 100;

/**
 * Of 65 cohorts each then has 36 hundredths of its people alone, and with labels 36 people of either class (of 50 or more): sums over
 * them, or over their bad, added and subtracted in whatever way, are of no fewer. docs/decisions/070 has the argument.
 * @param apart nobody at all may be in both.
 * @throws WjfError `training-refused`.
 */
export function requireSameOrApart(
  { gone, added, shared, labels }: CohortDifference,
  apart: boolean,
): void {
  if (shared === 0) return;
  if (apart) refuse("of some of these people an earlier job tells by region, or at other cuts");
  if (gone === 0 && added === 0) {
    // However many: y₃ − y₁ − y₂ is one person's, though each two of the three differ by 60.
    if (labels !== undefined && labels.relabelled > 0) {
      refuse("the people of an earlier job, but not the same labels");
    }
    return;
  }
  const smallest = labels?.smallestClass ?? shared + Math.min(gone, added);
  if (shared * SHARED_ONE_IN > smallest) {
    refuse("many of the people of an earlier job, but not the same people");
  }
}

/** @param others by the institution's commitments; the number of bad is what its labels add up to, whatever it committed to. */
export function labelDifference(
  earlier: CohortSize,
  now: CohortSize,
  others: number,
): LabelDifference {
  const classes = [earlier, now].flatMap(({ people, bad }) => [bad, people - bad]);
  return {
    relabelled: Math.max(others, Math.abs(now.bad - earlier.bad)),
    smallestClass: Math.min(...classes),
  };
}

function refuse(rule: string): never {
  throw new WjfError("training-refused", rule);
}
