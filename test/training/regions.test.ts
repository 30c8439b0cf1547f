// Figures by region: how provinces fall into regions, that no released cell and no difference of released cells is about few people or
// one province, and that with the real cryptography they are what somebody with all rows and labels would count.
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { systemRandom } from "../../core/random.ts";
import { atOnce } from "../../core/steps.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { TRAINING_POLICY } from "../../consent/release/index.ts";
import { evaluateRegions, type RegionSums } from "../../consent/release/training-regions.ts";
import { regionsOf } from "../../crypto/index.ts";
import { train, TRAINING_DEFAULTS, type TrainingResult } from "../../cli/train-job.ts";
import { applyDesign, linearScores } from "../../province-node/training/design.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { centralAucKs } from "./central-lr.ts";

const codes = PROVINCES.map(({ code }) => code);

test("31 provinces are GB/T 2260's six regions; small ones join a neighbour", () => {
  expect(regionsOf(codes).map((region) => region.join(" "))).toEqual([
    "11 12 13 14 15",
    "21 22 23",
    "31 32 33 34 35 36 37",
    "41 42 43 44 45 46",
    "50 51 52 53 54",
    "61 62 63 64 65",
  ]);
  const some = (text: string) => regionsOf(codes.filter((code) => text.split(" ").includes(code)));
  expect(some("11 12 21 31 32 33 65")).toEqual([
    ["11", "12", "21"],
    ["31", "32", "33", "65"],
  ]);
  expect(some("11 12 13 65")).toEqual([["11", "12", "13", "65"]]);
  expect(some("11 65")).toEqual([["11", "65"]]);
});

test("whatever a job's provinces, each is in one region, and of each region there are three", () => {
  fc.assert(
    fc.property(fc.subarray(codes, { minLength: 3 }), (provinces) => {
      const regions = regionsOf(provinces);
      expect(regions.flat()).toEqual(provinces);
      expect(Math.min(...regions.map(({ length }) => length))).toBeGreaterThanOrEqual(3);
    }),
  );
});

const GROUPS = 8;
const cell = fc
  .integer({ min: 0, max: 60 })
  .chain((people) =>
    fc.record({ people: fc.constant(people), bad: fc.integer({ min: 0, max: people }) }),
  );
const region = fc.record({
  holding: fc.integer({ min: 0, max: 5 }),
  cells: fc.array(cell, { minLength: GROUPS, maxLength: GROUPS }),
});

test("regions and bands are merged until every cell is of enough people, for all regions alike", () => {
  let told = 0;
  fc.assert(
    fc.property(fc.array(region, { minLength: 2, maxLength: 6 }), (drawn) => {
      const sums = drawn.map(({ holding, cells }, r): RegionSums => ({
        provinces: [codes[r]!],
        holding,
        people: Float64Array.from(cells, ({ people }) => people),
        bad: Float64Array.from(cells, ({ bad }) => bad),
        expected: Float64Array.from(cells, ({ people }) => people / 2),
      }));
      const groups = Array.from({ length: GROUPS }, (_, i) => ({
        people: sums.reduce((sum, { people }) => sum + people[i]!, 0),
        bad: sums.reduce((sum, { bad }) => sum + bad[i]!, 0),
        from: null,
        below: null,
        expected: 0.5,
      }));
      const regions = evaluateRegions(sums, groups, TRAINING_POLICY);
      if (regions.length === 0) return;
      told++;
      expect(regions.length).toBeGreaterThan(1);
      expect(regions.flatMap(({ provinces }) => provinces)).toEqual(codes.slice(0, drawn.length));
      expect(new Set(regions.map(({ bands }) => bands.length)).size).toBe(1);
      for (const { provinces, people, bad, bands } of regions) {
        const own = sums.filter((each) => provinces.includes(each.provinces[0]!));
        expect(own.reduce((sum, { holding }) => sum + holding, 0)).toBeGreaterThanOrEqual(3);
        expect(Math.min(bad, people - bad)).toBeGreaterThanOrEqual(50);
        expect(bands.length).toBeLessThanOrEqual(5);
        for (const band of bands) expect(band.people).toBeGreaterThanOrEqual(20);
        expect(bands.reduce((sum, band) => sum + band.people, 0)).toBe(people);
        expect(bands.reduce((sum, band) => sum + band.bad, 0)).toBe(bad);
      }
    }),
    { numRuns: 500 },
  );
  expect(told).toBeGreaterThan(50);
});

const NAMES = ["a", "b"];
const drawn = new Keystream(sandboxKey("regions"), 1, 1);
const provinces = ["11", "12", "13", "21", "22", "23"].map((code, p) => {
  const rows = Array.from({ length: 250 }, () => [drawn.normal(), drawn.normal()]);
  return {
    code: code as (typeof codes)[number],
    columns: NAMES.map((_, c) => Float64Array.from(rows, (row) => row[c]!)),
    // In the Northeast more are bad, and the first column says less of it.
    labels: Uint8Array.from(rows, ([a, b]) => {
      const eta = p < 3 ? -1.2 + a! : -0.4 + a! / 3;
      return drawn.chance(1 / (1 + Math.exp(-eta - b! / 2))) ? 1 : 0;
    }),
  };
});
const job = {
  id: "t",
  client: "b",
  purpose: "p",
  features: NAMES,
  random: systemRandom,
  provinces,
};
const options = { ...TRAINING_DEFAULTS, columns: "raw", byRegion: true } as const;

let result: TrainingResult;
beforeAll(async () => {
  result = await train(job, options);
}, 60_000);

test("people, classes, probabilities, AUC and KS of each region are those of its rows", () => {
  const { design, regression, evaluation } = result;
  const cuts = evaluation!.groups.flatMap(({ below }) => (below === null ? [] : [below]));
  expect(evaluation!.regions!.map((each) => each.provinces.join(" "))).toEqual([
    "11 12 13",
    "21 22 23",
  ]);
  for (const [r, told] of evaluation!.regions!.entries()) {
    const own = provinces.slice(3 * r, 3 * r + 3);
    const labels = own.flatMap((each) => [...each.labels]);
    const scores = own.flatMap(({ columns }) => [
      ...atOnce(linearScores(atOnce(applyDesign(columns, design)), { design, ...regression })),
    ]);
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    const probability = (score: number): number => 1 / (1 + Math.exp(-score));
    expect(told).toMatchObject({ people: 750, bad: sum(labels) });
    expect(told.expected).toBeCloseTo(sum(scores.map(probability)) / 750, 5);
    const grouped = scores.map((score) => cuts.filter((each) => each <= score).length);
    const counted = centralAucKs(grouped, labels);
    expect(told.auc).toBeCloseTo(counted.auc, 10);
    expect(told.gini).toBeCloseTo(2 * counted.auc - 1, 10);
    expect(told.ks).toBeCloseTo(counted.ks, 10);
    // Of some twenty groups: what the coarser counting costs.
    expect(told.auc).toBeCloseTo(centralAucKs(scores, labels).auc, 2);
    expect(told.bands).toHaveLength(5);
  }
  const [north, northeast] = evaluation!.regions!;
  expect(north!.auc).toBeGreaterThan(northeast!.auc + 0.05);
  expect(north!.expected - north!.bad / 750).toBeGreaterThan(0.02);
  expect(northeast!.expected - northeast!.bad / 750).toBeLessThan(-0.02);
});

test("of three provinces there is one region, and nothing is told by region", async () => {
  const three = provinces.slice(0, 3).map((each) => ({
    ...each,
    columns: each.columns.map((column) => Float64Array.of(...column, ...column)),
    labels: Uint8Array.of(...each.labels, ...each.labels),
  }));
  const rounds: string[] = [];
  const onRound = (what: string): number => rounds.push(what);
  const few = await train({ ...job, provinces: three, onRound }, options);
  expect(few.evaluation!.regions).toEqual([]);
  expect(rounds).toContain("labels: score-bins");
  expect(rounds.filter((what) => what.includes("region"))).toEqual([]);
}, 60_000);
