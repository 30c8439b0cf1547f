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

/**
 * Arrays have a place per column, the intercept's first. A column that was left out has the coefficient 0 and NaN for the rest.
 * Standard errors are the square roots of the diagonal of (XᵀSX + λI)⁻¹ at the optimum. Without a penalty that is the inverse of
 * the observed information. With one they are those of the penalised likelihood: z and p then test a coefficient that the penalty has
 * drawn towards 0, and are a guide, not a test at its nominal level.
 */
export interface Regression {
  readonly coefficients: readonly number[];
  readonly standardErrors: readonly number[];
  readonly zValues: readonly number[];
  /** Two-sided, of the Wald test. */
  readonly pValues: readonly number[];
  /** tr((XᵀSX + λI)⁻¹ XᵀSX): the number of columns, less what the penalty takes. */
  readonly effectiveParameters: number;
  readonly steps: readonly Step[];
}

/** Where the steps begin, and which columns may move: the others stay at 0. */
export interface Start {
  readonly coefficients: readonly number[];
  /** Ascending, with 0, the intercept. */
  readonly included: readonly number[];
}

/** Steps smaller than the fixed point can show are the end. */
const CONVERGED = 1e-7;

/** @throws WjfError `training-refused` when the columns are not independent or the steps do not end. */
export async function regress(
  labelTotals: Float64Array,
  sumsAt: (coefficients: readonly number[]) => Promise<NewtonSums>,
  { l2, maxSteps }: RegressionOptions,
  start: Start = everything(labelTotals.length),
): Promise<Regression> {
  const { included } = start;
  const penalty = (column: number): number => (column === 0 ? 0 : l2);
  let coefficients = start.coefficients;
  const steps: Step[] = [];
  for (let step = 1; step <= maxSteps; step++) {
    const sums = await sumsAt(coefficients);
    const gradient = Float64Array.from(included, (c) => {
      const fitted = sums.gradient[c] as number;
      return (labelTotals[c] as number) - fitted - penalty(c) * (coefficients[c] as number);
    });
    const factor = cholesky(included, (i, j) => {
      const curvature = sums.hessian[packedIndex(labelTotals.length, i, j)] as number;
      return i === j ? curvature + penalty(i) : curvature;
    });
    const move = solve(factor, gradient);
    const linear = labelTotals.reduce((sum, total, c) => sum + total * (coefficients[c] ?? 0), 0);
    const change = Math.max(...move.map(Math.abs));
    steps.push({
      step,
      logLikelihood: linear - sums.logSum,
      gradient: Math.max(...gradient.map(Math.abs)),
      change,
    });
    const moved = [...coefficients];
    included.forEach((c, i) => (moved[c] = (moved[c] as number) + (move[i] as number)));
    coefficients = moved;
    if (change < CONVERGED || stalled(steps)) {
      return { coefficients, ...inference(coefficients, included, factor, l2), steps };
    }
  }
  throw new WjfError("training-refused", `no convergence in ${maxSteps} steps`);
}

export function everything(width: number): Start {
  const included = Array.from({ length: width }, (_, c) => c);
  return { coefficients: included.map(() => 0), included };
}

/** Where (i, j), i ≤ j, lies in an upper triangle that is packed row by row. */
export function packedIndex(width: number, i: number, j: number): number {
  return i * width - (i * (i - 1)) / 2 + (j - i);
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

/** @param factor at the coefficients before the last step, which was smaller than what is told of them. */
function inference(
  coefficients: readonly number[],
  included: readonly number[],
  factor: Factor,
  l2: number,
): Omit<Regression, "coefficients" | "steps"> {
  const standardErrors = coefficients.map(() => NaN);
  let penalised = 0;
  included.forEach((c, i) => {
    const unit = new Float64Array(included.length);
    unit[i] = 1;
    const variance = solve(factor, unit)[i] as number;
    standardErrors[c] = Math.sqrt(variance);
    if (c > 0) penalised += l2 * variance;
  });
  const zValues = coefficients.map((value, c) => value / (standardErrors[c] as number));
  return {
    standardErrors,
    zValues,
    pValues: zValues.map(twoSided),
    effectiveParameters: included.length - penalised,
  };
}

interface Factor {
  readonly width: number;
  /** Row by row, lower. */
  readonly values: Float64Array;
}

/** @param entry of the symmetric matrix, by columns of the design, i ≤ j. */
function cholesky(included: readonly number[], entry: (i: number, j: number) => number): Factor {
  const width = included.length;
  const lower = new Float64Array(width * width);
  for (let j = 0; j < width; j++) {
    for (let i = j; i < width; i++) {
      let sum = entry(included[j] as number, included[i] as number);
      for (let k = 0; k < j; k++)
        sum -= (lower[i * width + k] as number) * (lower[j * width + k] as number);
      if (i > j) lower[i * width + j] = sum / (lower[j * width + j] as number);
      else if (sum > 0) lower[j * width + j] = Math.sqrt(sum);
      else throw new WjfError("training-refused", "columns depend on each other: use a penalty");
    }
  }
  return { width, values: lower };
}

function solve({ width, values: lower }: Factor, right: Float64Array): Float64Array {
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

/** P(|Z| > |z|), the complementary error function by Numerical Recipes §6.2 (erfcc): to 1.2·10⁻⁷ of its value, everywhere. */
export function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const series = ERFC.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  return t * Math.exp(-x * x + series);
}

const ERFC = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
  -0.82215223, 0.17087277,
];
