// Newton's method for logistic regression over released sums: the bank's side, which has coefficients and no data. The labels
// enter once, as Xᵀy; every step asks for label-free sums at the present coefficients. DESIGN §9.
import { WjfError } from "../core/errors.ts";
import type { NewtonSums } from "../consent/release/index.ts";

export interface RegressionOptions {
  /** Ridge penalty λ/2·Σβ², not on the intercept. */
  readonly l2: number;
  readonly maxSteps: number;
}

export interface Step {
  readonly step: number;
  readonly logLikelihood: number;
  /** Largest component of the penalised gradient. */
  readonly gradient: number;
  readonly change: number;
}

export interface Regression {
  /** Intercept first. */
  readonly coefficients: readonly number[];
  readonly standardErrors: readonly number[];
  /** Two-sided, of the Wald test. */
  readonly pValues: readonly number[];
  readonly steps: readonly Step[];
}

/** Steps smaller than the fixed point can show are the end. */
const CONVERGED = 1e-7;

/** @throws WjfError `training-refused` when the columns are not independent or the steps do not end. */
export async function regress(
  labelTotals: Float64Array,
  sumsAt: (coefficients: readonly number[]) => Promise<NewtonSums>,
  { l2, maxSteps }: RegressionOptions,
): Promise<Regression> {
  const width = labelTotals.length;
  let coefficients: readonly number[] = Array.from({ length: width }, () => 0);
  const steps: Step[] = [];
  for (let step = 1; step <= maxSteps; step++) {
    const sums = await sumsAt(coefficients);
    const penalty = (c: number): number => (c === 0 ? 0 : l2);
    const gradient = Float64Array.from(labelTotals, (total, c) => {
      return total - (sums.gradient[c] as number) - penalty(c) * (coefficients[c] as number);
    });
    const factor = cholesky(sums.hessian, width, penalty);
    const move = solve(factor, width, gradient);
    const linear = labelTotals.reduce((sum, total, c) => sum + total * (coefficients[c] ?? 0), 0);
    const change = Math.max(...move.map(Math.abs));
    steps.push({
      step,
      logLikelihood: linear - sums.logSum,
      gradient: Math.max(...gradient.map(Math.abs)),
      change,
    });
    coefficients = coefficients.map((value, c) => value + (move[c] as number));
    if (change < CONVERGED || stalled(steps)) return finish(coefficients, factor, steps);
  }
  throw new WjfError("training-refused", `no convergence in ${maxSteps} steps`);
}

/** Newton's steps shrink quadratically; once they are small and no longer do, rounding is what is left. */
function stalled(steps: readonly Step[]): boolean {
  const [before, last] = steps.slice(-2);
  return (
    before !== undefined &&
    last !== undefined &&
    last.change < 1e-6 &&
    last.change > before.change / 4
  );
}

function finish(
  coefficients: readonly number[],
  factor: Float64Array,
  steps: readonly Step[],
): Regression {
  const width = coefficients.length;
  const standardErrors = coefficients.map((_, c) => {
    const unit = new Float64Array(width);
    unit[c] = 1;
    return Math.sqrt(solve(factor, width, unit)[c] as number);
  });
  const pValues = coefficients.map((value, c) => twoSided(value / (standardErrors[c] as number)));
  return { coefficients, standardErrors, pValues, steps };
}

/** Lower factor of the packed symmetric matrix plus the penalty on its diagonal. */
function cholesky(
  packed: Float64Array,
  width: number,
  penalty: (column: number) => number,
): Float64Array {
  const lower = new Float64Array(width * width);
  for (let j = 0; j < width; j++) {
    for (let i = j; i < width; i++) {
      // Row j of the upper triangle starts after the longer rows above it.
      let sum = packed[j * width - (j * (j - 1)) / 2 + (i - j)] as number;
      if (i === j) sum += penalty(j);
      for (let k = 0; k < j; k++)
        sum -= (lower[i * width + k] as number) * (lower[j * width + k] as number);
      if (i > j) lower[i * width + j] = sum / (lower[j * width + j] as number);
      else if (sum > 0) lower[j * width + j] = Math.sqrt(sum);
      else throw new WjfError("training-refused", "columns depend on each other: use a penalty");
    }
  }
  return lower;
}

function solve(lower: Float64Array, width: number, right: Float64Array): Float64Array {
  const x = Float64Array.from(right);
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < i; k++)
      x[i] = (x[i] as number) - (lower[i * width + k] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (lower[i * width + i] as number);
  }
  for (let i = width - 1; i >= 0; i--) {
    for (let k = i + 1; k < width; k++)
      x[i] = (x[i] as number) - (lower[k * width + i] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (lower[i * width + i] as number);
  }
  return x;
}

/** P(|Z| > |z|) by Abramowitz and Stegun 7.1.26, to 1.5·10⁻⁷. */
function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return series * Math.exp(-x * x);
}
