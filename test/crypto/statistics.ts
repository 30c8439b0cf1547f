// Chi-square statistics for vectors that should be uniform over [0, t). Limits are set so far out that an honest run
// fails once in some hundred million; what is not masked exceeds them by orders of magnitude.

/** Σ (observed − expected)² / expected over equal cells. */
export function chiSquare(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const expected = total / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Mean plus six standard deviations of chi-square with `cells − 1` degrees of freedom. */
export function chiSquareLimit(cells: number): number {
  const freedom = cells - 1;
  return freedom + 6 * Math.sqrt(2 * freedom);
}

/** Counts of values in equal cells over [0, t): sensitive to the high bits. */
export function cellsByRange(values: Iterable<number>, t: number, cells: number): number[] {
  const counts = Array.from({ length: cells }, () => 0);
  for (const value of values) {
    const cell = Math.floor((value * cells) / t);
    counts[cell] = (counts[cell] as number) + 1;
  }
  return counts;
}

/** Counts of values by remainder: sensitive to the low bits. `cells` must be far below t. */
export function cellsByRemainder(values: Iterable<number>, cells: number): number[] {
  const counts = Array.from({ length: cells }, () => 0);
  for (const value of values) {
    counts[value % cells] = (counts[value % cells] as number) + 1;
  }
  return counts;
}

/** Pearson's correlation coefficient. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [da, db] = [(a[i] as number) - meanA, (b[i] as number) - meanB];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return ab / Math.sqrt(aa * bb);
}
