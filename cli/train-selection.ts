// Which columns a regression is given: by information value, and of two that say the same the one that says more. Uses only what was
// released for the regression anyway: bins, and Xᵀ S X at coefficients of 0, which is a quarter of XᵀX. Pure.
import type { BinnedColumn } from "../consent/release/index.ts";
import { packedIndex } from "./train-regression.ts";

export interface SelectionOptions {
  /** Least information value of a column; 0: any. Weight-of-evidence columns only: others have none. */
  readonly minIv: number;
  /** Largest |correlation| of two columns: of a pair beyond it the one of less information stays out. 1: any. */
  readonly maxCorrelation: number;
  /** Backwards: after each fit the column of the largest p-value above this is left out. 1: none. */
  readonly maxP: number;
}

/** Why a feature has no coefficient. */
export type LeftOut =
  | { readonly why: "constant" }
  | { readonly why: "information"; readonly iv: number }
  | { readonly why: "correlation"; readonly with: number; readonly r: number }
  | { readonly why: "p-value"; readonly p: number };

export interface Selection {
  /** Per feature of the job; null where it is in the model. */
  readonly leftOut: readonly (LeftOut | null)[];
  /** Pearson's, of the design's columns without the intercept's; 0 where one is constant. */
  readonly correlation: readonly (readonly number[])[];
}

const CONSTANT = 1e-9;

/** @param hessianAtZero packed as the Newton sums are, the intercept's column first. */
export function selectColumns(
  hessianAtZero: Float64Array,
  features: number,
  bins: readonly BinnedColumn[] | undefined,
  { minIv, maxCorrelation }: SelectionOptions,
): Selection {
  const { variances, correlation } = correlations(hessianAtZero, features + 1);
  const leftOut = variances.map((variance, c): LeftOut | null => {
    const iv = bins?.[c]?.iv;
    if (variance < CONSTANT) return { why: "constant" };
    return iv !== undefined && iv < minIv ? { why: "information", iv } : null;
  });
  const strength = (c: number): number => bins?.[c]?.iv ?? 0;
  const order = leftOut.flatMap((out, c) => (out === null ? [c] : []));
  // Stable: without information values the job's own order decides.
  order.sort((a, b) => strength(b) - strength(a));
  const kept: number[] = [];
  for (const c of order) {
    const near = kept.find((k) => Math.abs(correlation[c]?.[k] ?? 0) > maxCorrelation);
    if (near === undefined) kept.push(c);
    else leftOut[c] = { why: "correlation", with: near, r: correlation[c]?.[near] ?? 0 };
  }
  return { leftOut, correlation };
}

function correlations(hessian: Float64Array, width: number) {
  const at = (i: number, j: number): number =>
    hessian[packedIndex(width, Math.min(i, j), Math.max(i, j))] as number;
  const columns = Array.from({ length: width - 1 }, (_, c) => c + 1);
  const covariance = (i: number, j: number): number =>
    at(i, j) / at(0, 0) - (at(0, i) / at(0, 0)) * (at(0, j) / at(0, 0));
  const variances = columns.map((c) => covariance(c, c));
  const correlation = columns.map((i) =>
    columns.map((j) => {
      const both = (variances[i - 1] as number) * (variances[j - 1] as number);
      return both < CONSTANT ** 2 ? 0 : covariance(i, j) / Math.sqrt(both);
    }),
  );
  return { variances, correlation };
}
