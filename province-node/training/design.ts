// A province's people as columns, and the matrix that a regression sees of them. Pure; nothing here leaves the node.
import type { Steps } from "../../core/steps.ts";
import { binOf, type Design, type Score, TRAINING_PARAMETERS } from "../../crypto/index.ts";

/** Natural values by column; NaN where a value is missing. All columns are equally long. */
export type Columns = readonly Float64Array[];

export interface Matrix {
  readonly rows: number;
  /** The intercept's ones are column 0. */
  readonly width: number;
  /** Row by row. */
  readonly values: Float64Array;
}

const ONE = 2 ** TRAINING_PARAMETERS.fractionBits;
/** Values looked up among cuts, and products: some milliseconds. */
export const VALUES_A_PIECE = 2 ** 15;
export const PRODUCTS_A_PIECE = 2 ** 21;

/**
 * A piece per column and so many rows. Standardised values are rounded as the products with encrypted labels round them: both sides of the gradient see one matrix. Weights of
 * evidence are not: their Xᵀy follows from the bins, exactly.
 */
export function* applyDesign(columns: Columns, design: Design): Steps<Matrix> {
  const rows = columns[0]?.length ?? 0;
  const width = columns.length + 1;
  const values = new Float64Array(rows * width);
  const rounded = design.kind === "raw";
  for (let row = 0; row < rows; row++) values[row * width] = 1;
  for (const [c, column] of columns.entries()) {
    for (let row = 0; row < rows; row++) {
      if (row % VALUES_A_PIECE === 0) yield;
      const value = transformed(column[row] as number, design, c);
      values[row * width + c + 1] = rounded ? Math.round(value * ONE) / ONE : value;
    }
  }
  return { rows, width, values };
}

function transformed(value: number, design: Design, column: number): number {
  if (design.kind === "woe") {
    return design.woe[column]?.[binOf(value, design.edges[column] ?? [])] ?? 0;
  }
  if (Number.isNaN(value)) return 0;
  return (value - (design.centre[column] ?? 0)) / (design.scale[column] ?? 1);
}

/** The linear scores, before the logistic function. */
export function* linearScores(
  { rows, width, values }: Matrix,
  { coefficients }: Score,
): Steps<Float64Array> {
  const rowsAPiece = Math.ceil(PRODUCTS_A_PIECE / width);
  const scores = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    if (row % rowsAPiece === 0) yield;
    let sum = 0;
    for (let c = 0; c < width; c++) {
      sum += (values[row * width + c] as number) * (coefficients[c] ?? 0);
    }
    scores[row] = sum;
  }
  return scores;
}

/** The bin of each value. */
export function* binsOf(values: Float64Array, cuts: readonly number[]): Steps<Uint16Array> {
  const bins = new Uint16Array(values.length);
  for (let row = 0; row < values.length; row++) {
    if (row % VALUES_A_PIECE === 0) yield;
    bins[row] = binOf(values[row] as number, cuts);
  }
  return bins;
}
