// The label-free sums of a training round over one province's people, in the clear and in double precision. Pure: what may leave
// is decided by training-province.ts, which masks and encrypts it.
import type { Steps } from "../../core/steps.ts";
import { type AggregateRequest, type Edges, REGION_RULES } from "../../crypto/index.ts";
import {
  binsOf,
  type Columns,
  linearScores,
  type Matrix,
  PRODUCTS_A_PIECE,
  VALUES_A_PIECE,
} from "./design.ts";

/** A piece per column and per so many rows. @param matrix of the request's design, where it has one. */
export function* aggregate(
  request: Exclude<AggregateRequest, { readonly type: "overlap" }>,
  columns: Columns,
  matrix: Matrix | undefined,
): Steps<Float64Array> {
  switch (request.type) {
    case "counts":
      return yield* counts(columns, request.edges);
    case "moments":
      return yield* moments(columns, request.centre, request.scale);
    case "newton": {
      const scores = yield* linearScores(matrix as Matrix, request);
      return yield* newtonSums(matrix as Matrix, scores);
    }
    case "score-counts": {
      const scores = yield* linearScores(matrix as Matrix, request);
      return countBins(yield* binsOf(scores, request.cuts), request.cuts.length + 1);
    }
    case "region-counts": {
      const scores = yield* linearScores(matrix as Matrix, request);
      return yield* regionCounts(scores, request.cuts);
    }
    default:
      return request satisfies never;
  }
}

function* counts(columns: Columns, edges: Edges): Steps<Float64Array> {
  const all: number[] = [];
  for (const [c, column] of columns.entries()) {
    const cuts = edges[c] ?? [];
    // One more for missing values.
    all.push(...countBins(yield* binsOf(column, cuts), cuts.length + 2));
  }
  return Float64Array.from(all);
}

function countBins(bins: Uint16Array, count: number): Float64Array {
  const counts = new Float64Array(count);
  for (const bin of bins) counts[bin] = (counts[bin] as number) + 1;
  return counts;
}

/** This province's in its region's place: whether it holds enough people to count, then per bin people and Σσ. */
function* regionCounts(scores: Float64Array, cuts: readonly number[]): Steps<Float64Array> {
  const bins = yield* binsOf(scores, cuts);
  const expected = new Float64Array(cuts.length + 1);
  for (let row = 0; row < bins.length; row++) {
    if (row % VALUES_A_PIECE === 0) yield;
    const bin = bins[row] as number;
    expected[bin] = (expected[bin] as number) + 1 / (1 + Math.exp(-(scores[row] as number)));
  }
  const counts = scores.length >= REGION_RULES.leastPeople ? 1 : 0;
  return Float64Array.of(counts, ...countBins(bins, cuts.length + 1), ...expected);
}

/** How many people; then per column how many have a value, Σu and Σu², u = (x − centre) / scale. */
function* moments(
  columns: Columns,
  centre: readonly number[],
  scale: readonly number[],
): Steps<Float64Array> {
  const sums = new Float64Array(1 + 3 * columns.length);
  sums[0] = columns[0]?.length ?? 0;
  for (const [c, column] of columns.entries()) {
    let count = 0;
    let first = 0;
    let second = 0;
    for (let row = 0; row < column.length; row++) {
      if (row % VALUES_A_PIECE === 0) yield;
      const value = column[row] as number;
      if (Number.isNaN(value)) continue;
      const u = (value - (centre[c] ?? 0)) / (scale[c] ?? 1);
      count++;
      first += u;
      second += u * u;
    }
    sums.set([count, first, second], 1 + 3 * c);
  }
  return sums;
}

/** How many people, Σ ln(1 + e^η), Xᵀσ(η), and the upper triangle of Xᵀ diag(σ(1 − σ)) X row by row. */
export function* newtonSums(
  { rows, width, values }: Matrix,
  scores: Float64Array,
): Steps<Float64Array> {
  const rowsAPiece = Math.ceil(PRODUCTS_A_PIECE / width ** 2);
  const gradient = new Float64Array(width);
  const hessian = new Float64Array((width * (width + 1)) / 2);
  let logSum = 0;
  for (let row = 0; row < rows; row++) {
    if (row % rowsAPiece === 0) yield;
    const score = scores[row] as number;
    logSum += Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score)));
    const p = 1 / (1 + Math.exp(-score));
    const curvature = p * (1 - p);
    const start = row * width;
    let at = 0;
    for (let i = 0; i < width; i++) {
      const x = values[start + i] as number;
      gradient[i] = (gradient[i] as number) + x * p;
      const weighted = x * curvature;
      for (let j = i; j < width; j++, at++) {
        hessian[at] = (hessian[at] as number) + weighted * (values[start + j] as number);
      }
    }
  }
  return Float64Array.of(rows, logSum, ...gradient, ...hessian);
}
