// What a training release stands on: the policy that it holds, the sums that it opens, what it lets out and what it has to
// remember. Types and numbers only. docs/decisions/070.
import type { ProvinceCode } from "../../core/ids.ts";
import type { AggregateRequest, LabelRequest, TrainingJob } from "../../crypto/index.ts";

export interface TrainingPolicy {
  readonly minPeople: number;
  readonly minClass: number;
  readonly minCell: number;
  readonly maxRounds: number;
}

export const TRAINING_POLICY: TrainingPolicy = {
  minPeople: 1000,
  minClass: 50,
  minCell: 20,
  maxRounds: 100,
};

/** The provinces and the gateway between them, as the authority sees them: merged sums, nothing of one province. */
export interface MergedRounds {
  aggregate(request: AggregateRequest, round: number): Promise<readonly Uint8Array[]>;
  labelSums(request: LabelRequest, round: number): Promise<readonly Uint8Array[]>;
}

/** The training key's holder; index.ts alone makes one. Freed with the release. */
export interface SumOpener extends Disposable {
  /** Residues modulo t. */
  decrypt(ciphertext: Uint8Array): Float64Array;
}

export interface TrainingReleaseParts {
  readonly opener: SumOpener;
  readonly job: TrainingJob;
  readonly rounds: MergedRounds;
  readonly policy: TrainingPolicy;
  /** There are none to count, and nothing is told that needs any. */
  readonly unlabelled?: boolean;
  /** Jobs of the same institution whose cohorts the provinces still know: this one's is the same people, or others. */
  readonly earlier?: readonly EarlierJob[];
  /** Where a process before this one had got to. */
  readonly standing?: TrainingStanding;
}

/** How many people, and how many of them bad: none without labels. */
export interface CohortSize {
  readonly people: number;
  readonly bad: number;
}

export interface EarlierJob {
  readonly id: string;
  readonly unlabelled: boolean;
  readonly cohort: CohortSize;
  /** Nobody may be in both: by subtraction, what both tell would say more than either may. */
  readonly apart: boolean;
}

/** What a release has to remember from one question to the next. */
export interface TrainingStanding {
  readonly round: number;
  /** Once the cohort is admitted. */
  readonly cohort?: CohortSize;
}

export interface Standardisation {
  readonly people: number;
  readonly centre: readonly number[];
  readonly scale: readonly number[];
}

export interface EvaluationWishes {
  /** `coarse`: as far as the first counting shows it. */
  readonly ks?: "exact" | "coarse";
  /** Also by region. */
  readonly regions?: boolean;
}

export interface Separation {
  readonly auc: number;
  readonly gini: number;
  readonly ks: number;
}

/** One cell: a region's people whose score is in a band. */
export interface RegionBand {
  readonly people: number;
  readonly bad: number;
  /** Mean of the model's probabilities. */
  readonly expected: number;
}

export interface RegionEvaluation extends RegionBand, Separation {
  readonly provinces: readonly ProvinceCode[];
  /** The same bands in every region, from the lowest score to the highest. */
  readonly bands: readonly RegionBand[];
}

export interface NewtonSums {
  readonly people: number;
  /** Σ ln(1 + e^η). */
  readonly logSum: number;
  readonly gradient: Float64Array;
  /** Upper triangle, row by row. */
  readonly hessian: Float64Array;
}
