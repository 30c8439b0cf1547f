// The bank's arithmetic on released sums: p-values against tables, standard errors and selection against sums made here, a scorecard's
// scale, and that a card counted by provinces is the card that is served.
import { expect, test } from "vitest";
import { atOnce } from "../../core/steps.ts";
import { newtonSums } from "../../province-node/training/aggregates.ts";
import { applyDesign, linearScores } from "../../province-node/training/design.ts";
import { everything, regress, twoSided } from "../../cli/train-regression.ts";
import {
  cardEvaluation,
  countedScore,
  DEFAULT_SCALE,
  scorecardOf,
} from "../../cli/train-scorecard.ts";
import { selectColumns } from "../../cli/train-selection.ts";
import { centralRegression } from "./central-lr.ts";

test.each([
  // Abramowitz and Stegun, table 26.1; the last by R: 2 * pnorm(-10).
  [0, 1],
  [1, 0.3173105079],
  [1.96, 0.0499957902],
  [-2.5758293035, 0.01],
  [5, 5.733031438e-7],
  [10, 1.523970604e-23],
])("P(|Z| > |%d|)", (z, p) => {
  expect(twoSided(z) / p).toBeCloseTo(1, 6);
});

/** Three columns, the third almost the first; the fourth is the same for everybody. */
const rows = Array.from({ length: 400 }, (_, i) => {
  const [a, b] = [((i * 7919) % 101) / 50 - 1, ((i * 104_729) % 97) / 48 - 1];
  return [a, b, a + b / 20, 3];
});
const labels = rows.map(([a, b], i) =>
  ((i * 31) % 64) / 64 < 1 / (1 + Math.exp(1 - a! - b!)) ? 1 : 0,
);

function sums(coefficients: readonly number[]) {
  const columns = [0, 1, 2, 3].map((c) => Float64Array.from(rows, (row) => row[c]!));
  const design = { kind: "raw", centre: [0, 0, 0, 0], scale: [1, 1, 1, 1] } as const;
  const matrix = atOnce(applyDesign(columns, design));
  const values = atOnce(newtonSums(matrix, atOnce(linearScores(matrix, { design, coefficients }))));
  return {
    people: 400,
    logSum: values[1]!,
    gradient: values.slice(2, 7),
    hessian: values.slice(7),
  };
}

const totals = Float64Array.from([0, 1, 2, 3, 4], (c) =>
  rows.reduce((sum, row, i) => sum + (c === 0 ? 1 : row[c - 1]!) * labels[i]!, 0),
);

test("a fit without some columns is the fit of the others alone, errors and all", async () => {
  const { coefficients } = everything(5);
  const start = { coefficients, included: [0, 1, 2] };
  const options = { l2: 2, maxSteps: 25 };
  const fitted = await regress(totals, (at) => Promise.resolve(sums(at)), options, start);
  const central = centralRegression(
    rows.map(([a, b]) => [a!, b!]),
    labels,
    2,
  );
  central.coefficients.forEach((value, c) => {
    expect(fitted.coefficients[c]! / value).toBeCloseTo(1, 5);
    expect(fitted.standardErrors[c]! / central.standardErrors[c]!).toBeCloseTo(1, 5);
    expect(fitted.zValues[c]! * fitted.standardErrors[c]!).toBeCloseTo(value, 5);
  });
  expect(fitted.coefficients.slice(3)).toEqual([0, 0]);
  expect(fitted.pValues.slice(3)).toEqual([NaN, NaN]);
  expect(fitted.effectiveParameters).toBeGreaterThan(2);
  expect(fitted.effectiveParameters).toBeLessThan(3);
  const likelihoods = fitted.steps.map(({ logLikelihood }) => logLikelihood);
  expect(likelihoods).toEqual(likelihoods.toSorted((a, b) => a - b));
});

test("columns that say nothing, or what another says, stay out", () => {
  const atZero = sums([0, 0, 0, 0, 0]).hessian;
  const column = (iv: number) => ({ cuts: [], bins: [], missing: null, iv });
  const bins = [column(0.3), column(0.01), column(0.2), column(0)];
  const limits = { minIv: 0.02, maxCorrelation: 0.9, maxP: 1 };
  const { leftOut, correlation } = selectColumns(atZero, 4, bins, limits);
  expect(leftOut[0]).toBeNull();
  expect(leftOut[1]).toEqual({ why: "information", iv: 0.01 });
  expect(leftOut[2]).toMatchObject({ why: "correlation", with: 0 });
  expect(leftOut[3]).toEqual({ why: "constant" });
  const pearson = (i: number, j: number): number => {
    const mean = (c: number): number => rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length;
    const about = (a: number, b: number): number =>
      rows.reduce((sum, row) => sum + (row[a]! - mean(a)) * (row[b]! - mean(b)), 0);
    return about(i, j) / Math.sqrt(about(i, i) * about(j, j));
  };
  expect(correlation[0]![2]).toBeCloseTo(pearson(0, 2), 5);
  expect(correlation[1]![0]).toBeCloseTo(pearson(0, 1), 5);
  expect(correlation[3]).toEqual([0, 0, 0, 0]);
  // Without information values the order of the job decides.
  const raw = selectColumns(atZero, 4, undefined, limits);
  expect(raw.leftOut.map((out) => out?.why)).toEqual([
    undefined,
    undefined,
    "correlation",
    "constant",
  ]);
});

const bin = (woe: number) => ({ people: 500, bad: 50, woe });
const source = {
  people: 1000,
  bad: 100,
  bins: [{ cuts: [10], bins: [bin(-0.5), bin(0.7)], missing: bin(0.1), iv: 0.3 }],
  coefficients: [Math.log(1 / 9), -1.2],
  included: [0],
};

test("points follow the scale, and the least of a feature is 0", () => {
  const card = scorecardOf(source, DEFAULT_SCALE);
  const factor = 40 / Math.LN2;
  const exact = (woe: number): number => 600 + factor * (Math.log(9) + 1.2 * woe - Math.log(20));
  const [feature] = card.features;
  expect(Math.min(...feature!.points)).toBe(0);
  for (const [points, woe] of [
    [feature!.points[0]!, -0.5],
    [feature!.points[1]!, 0.7],
    [feature!.missing, 0.1],
  ] as const) {
    expect(Math.abs(card.offset + points - exact(woe))).toBeLessThanOrEqual(1);
  }
  // Twice the odds, 40 points more; a population with half the odds of bad is better by those 40.
  const rarer = scorecardOf(source, { ...DEFAULT_SCALE, badRate: 1 / 19 });
  expect(rarer.offset - card.offset).toBe(40);
  expect(() => scorecardOf(source, { ...DEFAULT_SCALE, pdo: 0 })).toThrow(
    expect.objectContaining({ code: "config-invalid" }),
  );
});

test("what provinces count are the card's own points", () => {
  const card = scorecardOf(source, DEFAULT_SCALE);
  const counted = countedScore(card, 1);
  const values = Float64Array.of(3, 10, NaN);
  const scores = atOnce(linearScores(atOnce(applyDesign([values], counted.design)), counted));
  const [feature] = card.features;
  const points = [...feature!.points, feature!.missing].map((each) => card.offset + each);
  const order = [0, 2, 1];
  const cuts = [Math.ceil(scores[1]! * 100) / 100, Math.ceil(scores[2]! * 100) / 100];
  const groups = [
    { people: 500, bad: 20, from: null, below: cuts[0]!, expected: 0 },
    { people: 100, bad: 10, from: cuts[0]!, below: cuts[1]!, expected: 0 },
    { people: 400, bad: 70, from: cuts[1]!, below: null, expected: 0 },
  ];
  const told = cardEvaluation(card, {
    people: 1000,
    bad: 100,
    auc: 0.7,
    gini: 0.4,
    ks: 0.3,
    groups,
  });
  expect(told.groups.map(({ people }) => people)).toEqual([400, 100, 500]);
  const [low, middle, high] = order.map((at) => points[at]!) as [number, number, number];
  expect(told.groups.map(({ from, to }) => [from, to])).toEqual([
    [null, middle - 1],
    [middle, high - 1],
    [high, null],
  ]);
  expect(low).toBeLessThan(middle);
});
