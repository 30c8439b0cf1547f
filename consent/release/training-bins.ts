// Binning from merged counts: quantile cuts by refining a public grid, and bins merged until each may be told. Pure.
// Counts of single cells stay here; what leaves the authority are cuts and bins that pass the rules. docs/decisions/070.
import type { Edges } from "../../crypto/index.ts";

/** Cuts at 0 and ±10^(k/6) from 10⁻⁴ to 10¹⁰: the same for every column, so they tell nothing. */
const PER_DECADE = 6;
const magnitudes = Array.from(
  { length: 14 * PER_DECADE + 1 },
  (_, i) => 10 ** (i / PER_DECADE - 4),
);
export const PUBLIC_GRID: readonly number[] = [
  ...magnitudes.map((value) => -value).toReversed(),
  0,
  ...magnitudes,
];

const REFINEMENT = 16;

/** Centre and scale to within the grid: for moments that fit the fixed point, not for release. */
export function roughMoments(counts: Float64Array, cuts: readonly number[]) {
  const middle = (cell: number): number => {
    const low = cuts[Math.max(0, cell - 1)] as number;
    const high = cuts[Math.min(cell, cuts.length - 1)] as number;
    return (low + high) / 2;
  };
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (let cell = 0; cell <= cuts.length; cell++) {
    const count = counts[cell] as number;
    n += count;
    sum += count * middle(cell);
    squares += count * middle(cell) ** 2;
  }
  const centre = n === 0 ? 0 : sum / n;
  const variance = n === 0 ? 0 : squares / n - centre ** 2;
  return { centre, scale: variance > 1e-12 ? Math.sqrt(variance) : 1 };
}

/** Finer cuts around each quantile of the column. */
export function refineCuts(
  counts: Float64Array,
  cuts: readonly number[],
  quantiles: readonly number[],
): number[] {
  const finer = new Set<number>();
  for (const cell of quantileCells(counts, cuts.length, quantiles)) {
    const low = cuts[cell - 1];
    const high = cuts[cell];
    if (low !== undefined) finer.add(low);
    if (high !== undefined) finer.add(high);
    if (low === undefined || high === undefined) continue;
    for (let i = 1; i < REFINEMENT; i++) finer.add(low + ((high - low) * i) / REFINEMENT);
  }
  return [...finer].sort((a, b) => a - b);
}

/** The cut nearest to each quantile, without those that separate nobody. */
export function quantileCuts(
  counts: Float64Array,
  cuts: readonly number[],
  quantiles: readonly number[],
): number[] {
  const total = presentCount(counts, cuts.length);
  const below = cumulative(counts, cuts.length);
  const chosen = quantiles.flatMap((quantile) => {
    const wanted = quantile * total;
    const distances = below.map((count) => Math.abs(count - wanted));
    const best = Math.min(...distances);
    const at = distances.findLastIndex((distance) => distance === best);
    const count = below[at] ?? 0;
    return count > 0 && count < total ? [cuts[at] as number] : [];
  });
  return [...new Set(chosen)].sort((a, b) => a - b);
}

function quantileCells(
  counts: Float64Array,
  cuts: number,
  quantiles: readonly number[],
): Set<number> {
  const total = presentCount(counts, cuts);
  const below = cumulative(counts, cuts);
  const cells = quantiles.map((quantile) => below.findIndex((n) => n >= quantile * total));
  return new Set(cells.map((cell) => (cell === -1 ? cuts : cell)));
}

function presentCount(counts: Float64Array, cuts: number): number {
  return counts.subarray(0, cuts + 1).reduce((sum, count) => sum + count, 0);
}

/** How many values lie below each cut. */
function cumulative(counts: Float64Array, cuts: number): number[] {
  let sum = 0;
  return [...counts.subarray(0, cuts)].map((count) => (sum += count));
}

export interface Bin {
  readonly people: number;
  readonly bad: number;
  /** ln of (share of the good) / (share of the bad). */
  readonly woe: number;
}

export interface BinnedColumn {
  readonly cuts: readonly number[];
  /** One more than the cuts. */
  readonly bins: readonly Bin[];
  /** Null when too few lack a value to be told of: their weight of evidence is 0. */
  readonly missing: Bin | null;
  /** Information value. */
  readonly iv: number;
}

export interface BinRules {
  /** Least people of a released cell. */
  readonly minCell: number;
  /** Merge until the bad rate only rises or only falls. */
  readonly monotone: boolean;
}

interface Cell {
  people: number;
  bad: number;
  /** Upper cut; undefined for the last. */
  readonly upper: number | undefined;
}

/** @param people,bad per bin, the last for missing values. @param totals of the cohort. */
export function mergeBins(
  people: Float64Array,
  bad: Float64Array,
  cuts: readonly number[],
  totals: { readonly people: number; readonly bad: number },
  rules: BinRules,
): BinnedColumn {
  let cells: Cell[] = Array.from({ length: cuts.length + 1 }, (_, i) => ({
    people: people[i] as number,
    bad: bad[i] as number,
    upper: cuts[i],
  }));
  cells = mergeWhile(cells, (cell) => !tellable(cell, rules.minCell));
  if (rules.monotone) cells = mergeMonotone(cells);
  const bin = ({ people: n, bad: b }: Cell): Bin => {
    const good = n - b;
    if (n === 0 || b === 0 || good === 0) return { people: n, bad: b, woe: 0 };
    return {
      people: n,
      bad: b,
      woe: Math.log(good / (totals.people - totals.bad) / (b / totals.bad)),
    };
  };
  const bins = cells.map(bin);
  const lacking = { people: people.at(-1) ?? 0, bad: bad.at(-1) ?? 0, upper: undefined };
  const missing = tellable(lacking, rules.minCell) ? bin(lacking) : null;
  const iv = [...bins, ...(missing ? [missing] : [])].reduce((sum, each) => {
    const good = (each.people - each.bad) / (totals.people - totals.bad);
    return sum + (good - each.bad / totals.bad) * each.woe;
  }, 0);
  const kept = cells.slice(0, -1).map(({ upper }) => upper as number);
  return { cuts: kept, bins, missing, iv };
}

/** Enough people, and both classes among them: else the cell would say it of everyone in it. */
function tellable({ people, bad }: Cell, minCell: number): boolean {
  return people >= minCell && bad >= 1 && people - bad >= 1;
}

function mergeWhile(cells: Cell[], poor: (cell: Cell) => boolean): Cell[] {
  const merged = [...cells];
  for (
    let at = merged.findIndex(poor);
    at !== -1 && merged.length > 1;
    at = merged.findIndex(poor)
  ) {
    joinAt(merged, at === merged.length - 1 ? at - 1 : at);
  }
  return merged;
}

function joinAt(cells: Cell[], at: number): void {
  const [left, right] = cells.slice(at, at + 2);
  if (left === undefined || right === undefined) return;
  cells.splice(at, 2, {
    people: left.people + right.people,
    bad: left.bad + right.bad,
    upper: right.upper,
  });
}

const rate = ({ people, bad }: Cell): number => (people === 0 ? 0 : bad / people);

/** Pools adjacent violators, in the direction that leaves more bins. */
function mergeMonotone(cells: readonly Cell[]): Cell[] {
  const pooled = [1, -1].map((sign) => {
    const each = [...cells];
    for (let i = 0; i + 1 < each.length;) {
      const rises = sign * (rate(each[i + 1] as Cell) - rate(each[i] as Cell)) > 0;
      if (rises) i++;
      else {
        joinAt(each, i);
        i = Math.max(0, i - 1);
      }
    }
    return each;
  });
  const [up, down] = pooled as [Cell[], Cell[]];
  return up.length >= down.length ? up : down;
}

/** Splits a flat vector of counts by column. */
export function byColumn(values: Float64Array, edges: Edges): Float64Array[] {
  let at = 0;
  return edges.map((cuts) => {
    const start = at;
    at += cuts.length + 2;
    return values.subarray(start, at);
  });
}
