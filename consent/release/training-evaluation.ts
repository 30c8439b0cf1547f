// How well a score separates, from merged counts per score bin: AUC, KS, and groups large enough to be told. Pure.
// A group is one of about twenty, by score, each with the least number of people that may be told of.
import type { RegionEvaluation, Separation } from "./training-rules.ts";

export interface ScoreHistogram {
  /** Ascending linear scores; one bin more than cuts. A higher score is a higher chance of being bad. */
  readonly cuts: readonly number[];
  readonly people: Float64Array;
  readonly bad: Float64Array;
}

export interface ScoreGroup {
  readonly people: number;
  readonly bad: number;
  /** Lowest and highest linear score that fall into it; null where it is open. */
  readonly from: number | null;
  readonly below: number | null;
  /** Mean of σ over its bins' middles. */
  readonly expected: number;
}

export interface Evaluation extends Separation {
  readonly people: number;
  readonly bad: number;
  /** From the lowest score to the highest. */
  readonly groups: readonly ScoreGroup[];
  /** Where it was asked for: none when fewer than two regions may be told of. */
  readonly regions?: readonly RegionEvaluation[];
}

/** People, and bad among them, by ascending score. */
type Cells = Pick<ScoreHistogram, "people" | "bad">;

const GROUPS = 20;

interface Totals {
  readonly people: number;
  readonly bad: number;
}

function totalsOf({ people, bad }: Cells): Totals {
  const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
  return { people: sum(people), bad: sum(bad) };
}

export function evaluate(histogram: ScoreHistogram, minCell: number): Evaluation {
  const totals = totalsOf(histogram);
  const groups = group(histogram, Math.max(minCell, totals.people / GROUPS));
  return { ...totals, ...separationOf(histogram), groups };
}

/** People of one cell count as equal. */
export function separationOf(histogram: Cells): Separation {
  const totals = totalsOf(histogram);
  const good = totals.people - totals.bad;
  let above = 0;
  let goodBelow = 0;
  histogram.people.forEach((people, i) => {
    const bad = histogram.bad[i] as number;
    above += bad * (goodBelow + (people - bad) / 2);
    goodBelow += people - bad;
  });
  const auc = above / (good * totals.bad);
  return { auc, gini: 2 * auc - 1, ks: ksOf(histogram) };
}

/** The largest gap between the classes' distributions at any cut. */
export function ksOf(histogram: Cells): number {
  return Math.max(...gaps(histogram).map(Math.abs));
}

/** Share of the good less share of the bad below the end of each bin. */
function gaps(histogram: Cells): number[] {
  const totals = totalsOf(histogram);
  let gap = 0;
  return Array.from(histogram.people, (people, i) => {
    const bad = histogram.bad[i] as number;
    gap += (people - bad) / (totals.people - totals.bad) - bad / totals.bad;
    return gap;
  });
}

/**
 * The bins inside which the KS statistic may exceed what is known: those to look into more finely.
 * Within a bin it can at most move by all of the bin's bad, or all of its good.
 */
export function ksCandidates(histogram: ScoreHistogram, known: number): number[] {
  const totals = totalsOf(histogram);
  const ends = gaps(histogram);
  return ends.flatMap((_, i) => {
    const before = ends[i - 1] ?? 0;
    const people = histogram.people[i] as number;
    const bad = histogram.bad[i] as number;
    const good = (people - bad) / (totals.people - totals.bad);
    // One person cannot lie between cuts.
    return people > 1 && Math.max(before + good, bad / totals.bad - before) > known ? [i] : [];
  });
}

/** The cuts of `bins`, each cut up evenly; what lies between them becomes one bin. Open bins have no middle. */
export function subdivide(
  cuts: readonly number[],
  bins: readonly number[],
  pieces: number,
): number[] {
  const finer = bins.flatMap((bin) => {
    const low = cuts[bin - 1];
    const high = cuts[bin];
    if (low === undefined || high === undefined) return [];
    return Array.from({ length: pieces + 1 }, (_, i) => low + ((high - low) * i) / pieces);
  });
  return [...new Set(finer)].sort((a, b) => a - b);
}

/** Cuts of a label-free histogram such that each bin has at least so many people. */
export function cutsOfAtLeast(
  people: Float64Array,
  cuts: readonly number[],
  least: number,
): number[] {
  const chosen: number[] = [];
  let run = 0;
  let left = people.reduce((a, b) => a + b, 0);
  cuts.forEach((cut, i) => {
    run += people[i] as number;
    left -= people[i] as number;
    if (run < least || left < least) return;
    chosen.push(cut);
    run = 0;
  });
  return chosen;
}

export interface SpreadCell {
  readonly people: number;
  /** Linear scores below this; null in the last. */
  readonly below: number | null;
}

export function spreadOf(
  people: Float64Array,
  cuts: readonly number[],
  least: number,
): readonly SpreadCell[] {
  const kept = new Set(cutsOfAtLeast(people, cuts, least));
  const cells: SpreadCell[] = [];
  let run = 0;
  people.forEach((count, i) => {
    run += count;
    const below = cuts[i] ?? null;
    if (below !== null && !kept.has(below)) return;
    cells.push({ people: run, below });
    run = 0;
  });
  return cells;
}

const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

function group({ cuts, people, bad }: ScoreHistogram, least: number): ScoreGroup[] {
  const middle = (i: number): number => {
    const low = cuts[i - 1] ?? cuts[i] ?? 0;
    return (low + (cuts[i] ?? low)) / 2;
  };
  const groups: ScoreGroup[] = [];
  let left = people.reduce((a, b) => a + b, 0);
  let run = { people: 0, bad: 0, expected: 0, from: null as number | null };
  people.forEach((count, i) => {
    run.people += count;
    run.bad += bad[i] as number;
    run.expected += count * sigmoid(middle(i));
    left -= count;
    const last = i === people.length - 1;
    // Half a bin of slack, or rounding would make nineteen groups of twenty.
    if (!last && (run.people < least * 0.999 || left < least * 0.5)) return;
    const below = last ? null : (cuts[i] as number);
    groups.push({ ...run, below, expected: run.expected / Math.max(1, run.people) });
    run = { people: 0, bad: 0, expected: 0, from: below };
  });
  return groups;
}
