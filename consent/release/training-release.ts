// The authority's side of a training job: opens merged sums, holds the rules against telling of few people, and lets out only
// what passed them. One round, one opening: the masks of a second sum under the same round would not cancel anyway.
// DESIGN §1 "No consent, no decryption", §9; docs/decisions/070 says what it can and cannot see.
import { WjfError } from "../../core/errors.ts";
import {
  type AggregateRequest,
  type Edges,
  type LabelRequest,
  regionsOf,
  type Score,
} from "../../crypto/index.ts";
import {
  type BinnedColumn,
  byColumn,
  mergeBins,
  PUBLIC_GRID,
  quantileCuts,
  refineCuts,
  roughMoments,
} from "./training-bins.ts";
import {
  cutsOfAtLeast,
  type Evaluation,
  evaluate,
  ksCandidates,
  ksOf,
  type ScoreGroup,
  type ScoreHistogram,
  type SpreadCell,
  spreadOf,
  subdivide,
} from "./training-evaluation.ts";
import { readAggregate, readLabelSums } from "./training-sums.ts";
import { labelDifference, requireSameOrApart } from "./training-cohorts.ts";
import { addUp, evaluateRegions, regionSums } from "./training-regions.ts";
import type {
  CohortSize,
  EvaluationWishes,
  NewtonSums,
  RegionEvaluation,
  Standardisation,
  TrainingReleaseParts,
  TrainingStanding,
} from "./training-rules.ts";

const QUANTILE_REFINEMENTS = 3;
/** Where linear scores are first counted: beyond ±30 nobody is uncertain. */
const SCORE_GRID = Array.from({ length: 6001 }, (_, i) => (i - 3000) / 100);
const MOST_SCORE_BINS = 128;
const KS_REFINEMENTS = 3;

export class TrainingRelease implements Disposable {
  readonly #parts: TrainingReleaseParts;
  #round = 0;
  #people: number | undefined;
  #bad: number | undefined;

  constructor(parts: TrainingReleaseParts) {
    this.#parts = parts;
    this.#round = parts.standing?.round ?? 0;
    this.#people = parts.standing?.cohort?.people;
    this.#bad = parts.standing?.cohort?.bad;
  }

  get standing(): TrainingStanding {
    const [people, bad] = [this.#people, this.#bad];
    if (people === undefined || bad === undefined) return { round: this.#round };
    return { round: this.#round, cohort: { people, bad } };
  }

  get rounds(): number {
    return this.#round;
  }

  /**
   * The cohort's size and classes, none of which are bad without labels: nothing else is released before they are enough.
   * @throws WjfError `training-refused`.
   */
  async admit(): Promise<CohortSize> {
    const { minPeople, minClass } = this.#parts.policy;
    const centre = this.#parts.job.features.map(() => 0);
    // A scale that no natural value comes near: only the count is wanted here.
    const scale = centre.map(() => 1e15);
    const sums = await this.#aggregate({ type: "moments", centre, scale });
    const people = Math.round(sums[0] as number);
    if (people < minPeople) refuse(`the cohort has fewer than ${minPeople} people`);
    const differences = await this.#differences();
    const bad = this.#parts.unlabelled === true ? 0 : await this.#countBad(people, minClass);
    this.#requireSameOrApart({ people, bad }, differences);
    this.#people = people;
    this.#bad = bad;
    return { people, bad };
  }

  async #countBad(people: number, minClass: number): Promise<number> {
    // The intercept's column alone.
    const design = { kind: "raw", centre: [], scale: [] } as const;
    const [bad = 0] = await this.#labelSums({ type: "design", design });
    // Labels that are not 0 or 1 need not show here; docs/decisions/070 says what does.
    if (!Number.isInteger(bad) || bad < minClass || people - bad < minClass) {
      refuse(`fewer than ${minClass} people of a class`);
    }
    return bad;
  }

  /** From each earlier cohort: who is gone, who is new, whose label has another commitment. */
  async #differences(): Promise<Float64Array> {
    const jobs = (this.#parts.earlier ?? []).map(({ id }) => id);
    if (jobs.length === 0) return new Float64Array();
    return await this.#aggregate({ type: "overlap", jobs });
  }

  /** @throws WjfError `training-refused`, see `requireSameOrApart`. */
  #requireSameOrApart(cohort: CohortSize, differences: Float64Array): void {
    const { earlier = [], unlabelled = false } = this.#parts;
    for (const [i, job] of earlier.entries()) {
      const [gone = 0, added = 0, others = 0] = differences.subarray(3 * i, 3 * i + 3);
      const haveLabels = !unlabelled && !job.unlabelled;
      const labels = haveLabels ? labelDifference(job.cohort, cohort, others) : undefined;
      requireSameOrApart({ gone, added, shared: cohort.people - added, labels }, job.apart);
    }
  }

  /** Mean and standard deviation of each column over the people who have a value. */
  async standardisation(): Promise<Standardisation> {
    const people = this.#admitted().people;
    const { features } = this.#parts.job;
    const grid = features.map(() => PUBLIC_GRID);
    const counts = byColumn(await this.#aggregate({ type: "counts", edges: grid }), grid);
    const rough = counts.map((each) => roughMoments(each, PUBLIC_GRID));
    const centre = rough.map((each) => each.centre);
    const scale = rough.map((each) => each.scale);
    const sums = await this.#aggregate({ type: "moments", centre, scale });
    const exact = rough.map((each, c) => {
      const [count = 0, first = 0, second = 0] = sums.subarray(1 + 3 * c, 4 + 3 * c);
      if (count < this.#parts.policy.minCell) refuse(`${features[c]}: too few have a value`);
      const mean = first / count;
      const deviation = Math.sqrt(Math.max(0, second / count - mean ** 2));
      const known = deviation > 1e-6 ? deviation * each.scale : 1;
      return { centre: each.centre + mean * each.scale, scale: known };
    });
    return {
      people,
      centre: exact.map((each) => each.centre),
      scale: exact.map((each) => each.scale),
    };
  }

  /** Cuts at quantiles, merged until every bin may be told of, with their weights of evidence. */
  async bins(count: number, monotone: boolean): Promise<readonly BinnedColumn[]> {
    const totals = this.#admitted();
    const quantiles = Array.from({ length: count - 1 }, (_, i) => (i + 1) / count);
    let edges: Edges = this.#parts.job.features.map(() => PUBLIC_GRID);
    for (let i = 0; i < QUANTILE_REFINEMENTS; i++) {
      const counts = byColumn(await this.#aggregate({ type: "counts", edges }), edges);
      edges = edges.map((cuts, c) => refineCuts(counts[c] as Float64Array, cuts, quantiles));
    }
    const fine = byColumn(await this.#aggregate({ type: "counts", edges }), edges);
    const cuts = edges.map((each, c) => quantileCuts(fine[c] as Float64Array, each, quantiles));
    const people = byColumn(await this.#aggregate({ type: "counts", edges: cuts }), cuts);
    const bad = byColumn(await this.#labelSums({ type: "bins", edges: cuts }), cuts);
    return cuts.map((each, c) => {
      const [inBin, badInBin] = [people[c], bad[c]] as [Float64Array, Float64Array];
      this.#requireRates(inBin, badInBin);
      const rules = { minCell: this.#parts.policy.minCell, monotone };
      return mergeBins(inBin, badInBin, each, totals, rules);
    });
  }

  /** Xᵀy. With the intercept's column first, which is the number of bad. */
  async labelTotals(design: Score["design"]): Promise<Float64Array> {
    const { bad } = this.#admitted();
    const totals = await this.#labelSums({ type: "design", design });
    if (totals[0] !== bad) refuse("the labels changed between rounds");
    return totals;
  }

  async newton(score: Score): Promise<NewtonSums> {
    const { people } = this.#admitted();
    const sums = await this.#aggregate({ type: "newton", ...score });
    if (sums[0] !== people) refuse("the cohort changed between rounds");
    const columns = score.coefficients.length;
    return {
      people,
      logSum: sums[1] as number,
      gradient: sums.slice(2, 2 + columns),
      hessian: sums.slice(2 + columns),
    };
  }

  async evaluation(
    score: Score,
    { ks = "exact", regions = false }: EvaluationWishes = {},
  ): Promise<Evaluation> {
    const { people: total } = this.#admitted();
    const { minCell } = this.#parts.policy;
    const counted = await this.#aggregate({ type: "score-counts", ...score, cuts: SCORE_GRID });
    const least = Math.max(minCell, total / MOST_SCORE_BINS);
    const coarse = cutsOfAtLeast(counted, SCORE_GRID, least);
    const first = await this.#histogram(score, coarse);
    const coarsely = evaluate(first, minCell);
    const told = {
      ...coarsely,
      ...(regions && { regions: await this.#byRegion(score, coarsely.groups) }),
    };
    if (ks === "coarse") return told;
    return { ...told, ks: await this.#closerKs(score, first, told.ks) };
  }

  /** Over the groups that are told of the whole cohort, and no other cells: between two sets of cuts there would be few people. */
  async #byRegion(
    score: Score,
    groups: readonly ScoreGroup[],
  ): Promise<readonly RegionEvaluation[]> {
    const regions = regionsOf(this.#parts.job.provinces);
    if (regions.length < 2) return [];
    const cuts = groups.flatMap(({ below }) => (below === null ? [] : [below]));
    const request = { ...score, regions: regions.length, cuts };
    const counted = await this.#aggregate({ type: "region-counts", ...request });
    const labelled = await this.#labelSums({ type: "region-bins", ...request });
    const sums = regionSums(regions, counted, labelled);
    for (const { people, bad } of sums) this.#requireRates(people, bad);
    if (!addUp(sums, groups)) refuse("the regions do not add up to the cohort");
    return evaluateRegions(sums, groups, this.#parts.policy);
  }

  /** Counts again where a larger KS may hide between cuts, until it cannot, or three times. */
  async #closerKs(score: Score, coarse: ScoreHistogram, known: number): Promise<number> {
    let histogram = coarse;
    let best = known;
    for (let i = 0; i < KS_REFINEMENTS; i++) {
      const hiding = ksCandidates(histogram, best);
      const pieces = Math.floor(Math.max(64, this.#parts.job.layout.tiles) / hiding.length);
      const cuts = subdivide(histogram.cuts, hiding, Math.max(2, pieces));
      if (cuts.length === 0) break;
      histogram = await this.#histogram(score, cuts);
      best = Math.max(best, ksOf(histogram));
    }
    return best;
  }

  /** How a score is spread: cells between the cuts that were asked for, small ones joined to their neighbours. */
  async spread(score: Score, cuts: readonly number[]): Promise<readonly SpreadCell[]> {
    const { people } = this.#admitted();
    const counts = await this.#aggregate({ type: "score-counts", ...score, cuts });
    if (counts.reduce((a, b) => a + b, 0) !== people) refuse("the cohort changed between rounds");
    return spreadOf(counts, cuts, this.#parts.policy.minCell);
  }

  async #histogram(score: Score, cuts: readonly number[]) {
    const people = await this.#aggregate({ type: "score-counts", ...score, cuts });
    const bad = await this.#labelSums({ type: "score-bins", ...score, cuts });
    this.#requireRates(people, bad);
    return { cuts, people, bad };
  }

  /** Labels other than 0 and 1 give cells with more bad than people, or a fraction or less than none of them. */
  #requireRates(people: Float64Array, bad: Float64Array): void {
    const odd = bad.some((count, i) => {
      return !Number.isInteger(count) || count < 0 || count > (people[i] as number);
    });
    if (odd) refuse("labels are not 0 and 1");
  }

  #admitted(): CohortSize {
    if (this.#people === undefined || this.#bad === undefined) refuse("the cohort is not admitted");
    return { people: this.#people, bad: this.#bad };
  }

  #nextRound(): number {
    if (this.#round >= this.#parts.policy.maxRounds) refuse("the job's rounds are used up");
    return ++this.#round;
  }

  async #aggregate(request: AggregateRequest): Promise<Float64Array> {
    const { rounds, job, opener } = this.#parts;
    const sums = await rounds.aggregate(request, this.#nextRound());
    return readAggregate(request, sums, job, opener);
  }

  async #labelSums(request: LabelRequest): Promise<Float64Array> {
    const { rounds, job, opener } = this.#parts;
    const sums = await rounds.labelSums(request, this.#nextRound());
    return readLabelSums(request, sums, job, opener);
  }

  [Symbol.dispose](): void {
    this.#parts.opener[Symbol.dispose]();
  }
}

function refuse(rule: string): never {
  throw new WjfError("training-refused", rule);
}
