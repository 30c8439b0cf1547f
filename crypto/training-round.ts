// What a training job asks of the provinces: the forms of its rounds, and D for each vector that leaves a province.
// No request carries a label, and none of them names a person. DESIGN §9; docs/decisions/070.
import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Layout } from "./label-blocks.ts";
import { TRAINING_PARAMETERS } from "./training-scheme.ts";

export interface TrainingJob {
  readonly id: string;
  /** The institution whose labels these are. */
  readonly client: string;
  readonly purpose: string;
  /** Indicators, in the order of the columns. */
  readonly features: readonly string[];
  readonly provinces: readonly ProvinceCode[];
  readonly layout: Layout;
  /** SHA-256 over the label file's per-person commitments, in order. */
  readonly labelCommitment: string;
}

/** From raw columns to what the regression sees; column 0 is the intercept and not listed. */
export type Design =
  /** (x − centre) / scale; a missing value is 0, the mean. */
  | { readonly kind: "raw"; readonly centre: readonly number[]; readonly scale: readonly number[] }
  /** The weight of evidence of the bin; the last one is that of a missing value. */
  | { readonly kind: "woe"; readonly edges: Edges; readonly woe: readonly (readonly number[])[] };

/** Per column the ascending cuts: a value is in bin i when i cuts are ≤ it; one bin more is for missing values. */
export type Edges = readonly (readonly number[])[];

export interface Score {
  readonly design: Design;
  /** Of the intercept first. */
  readonly coefficients: readonly number[];
}

export type AggregateRequest =
  | { readonly type: "counts"; readonly edges: Edges }
  | {
      readonly type: "moments";
      readonly centre: readonly number[];
      readonly scale: readonly number[];
    }
  /** Per earlier job: who of its cohort is missing now, who is new, whose label's commitment is another. */
  | { readonly type: "overlap"; readonly jobs: readonly string[] }
  | ({ readonly type: "newton" } & Score)
  | ({ readonly type: "score-counts"; readonly cuts: readonly number[] } & Score)
  /**
   * By region (training-regions.ts): how many provinces hold enough people to count, then per bin people and Σσ. A province fills its
   * own region's place.
   */
  | ({ readonly type: "region-counts" } & ScoreByRegion);

/** Score bins, region after region. */
export interface ScoreByRegion extends Score {
  /** How many regions the job's provinces make. */
  readonly regions: number;
  readonly cuts: readonly number[];
}

export type LabelRequest =
  | { readonly type: "bins"; readonly edges: Edges }
  | { readonly type: "design"; readonly design: Design }
  | ({ readonly type: "score-bins"; readonly cuts: readonly number[] } & Score)
  | ({ readonly type: "region-bins" } & ScoreByRegion);

export function jobDigest(job: TrainingJob): Buffer {
  return sha256(canonicalJson(job));
}

/** @param round never used twice in a job, so that no mask is. */
export function roundDigest(job: Buffer, round: number, part: number): Buffer {
  return sha256(canonicalJson({ job: job.toString("hex"), round, part }));
}

/** The bin of a value among ascending cuts. */
export function binOf(value: number, cuts: readonly number[]): number {
  if (Number.isNaN(value)) return cuts.length + 1;
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cuts[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Values of an aggregate per ciphertext: slot 0 carries 1 from every province, and must add up to their number. */
export const AGGREGATE_VALUES = TRAINING_PARAMETERS.polyModulusDegree - 1;

/** How many values the provinces answer an aggregate with. */
export function aggregateLength(request: AggregateRequest): number {
  switch (request.type) {
    case "counts":
      return request.edges.reduce((sum, cuts) => sum + cuts.length + 2, 0);
    case "moments":
      return 1 + 3 * request.centre.length;
    case "overlap":
      return 3 * request.jobs.length;
    case "newton": {
      const columns = request.coefficients.length;
      return 2 + columns + (columns * (columns + 1)) / 2;
    }
    case "score-counts":
      return request.cuts.length + 1;
    case "region-counts":
      return request.regions * (1 + 2 * (request.cuts.length + 1));
    default:
      return request satisfies never;
  }
}

export function labelColumns(request: LabelRequest): number {
  switch (request.type) {
    case "bins":
      return request.edges.reduce((sum, cuts) => sum + cuts.length + 2, 0);
    case "design":
      return 1 + designWidth(request.design);
    case "score-bins":
      return request.cuts.length + 1;
    case "region-bins":
      return request.regions * (request.cuts.length + 1);
    default:
      return request satisfies never;
  }
}

function designWidth(design: Design): number {
  return design.kind === "raw" ? design.centre.length : design.edges.length;
}
