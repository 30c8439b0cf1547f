// Which cohorts an institution has trained on: two that differ by few people, or in few labels, would tell of those few by the
// difference of their sums. Kept in memory, by commitments; says nothing of who the people are. docs/decisions/070.
import { WjfError } from "../../core/errors.ts";

export interface Cohort {
  readonly client: string;
  /** Per person a commitment to who it is, to a commitment to the label. The same person and label give the same ones. */
  readonly labels: ReadonlyMap<string, string>;
}

export class CohortRegister {
  readonly #leastDifference: number;
  readonly #cohorts: Cohort[] = [];

  /** @param leastDifference how many people two cohorts must differ by, if they differ. */
  constructor(leastDifference: number) {
    this.#leastDifference = leastDifference;
  }

  /** @throws WjfError `training-refused`; then nothing is recorded. */
  admit(cohort: Cohort): void {
    for (const earlier of this.#cohorts) {
      if (earlier.client !== cohort.client) continue;
      this.#requireFar(missingFrom(earlier, cohort), "people fewer than an earlier cohort");
      this.#requireFar(missingFrom(cohort, earlier), "people more than an earlier cohort");
      this.#requireFar(changedLabels(earlier, cohort), "labels other than in an earlier cohort");
    }
    this.#cohorts.push(cohort);
  }

  #requireFar(difference: number, what: string): void {
    if (difference === 0 || difference >= this.#leastDifference) return;
    throw new WjfError("training-refused", `fewer than ${this.#leastDifference} ${what}`);
  }
}

function missingFrom(from: Cohort, inside: Cohort): number {
  return [...from.labels.keys()].filter((person) => !inside.labels.has(person)).length;
}

function changedLabels(a: Cohort, b: Cohort): number {
  return [...a.labels].filter(([person, label]) => {
    const other = b.labels.get(person);
    return other !== undefined && other !== label;
  }).length;
}
