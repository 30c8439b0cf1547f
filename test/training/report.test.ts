// A training job with the real cryptography, its report and its scorecard: the figures against central ones, the rules on what is told,
// and the page in a browser, at a desktop's and a phone's width. Skips the browser where there is none; WJF_SCREENSHOTS=<folder> keeps
// what it saw.
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { loadCatalogue, withPackage } from "../../catalogue/index.ts";
import { spreadOf } from "../../consent/release/training-evaluation.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { binOf } from "../../crypto/index.ts";
import { systemRandom } from "../../core/random.ts";
import { atOnce } from "../../core/steps.ts";
import { baselineCuts, driftOf, trainedCard } from "../../cli/drift-card.ts";
import { checkDraft, readDraft } from "../../cli/model-check.ts";
import { type TrainingFiles, writeTrainingFiles } from "../../cli/train-files.ts";
import { train, TRAINING_DEFAULTS, type TrainingResult } from "../../cli/train-job.ts";
import type { TrainingReport } from "../../cli/train-report.ts";
import { countedScore, DEFAULT_SCALE } from "../../cli/train-scorecard.ts";
import { applyDesign, linearScores } from "../../province-node/training/design.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import {
  CHROMIUM,
  DESKTOP,
  expectAccessible,
  keepScreenshot,
  openBrowser,
  PHONE,
} from "../consent/chromium.ts";
import { TemporaryFolder } from "../models/package-fixture.ts";
import { centralAucKs } from "./central-lr.ts";

const FEATURES = [
  "use.arrears_months_12m",
  "loy.history_months",
  "use.spend_avg_6m",
  "use.spend_avg_3m",
  "val.loan_days_90d",
  "id.age_years",
];
const PEOPLE = 2400;

const drawn = new Keystream(sandboxKey("report"), 1, 1);
const rows = Array.from({ length: PEOPLE }, () => {
  const spend = 60 + 25 * drawn.normal();
  const values = [drawn.whole(0, 5), drawn.whole(1, 120), spend, spend + drawn.normal()];
  // Some have no value for the loans; age says nothing.
  return [...values, drawn.chance(0.1) ? NaN : drawn.whole(0, 30), drawn.whole(18, 80)];
});
const labels = rows.map(([arrears, history, spend, , loans]) => {
  const loan = Number.isNaN(loans) ? 10 : loans!;
  const eta = -2 + 0.5 * arrears! - 0.012 * history! - 0.01 * spend! + 0.06 * loan;
  return drawn.chance(1 / (1 + Math.exp(-eta))) ? 1 : 0;
});
const options = {
  ...TRAINING_DEFAULTS,
  bins: 6,
  monotone: true,
  minIv: 0.02,
  maxCorrelation: 0.9,
  maxP: 0.05,
  byRegion: true,
  scale: DEFAULT_SCALE,
};
const input = {
  id: "report-test",
  client: "demo-bank",
  purpose: "dpv:CreditChecking",
  features: FEATURES,
  // Three of the North, three of the Northeast.
  provinces: [...PROVINCES.slice(0, 3), ...PROVINCES.slice(5, 8)].map(({ code }, p) => {
    const mine = rows.flatMap((_, i) => (i % 6 === p ? [i] : []));
    return {
      code,
      columns: FEATURES.map((_, c) => Float64Array.from(mine, (i) => rows[i]![c]!)),
      labels: Uint8Array.from(mine, (i) => labels[i]!),
    };
  }),
  random: systemRandom,
};
const names = {
  id: "trained",
  version: 1,
  owner: "demo-bank",
  zh: "训练模型",
  en: "Trained model",
};

const folder = new TemporaryFolder();
let result: TrainingResult;
let files: TrainingFiles;
let report: TrainingReport;

beforeAll(async () => {
  result = await train(input, options);
  const source = { input, options, result, createdAt: "2026-11-28T00:00:00.000Z" };
  files = writeTrainingFiles(folder.path, source, loadCatalogue(), names);
  report = JSON.parse(readFileSync(files.report, "utf8")) as TrainingReport;
  return () => folder[Symbol.dispose]();
});

test("what says nothing, and what another says, is left out and named", () => {
  const out = Object.fromEntries(report.features.map(({ id, left_out }) => [id, left_out]));
  expect(out["id.age_years"]).toMatch(/information value|p =/);
  const spending = [out["use.spend_avg_6m"], out["use.spend_avg_3m"]];
  expect(spending.filter((each) => each?.startsWith("correlation"))).toHaveLength(1);
  expect(out["use.arrears_months_12m"]).toBeNull();
  expect(report.coefficients.map(({ feature }) => feature)).toHaveLength(5);
});

test("the curves are those of the groups, and end at everybody", () => {
  const { curve, deciles, auc, ks } = report.evaluation!;
  expect(curve.at(-1)).toEqual({ people: 1, good: 1, bad: 1 });
  // As nearly as the groups of a score with ties allow.
  expect(deciles.length).toBeGreaterThanOrEqual(8);
  expect(deciles.length).toBeLessThanOrEqual(10);
  expect(deciles.reduce((sum, each) => sum + each.people, 0)).toBe(PEOPLE);
  expect(deciles.at(-1)!.captured).toBe(1);
  const widest = Math.max(...curve.map(({ good, bad }) => bad - good));
  expect(widest).toBeLessThanOrEqual(ks);
  expect(widest).toBeGreaterThan(ks - 0.05);
  expect(deciles[0]!.lift).toBeGreaterThan(1.5);
  expect(auc).toBeGreaterThan(0.7);
  for (const { bins } of report.features) {
    for (const { people } of bins ?? []) expect(people).toBeGreaterThanOrEqual(20);
  }
});

test("regions are named, add up to the cohort, and are beside it in the same cells", () => {
  const { whole, regions } = report.evaluation!.by_region!;
  expect(regions.map(({ en, zh }) => [en, zh])).toEqual([
    ["North", "华北"],
    ["Northeast", "东北"],
  ]);
  expect(regions.reduce((sum, { people }) => sum + people, 0)).toBe(PEOPLE);
  expect(regions.reduce((sum, { bad }) => sum + bad, 0)).toBe(report.cohort.bad);
  expect(whole.auc).toBeLessThanOrEqual(report.evaluation!.auc);
  expect(whole.auc).toBeGreaterThan(report.evaluation!.auc - 0.01);
  const page = readFileSync(files.page, "utf8");
  for (const { en, auc } of regions) {
    expect(page).toContain(en);
    expect(page).toContain(auc.toFixed(3));
  }
});

/** The card's score from the package's own words. */
function scoreOf(row: readonly number[]): number {
  const { offset, features, scale } = report.scorecard!;
  const points = features.map(({ indicator, cuts, points: each, missing }) => {
    const value = row[FEATURES.indexOf(indicator!)]!;
    return Number.isNaN(value) ? missing : each[cuts.filter((cut) => cut <= value).length]!;
  });
  const sum = points.reduce((a, b) => a + b, offset);
  return Math.min(scale.max, Math.max(scale.min, sum));
}

test("the card's evaluation and its PSI baseline are those of the points that are served", () => {
  const scores = rows.map(scoreOf);
  const central = centralAucKs(
    scores.map((score) => -score),
    labels,
  );
  const { auc, ks, psi_baseline: bands } = report.scorecard!;
  expect(Math.abs(auc! - central.auc)).toBeLessThan(2e-3);
  expect(Math.abs(ks! - central.ks)).toBeLessThan(2e-2);
  for (const { from, to, share } of bands) {
    const inside = scores.filter((score) => score >= (from ?? 0) && score <= (to ?? 9999));
    expect(share).toBeCloseTo(inside.length / PEOPLE, 10);
  }
  expect(bands.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 10);
});

/** Counted by score as it is served, in the package's own bands. */
function psiOf(people: readonly (readonly number[])[]): number {
  const bands = report.scorecard!.psi_baseline;
  const scores = people.map(scoreOf);
  return bands.reduce((sum, { from, to, share }) => {
    const inside = scores.filter((score) => score >= (from ?? 0) && score <= (to ?? 9999));
    const actual = inside.length / people.length;
    return sum + (actual - share) * Math.log(actual / share);
  }, 0);
}

test("drift is counted from the package alone, and is the index of the scores as they are served", () => {
  const trained = trainedCard(checkDraft(readDraft(files.model!), loadCatalogue()));
  const cuts = baselineCuts(trained);
  const score = countedScore(trained.card, trained.features.length);
  const drift = (people: readonly (readonly number[])[], least: number) => {
    const columns = trained.features.map((feature) => {
      return Float64Array.from(people, (row) => row[FEATURES.indexOf(feature)]!);
    });
    const counts = new Float64Array(cuts.length + 1);
    for (const linear of atOnce(linearScores(atOnce(applyDesign(columns, score.design)), score))) {
      counts[binOf(linear, cuts)]! += 1;
    }
    return driftOf(trained, spreadOf(counts, cuts, least));
  };
  const same = drift(rows, 20);
  expect(same).toMatchObject({ people: PEOPLE, level: "stable" });
  expect(same.psi).toBeCloseTo(0, 12);
  expect(same.bands).toHaveLength(trained.baseline.length);
  const later = rows.map(([arrears, history, ...rest]) => [
    Math.min(5, arrears! + 1),
    history! * 0.8,
    ...rest,
  ]);
  const told = drift(later, 20);
  expect(told.psi).toBeCloseTo(psiOf(later), 10);
  expect(told.psi).toBeGreaterThan(0.05);
  // Where few are in a band it joins its neighbour, in what was as in what is.
  const merged = drift(later, 400);
  expect(merged.bands.length).toBeLessThan(told.bands.length);
  expect(merged.bands[0]!.from).toBeNull();
  for (const key of ["expected", "actual"] as const) {
    expect(merged.bands.reduce((sum, band) => sum + band[key], 0)).toBeCloseTo(1, 10);
  }
  for (const { actual } of merged.bands) expect(actual * PEOPLE).toBeGreaterThan(399);
  expect(merged.psi).toBeLessThanOrEqual(Number(told.psi));
});

test.each([
  [[0.5, 0.5], "stable", 0],
  [[0.35, 0.65], "stable", 0.0929],
  [[0.34, 0.66], "shifted", 0.1061],
  [[0.27, 0.73], "shifted", 0.2288],
  [[0.25, 0.75], "drifted", 0.2747],
])("shares of %j where there were halves: %s", ([low, high], level, psi) => {
  const halves = [
    { from: null, share: 0.5 },
    { from: 600, share: 0.5 },
  ];
  const trained = { card: { offset: 0, features: [] }, features: [], baseline: halves };
  const [cut] = baselineCuts(trained) as [number];
  const cells = [
    { people: 10_000 * high!, below: cut },
    { people: 10_000 * low!, below: null },
  ];
  expect(driftOf(trained, cells)).toMatchObject({ people: 10_000, level });
  expect(driftOf(trained, cells).psi).toBeCloseTo(psi, 4);
});

test("all in one band of several is no index of 0: much has changed", () => {
  const quarters = [null, 500, 600, 700].map((from) => ({ from, share: 0.25 }));
  const trained = { card: { offset: 0, features: [] }, features: [], baseline: quarters };
  const told = driftOf(
    trained,
    spreadOf(Float64Array.of(0, 1000, 0, 19), baselineCuts(trained), 20),
  );
  expect(told).toMatchObject({ people: 1019, psi: null, level: "drifted" });
  expect(told.bands).toEqual([{ from: null, expected: 1, actual: 1 }]);
});

test("a package that is no trained scorecard's has no drift", () => {
  const opened = checkDraft(readDraft(files.model!), loadCatalogue());
  const bent = (change: object) => () =>
    trainedCard({
      ...opened,
      body: { ...opened.body, model: { ...opened.body.model, ...change } },
    });
  const [first] = opened.body.model.dimensions;
  const invalid = expect.objectContaining({ code: "model-invalid" }) as Error;
  expect(bent({ training: { kind: "expert" } })).toThrow(invalid);
  const baseline = [1, 0].map((from) => ({ from, share: 0.5 }));
  expect(bent({ training: { psi_baseline: baseline } })).toThrow(/has to ascend/);
  expect(bent({ divisor: 2 })).toThrow(/not a trained scorecard/);
  expect(bent({ dimensions: [{ ...first, base: 5 }] })).toThrow(/not a trained scorecard/);
});

test("the package fits the catalogue and names the report", () => {
  const opened = checkDraft(readDraft(files.model!), loadCatalogue());
  const { model } = opened.body;
  expect(withPackage(loadCatalogue(), opened).products.has(opened.ref)).toBe(true);
  expect(model.bands.map(({ id }) => id)).toEqual(["A", "B", "C", "D", "E"]);
  expect(model.bands.at(-1)!.from).toBe(DEFAULT_SCALE.min);
  expect(model.training).toMatchObject({
    job: "report-test",
    report_sha256: sha256Hex(readFileSync(files.report, "utf8")),
  });
  const source = { input: { ...input, features: FEATURES.map(() => "no.indicator") }, options };
  expect(() =>
    writeTrainingFiles(
      folder.path,
      { ...source, result, createdAt: "2026-11-28T00:00:00.000Z" },
      loadCatalogue(),
      names,
    ),
  ).toThrow(expect.objectContaining({ code: "model-invalid" }));
});

test.skipIf(!existsSync(CHROMIUM))(
  "the page stands alone, and reads well on a desktop and a phone (skips without Chromium)",
  async () => {
    await using browser = await openBrowser();
    const page = await browser.newPage();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const url = pathToFileURL(files.page).href;
    for (const [name, size] of [
      ["desktop", DESKTOP],
      ["phone", PHONE],
    ] as const) {
      await page.setViewportSize(size);
      await page.goto(url);
      expect(await page.locator("h1").count()).toBe(1);
      expect(await page.getByRole("img").count()).toBe(5 + 4);
      await expectAccessible(page);
      await keepScreenshot(page, `training-report-${name}`);
    }
    expect(new Set(asked)).toEqual(new Set([url]));
    // No label of a chart leaves its picture.
    const outside = `[...document.querySelectorAll("svg text")].filter((text) => {
      const [box, svg] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
      return box.left < svg.left - 1 || box.right > svg.right + 1;
    }).map((text) => text.textContent.trim())`;
    expect(await page.evaluate(outside)).toEqual([]);
  },
);
