// What the cohorts of one institution's jobs may have in common. Sums over two that differ by few people tell of those few by their
// difference, and sums over three of one person: of some, of others, of all those and one more. So two cohorts are the same people, or
// hardly anybody is in both. The provinces compare; a register does in one process, by commitments. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";

/** How a cohort differs from an earlier one of the same institution: people, or labels of people. */
export interface CohortDifference {
  /** In the earlier one only. */
  readonly gone: number;
  /** In this one only. */
  readonly added: number;
  readonly shared: number;
  /** In both, with another label; 0 where one of the two has none. */
  readonly relabelled: number;
}

export interface CohortRule {
  /** Nobody at all may be in both. */
  readonly apart: boolean;
  /** Of the same people, labels that must be others, if any are. */
  readonly minClass: number;
}

/** Of the smaller of two cohorts, at most one in so many may be in the other one too. */
const SHARED_ONE_IN = 100;

/**
 * Of k cohorts so kept apart, each has at least 101 − k hundredths of its people alone: no sum of theirs, added and subtracted in whatever
 * way, is of fewer.
 * @throws WjfError `training-refused`.
 */
export function requireSameOrApart(
  { gone, added, shared, relabelled }: CohortDifference,
  { apart, minClass }: CohortRule,
): void {
  if (shared === 0) return;
  if (apart) refuse("of some of these people an earlier job tells by region, or at other cuts");
  if (gone === 0 && added === 0) {
    if (relabelled === 0 || relabelled >= minClass) return;
    refuse(`fewer than ${minClass} labels other than in an earlier job`);
  }
  if (shared * SHARED_ONE_IN > shared + Math.min(gone, added)) {
    refuse("many of the people of an earlier job, but not the same people");
  }
}

function refuse(rule: string): never {
  throw new WjfError("training-refused", rule);
}

export interface Cohort {
  readonly client: string;
  /** Per person a commitment to who it is, to a commitment to the label. The same person and label give the same ones. */
  readonly labels: ReadonlyMap<string, string>;
}

/** Kept in memory; says nothing of who the people are. */
export class CohortRegister {
  readonly #minClass: number;
  readonly #cohorts: Cohort[] = [];

  constructor(minClass: number) {
    this.#minClass = minClass;
  }

  /** @throws WjfError `training-refused`; then nothing is recorded. */
  admit(cohort: Cohort): void {
    for (const earlier of this.#cohorts) {
      if (earlier.client !== cohort.client) continue;
      const rule = { apart: false, minClass: this.#minClass };
      requireSameOrApart(differenceOf(earlier.labels, cohort.labels), rule);
    }
    this.#cohorts.push(cohort);
  }
}

function differenceOf(earlier: Cohort["labels"], now: Cohort["labels"]): CohortDifference {
  const both = [...earlier].filter(([person]) => now.has(person));
  return {
    gone: earlier.size - both.length,
    added: now.size - both.length,
    shared: both.length,
    relabelled: both.filter(([person, label]) => now.get(person) !== label).length,
  };
}
