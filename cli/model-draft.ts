// `wjf model new`: writes a model out of weights. Over sub-scores it only names them; over indicators it cuts each at
// the quintiles of generated people, so that the points it gives can be read and changed in the file before signing.
import { existsSync, writeFileSync } from "node:fs";
import {
  type Catalogue,
  type Indicator,
  loadCatalogue,
  type OpenedPackage,
} from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import { checkDraft } from "./model-check.ts";
import { type GeneratedPerson, withGeneratedPeople } from "./model-people.ts";
import type { Output } from "./output.ts";

export interface NewOptions {
  readonly id: string;
  readonly subScores?: string;
  readonly indicators?: string;
  readonly bands: string;
  readonly owner: string;
  readonly modelVersion: string;
  readonly zh?: string;
  readonly en?: string;
  readonly out?: string;
}

type Weights = readonly (readonly [name: string, weight: number])[];
type Dimension = OpenedPackage["body"]["model"]["dimensions"][number];

/** Generated people whose quintiles cut an indicator. */
const SAMPLE = 600;

export async function modelNew(output: Output, options: NewOptions): Promise<void> {
  const path = options.out ?? `${options.id}.model.json`;
  if (existsSync(path)) throw new WjfError("config-invalid", `${path} is there already`);
  const catalogue = loadCatalogue();
  const draft = await draftModel(options, catalogue, output);
  const { ref } = checkDraft(draft, catalogue);
  writeFileSync(path, `${JSON.stringify(draft, null, 2)}\n`);
  output.line(`${ref} written to ${path}`);
  output.line(`Next: wjf model preview ${path}, then wjf model sign ${path}`);
  output.result({ product: ref, file: path, dimensions: draft.model.dimensions.length });
}

export async function draftModel(options: NewOptions, catalogue: Catalogue, output: Output) {
  const { id, owner } = options;
  if ((options.subScores === undefined) === (options.indicators === undefined)) {
    throw new WjfError("config-invalid", "give --sub-scores or --indicators, one of them");
  }
  const weights = readWeights(options.subScores ?? options.indicators ?? "");
  const dimensions =
    options.subScores === undefined
      ? await indicatorDimensions(weights, id, catalogue, output)
      : subScoreDimensions(weights, catalogue);
  const en = options.en ?? `Risk model: ${id}`;
  const zh = options.zh ?? `风险模型 ${id}`;
  const what = options.subScores === undefined ? "indicators" : "sub-scores";
  return {
    format: 1,
    owner,
    description: { zh: `${zh}：0–100 分，越高越好。`, en: `${en}: 0 to 100, higher is better.` },
    model: {
      id: `risk-model:${id}`,
      version: Number(options.modelVersion),
      catalogue_version: catalogue.version,
      zh,
      en,
      owner,
      good: "high",
      weight: { indicator: "loy.history_months", min: 1, max: 255 },
      offset: 0,
      min: 0,
      max: 100,
      divisor: weights.reduce((sum, [, weight]) => sum + Math.abs(weight), 0),
      dimensions,
      bands: readBands(options.bands),
      training: { kind: "expert", note: `Weights over ${weights.length} ${what}.` },
    },
  };
}

/** `name=weight,…`. @throws WjfError `config-invalid`. */
function readWeights(text: string): Weights {
  return text.split(",").map((part) => {
    const match = /^([a-z][a-z0-9_.]*)=(-?[0-9]{1,4})$/.exec(part.trim());
    const weight = Number(match?.[2]);
    if (match === null || weight === 0) {
      throw new WjfError("config-invalid", "weights: name=weight,…, whole numbers other than 0");
    }
    return [match[1] as string, weight];
  });
}

const BAND_NAMES: Readonly<Record<string, readonly [zh: string, en: string]>> = {
  low: ["低风险", "low risk"],
  medium: ["中风险", "medium risk"],
  high: ["高风险", "high risk"],
};

function readBands(text: string) {
  return text.split(",").map((part) => {
    const [id = "", from] = part.trim().split("=");
    const [zh, en] = BAND_NAMES[id] ?? [id, id];
    return { id, from: Number(from), zh, en };
  });
}

function subScoreDimensions(weights: Weights, catalogue: Catalogue) {
  return weights.map(([use, weight]) => {
    if (!catalogue.subScores.has(use)) {
      const known = [...catalogue.subScores.keys()].join(", ");
      throw new WjfError("config-invalid", `${use}: no such sub-score; there are ${known}`);
    }
    if (weight < 0)
      throw new WjfError("config-invalid", `${use}: a sub-score's weight is positive`);
    return { use, weight };
  });
}

async function indicatorDimensions(
  weights: Weights,
  modelId: string,
  catalogue: Catalogue,
  output: Output,
): Promise<Dimension[]> {
  const chosen = weights.map(([id, weight]) => {
    const indicator = catalogue.indicatorById.get(id);
    if (indicator === undefined) throw new WjfError("config-invalid", `${id}: no such indicator`);
    if (indicator.unit === "code") {
      throw new WjfError("config-invalid", `${id}: is a code, not a quantity`);
    }
    return { indicator, weight };
  });
  output.line(`Cutting ${chosen.length} indicators at the quintiles of ${SAMPLE} generated people`);
  return await withGeneratedPeople(SAMPLE, catalogue, output, (people) =>
    chosen.map(({ indicator, weight }) => {
      const values = naturalValues(indicator, people, catalogue);
      return dimension(indicator, weight, modelId, values);
    }),
  );
}

function naturalValues(
  { id, scale }: Indicator,
  people: readonly GeneratedPerson[],
  { positions }: Catalogue,
): number[] {
  const position = positions.get(id) as number;
  return people
    .flatMap(({ record }) => record.numbers.map(({ values }) => values[position] ?? null))
    .filter((value) => value !== null)
    .map((value) => value / scale)
    .sort((a, b) => a - b);
}

const STEPS = 5;

function dimension(
  { id, zh, en }: Indicator,
  weight: number,
  modelId: string,
  sorted: readonly number[],
): Dimension {
  const cuts = [1, 2, 3, 4].map((step) => sorted[Math.floor((step * sorted.length) / STEPS)] ?? 0);
  const distinct = [...new Set(cuts)].filter((cut) => cut > (sorted[0] ?? 0));
  // Nobody differs: half the range still separates those who have some from those who have none.
  const below = distinct.length > 0 ? distinct : [(sorted[0] ?? 0) + 1];
  const points = (i: number): number => {
    const share = Math.round((100 * i) / below.length);
    return weight > 0 ? share : 100 - share;
  };
  const name = id.replace(/[._]/g, "-");
  return {
    id: id.replace(".", "_"),
    zh,
    en,
    base: 0,
    max: 100,
    weight: Math.abs(weight),
    reason: {
      code: `${modelId}-${name}`,
      zh: `${zh}${weight > 0 ? "偏低" : "偏高"}`,
      en: `${en}: ${weight > 0 ? "low" : "high"}`,
    },
    features: [
      {
        indicator: id,
        bins: [
          ...below.map((cut, i) => ({ below: cut, points: points(i) })),
          { points: points(below.length) },
        ],
        missing: 0,
      },
    ],
  };
}
