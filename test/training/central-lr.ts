// Central training of the same data, written independently of the product: plain arrays, Newton by Gauss-Jordan, exact AUC and
// KS over the sorted scores. What federated training must equal.
export interface CentralModel {
  readonly coefficients: number[];
  /** Of the inverse of the penalised information at the end. */
  readonly standardErrors: number[];
  readonly scores: number[];
}

/** @param rows without the intercept. @param ridge not applied to it. */
export function centralRegression(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  ridge: number,
): CentralModel {
  const x = rows.map((row) => [1, ...row]);
  const d = x[0]!.length;
  let beta = Array.from({ length: d }, () => 0);
  let information: number[][] = [];
  for (let step = 0; step < 50; step++) {
    const h = Array.from({ length: d }, () => Array.from({ length: d + 1 }, () => 0));
    for (const [i, row] of x.entries()) {
      const eta = row.reduce((sum, value, j) => sum + value * beta[j]!, 0);
      const p = 1 / (1 + Math.exp(-eta));
      for (let a = 0; a < d; a++) {
        h[a]![d]! += row[a]! * (labels[i]! - p);
        for (let b = 0; b < d; b++) h[a]![b]! += row[a]! * row[b]! * p * (1 - p);
      }
    }
    for (let a = 1; a < d; a++) {
      h[a]![a]! += ridge;
      h[a]![d]! -= ridge * beta[a]!;
    }
    information = h.map((row) => row.slice(0, d));
    const move = gaussJordan(h);
    beta = beta.map((value, j) => value + move[j]!);
    if (Math.max(...move.map(Math.abs)) < 1e-11) break;
  }
  const scores = x.map((row) => row.reduce((sum, value, j) => sum + value * beta[j]!, 0));
  const standardErrors = information.map((_, j) => {
    const unit = information.map((row, i) => [...row, i === j ? 1 : 0]);
    return Math.sqrt(gaussJordan(unit)[j]!);
  });
  return { coefficients: beta, standardErrors, scores };
}

function gaussJordan(augmented: number[][]): number[] {
  const n = augmented.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column; row < n; row++) {
      if (Math.abs(augmented[row]![column]!) > Math.abs(augmented[pivot]![column]!)) pivot = row;
    }
    [augmented[column], augmented[pivot]] = [augmented[pivot]!, augmented[column]!];
    for (let row = 0; row < n; row++) {
      if (row === column) continue;
      const factor = augmented[row]![column]! / augmented[column]![column]!;
      for (let k = column; k <= n; k++) augmented[row]![k]! -= factor * augmented[column]![k]!;
    }
  }
  return augmented.map((row, i) => row[n]! / row[i]!);
}

export function centralAucKs(
  scores: readonly number[],
  labels: readonly number[],
): { readonly auc: number; readonly ks: number } {
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const bad = labels.reduce((sum, label) => sum + label, 0);
  const good = labels.length - bad;
  let [auc, ks, goodBelow, badBelow] = [0, 0, 0, 0];
  for (let i = 0; i < order.length;) {
    let [goodHere, badHere] = [0, 0];
    const score = scores[order[i]!]!;
    for (; i < order.length && scores[order[i]!] === score; i++) {
      if (labels[order[i]!] === 1) badHere++;
      else goodHere++;
    }
    auc += badHere * (goodBelow + goodHere / 2);
    goodBelow += goodHere;
    badBelow += badHere;
    ks = Math.max(ks, Math.abs(goodBelow / good - badBelow / bad));
  }
  return { auc: auc / (good * bad), ks };
}

/** Means and population deviations of what is there; columns that do not vary are only centred, what is missing becomes the mean. */
export function standardise(rows: readonly (readonly number[])[]): number[][] {
  return rows.map(standardiser(rows));
}

/** The same for rows that the means and deviations are not of. */
export function standardiser(
  rows: readonly (readonly number[])[],
): (row: readonly number[]) => number[] {
  const scales = rows[0]!.map((_, c) => {
    const column = rows.map((row) => row[c]!).filter((value) => !Number.isNaN(value));
    const mean = column.reduce((a, b) => a + b, 0) / column.length;
    const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / column.length;
    return { mean, deviation: variance > 0 ? Math.sqrt(variance) : 1 };
  });
  return (row) =>
    row.map((value, c) => {
      const { mean, deviation } = scales[c]!;
      return Number.isNaN(value) ? 0 : (value - mean) / deviation;
    });
}

/** Fewer without a value than this get no weight of evidence. */
const LEAST_MISSING = 20;

/** The weight of evidence of each value, from the raw data and published cuts; NaN is a missing one, in a bin of its own. */
export function centralWoe(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  cuts: readonly (readonly number[])[],
): number[][] {
  const tables = centralWoeTables(rows, labels, cuts);
  return rows.map((row) => cuts.map((edges, c) => tables[c]![binAmong(row[c]!, edges)]!));
}

/** The bin of a value among ascending cuts. */
export function binAmong(value: number, edges: readonly number[]): number {
  return Number.isNaN(value) ? edges.length + 1 : edges.filter((cut) => cut <= value).length;
}

/** Per column one for each bin, and one for missing values. */
export function centralWoeTables(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  cuts: readonly (readonly number[])[],
): number[][] {
  const bad = labels.reduce((sum, label) => sum + label, 0);
  const good = labels.length - bad;
  return cuts.map((edges, c) => {
    const counts = Array.from({ length: edges.length + 2 }, () => [0, 0] as [number, number]);
    rows.forEach((row, i) => counts[binAmong(row[c]!, edges)]![labels[i] === 1 ? 1 : 0]++);
    return counts.map(([goodHere, badHere], bin) => {
      const few = bin === edges.length + 1 && goodHere + badHere < LEAST_MISSING;
      if (few || badHere === 0 || goodHere === 0) return 0;
      return Math.log(goodHere / good / (badHere / bad));
    });
  });
}
