// `wjf model preview`: evaluates a model over generated people with the nodes' own evaluation and the authority's own
// release rule, and shows what it would answer: as text, JSON and a self-contained page.
import { writeFileSync } from "node:fs";
import {
  type Catalogue,
  decideAnswer,
  loadCatalogue,
  type Model,
  type Product,
  requireProduct,
  type ScoreAnswer,
  withPackage,
} from "../catalogue/index.ts";
import { evaluateItem } from "../province-node/index.ts";
import { checkDraft, readDraft } from "./model-check.ts";
import { type GeneratedPerson, withGeneratedPeople } from "./model-people.ts";
import { previewPage } from "./model-preview-page.ts";
import { type Output, table } from "./output.ts";

export interface PreviewOptions {
  readonly people: string;
  readonly out: string;
}

export interface BandShare {
  readonly id: string;
  readonly zh: string;
  readonly en: string;
  readonly count: number;
}

export interface DimensionSpread {
  readonly id: string;
  readonly zh: string;
  readonly en: string;
  /** Of 100: mean, tenth and ninetieth percentile. */
  readonly mean: number;
  readonly p10: number;
  readonly p90: number;
}

export interface Preview {
  readonly product: string;
  readonly zh: string;
  readonly en: string;
  readonly people: number;
  readonly scored: number;
  /** Lowest and highest score that the model can give. */
  readonly range: readonly [number, number];
  readonly good: "high" | "low";
  readonly mean: number;
  readonly median: number;
  /** Counts over equal parts of the range. */
  readonly buckets: readonly number[];
  readonly bands: readonly (BandShare & { readonly from: number })[];
  readonly dimensions: readonly DimensionSpread[];
  readonly reasons: readonly { readonly zh: string; readonly en: string; readonly count: number }[];
  /** How well the score tells the better half from the other, by what the generator had in mind; 0.5: not at all. */
  readonly auc: number | null;
}

const BUCKETS = 50;
/** Nothing is evaluated by claims here, so no tag is ever computed with it. */
const NO_KEY = Buffer.alloc(32);

export async function modelPreview(
  output: Output,
  path: string,
  options: PreviewOptions,
): Promise<void> {
  const base = loadCatalogue();
  const opened = checkDraft(readDraft(path), base);
  const catalogue = withPackage(base, opened);
  const product = requireProduct(catalogue, opened.ref);
  output.line(`Generating ${options.people} people`);
  const preview = await withGeneratedPeople(Number(options.people), base, output, (people) =>
    previewOf(product, opened.ref, people, catalogue),
  );
  writeFileSync(options.out, previewPage(preview));
  printPreview(output, preview);
  output.line(`Page: ${options.out}`);
  output.result({ ...preview, page: options.out });
}

interface Scored {
  readonly answer: ScoreAnswer & { readonly value: number };
  readonly creditworthiness: number;
}

export function previewOf(
  product: Product,
  ref: string,
  people: readonly GeneratedPerson[],
  catalogue: Catalogue,
): Preview {
  const model = catalogue.models.get(ref) as Model;
  const scored = people.flatMap((person) => score(product, person) ?? []);
  const values = scored.map(({ answer }) => answer.value).sort((a, b) => a - b);
  return {
    product: ref,
    zh: model.zh,
    en: model.en,
    people: people.length,
    scored: scored.length,
    range: [model.min, model.max],
    good: model.good,
    mean: values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length),
    median: quantile(values, 0.5),
    buckets: histogram(values, model),
    bands: model.bands.map((band) => ({
      ...band,
      count: scored.filter(({ answer }) => answer.band === band.id).length,
    })),
    dimensions: model.dimensions.map(({ id, zh, en }) => spread(id, zh, en, scored)),
    reasons: countReasons(scored, catalogue),
    auc: separation(scored, model.good),
  };
}

function score(product: Product, { record, creditworthiness }: GeneratedPerson): Scored | null {
  const slots = evaluateItem(product, record, undefined, { subjectKey: NO_KEY });
  const decision = decideAnswer(product, [...slots], 1);
  if (decision.kind !== "answer" || decision.answer.kind !== "score") return null;
  const { value } = decision.answer;
  return value === null ? null : { answer: { ...decision.answer, value }, creditworthiness };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function histogram(values: readonly number[], { min, max }: Model): number[] {
  const parts = Math.min(BUCKETS, max - min + 1);
  const counts = Array.from({ length: parts }, () => 0);
  for (const value of values) {
    const at = Math.min(parts - 1, Math.floor(((value - min) / (max - min + 1)) * parts));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

function spread(id: string, zh: string, en: string, scored: readonly Scored[]): DimensionSpread {
  const values = scored.map(({ answer }) => answer.dimensions?.[id] ?? 0).sort((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return { id, zh, en, mean, p10: quantile(values, 0.1), p90: quantile(values, 0.9) };
}

function countReasons(scored: readonly Scored[], { reasons }: Catalogue) {
  const counts = new Map<string, number>();
  for (const { answer } of scored) {
    for (const code of answer.reasons ?? []) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => ({ zh: code, en: code, ...reasons.get(code), count }));
}

/** P(score of a better person > score of a worse one), ties half: the Mann–Whitney statistic. */
function separation(scored: readonly Scored[], good: Preview["good"]): number | null {
  const middle = quantile(
    scored.map((s) => s.creditworthiness).sort((a, b) => a - b),
    0.5,
  );
  const sign = good === "high" ? 1 : -1;
  const better = scored.filter((s) => s.creditworthiness >= middle).map((s) => s.answer.value);
  const worse = scored.filter((s) => s.creditworthiness < middle).map((s) => s.answer.value);
  if (better.length === 0 || worse.length === 0) return null;
  let wins = 0;
  for (const a of better) {
    for (const b of worse) wins += a === b ? 0.5 : (a - b) * sign > 0 ? 1 : 0;
  }
  return wins / (better.length * worse.length);
}

function printPreview(output: Output, preview: Preview): void {
  const { product, zh, en, people, scored, mean, median, bands, good, auc } = preview;
  output.line(`${product}  ${zh}  ${en}`);
  output.line(
    `${scored} of ${people} generated people scored: mean ${mean.toFixed(1)}, median ${median}`,
  );
  if (auc !== null) output.line(`AUC against the generator's creditworthiness: ${auc.toFixed(3)}`);
  const share = (count: number): string => `${((100 * count) / Math.max(1, scored)).toFixed(1)} %`;
  const rows = bands.map((band) => [
    band.id,
    band.zh,
    band.en,
    `${good === "high" ? "from" : "up to"} ${band.from}`,
    share(band.count),
  ]);
  output.line(table([["band", "", "", "", "share"], ...rows]));
}
