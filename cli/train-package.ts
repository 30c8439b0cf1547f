// A trained scorecard as a model package's draft: eight dimensions by the indicators' families (CATALOGUE §3), a reason for each, bands
// by the cohort's fifths. What becomes of it is `wjf model`'s: check, preview, sign, submit. docs/decisions/013.
import { type Catalogue, FAMILIES, type OpenedPackage } from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import { checkDraft } from "./model-check.ts";
import type { CardEvaluation, CardFeature, CardGroup, Scorecard } from "./train-scorecard.ts";

type Draft = OpenedPackage["body"];
type Family = (typeof FAMILIES)[number];

const DIMENSIONS: Readonly<Record<Family, readonly [id: string, zh: string, en: string]>> = {
  identity: ["identity", "身份特质", "Identity"],
  loyalty: ["loyalty", "忠诚度", "Loyalty"],
  spending: ["telecom_spending", "通信消费能力", "Telecom spending"],
  assets: ["fixed_assets", "固定资产", "Fixed assets"],
  online: ["online_spending", "线上消费能力", "Online spending"],
  offline: ["offline_spending", "线下消费能力", "Offline spending"],
  values: ["values", "价值观", "Values"],
  social: ["social", "社交人脉", "Social circle"],
};

export interface PackageNames {
  /** The model is `risk-model:<id>`. */
  readonly id: string;
  readonly version: number;
  readonly owner: string;
  readonly zh: string;
  readonly en: string;
}

export interface PackageSource {
  readonly scorecard: Scorecard;
  readonly evaluation?: CardEvaluation;
  /** Indicators of the catalogue, in the job's order. */
  readonly features: readonly string[];
  /** What is told of the training beside the points: figures, the report's digest. Never computed with. */
  readonly training: Draft["model"]["training"];
}

/** @throws WjfError `model-invalid` where a feature is no indicator of the catalogue, or the points do not fit it. */
export function packageDraft(
  source: PackageSource,
  names: PackageNames,
  catalogue: Catalogue,
): Draft {
  const { scorecard, evaluation, training } = source;
  const { id, version, owner, zh, en } = names;
  const { offset, scale } = scorecard;
  const draft = {
    format: 1 as const,
    owner,
    description: {
      zh: `${zh}：${scale.min}–${scale.max} 分，越高越好。`,
      en: `${en}: ${scale.min} to ${scale.max}, higher is better.`,
    },
    model: {
      id: `risk-model:${id}`,
      version,
      catalogue_version: catalogue.version,
      zh,
      en,
      owner,
      good: "high" as const,
      weight: { indicator: "loy.history_months", min: 1, max: 255 },
      offset,
      min: scale.min,
      max: scale.max,
      divisor: 1,
      dimensions: dimensionsOf(source, catalogue),
      authority: [],
      bands: bandsOf(evaluation?.groups ?? [], scale.min),
      ...(training !== undefined && { training }),
    },
  };
  return checkDraft(draft, catalogue).body;
}

function dimensionsOf({ scorecard, features }: PackageSource, catalogue: Catalogue) {
  const byFamily = Map.groupBy(scorecard.features, ({ feature }) => {
    const indicator = catalogue.indicatorById.get(features[feature] ?? "");
    if (indicator === undefined) {
      throw new WjfError("model-invalid", `${features[feature]}: no indicator of the catalogue`);
    }
    return indicator.family;
  });
  return FAMILIES.flatMap((family) => {
    const own = byFamily.get(family);
    if (own === undefined) return [];
    const [id, zh, en] = DIMENSIONS[family];
    const name = id.replaceAll("_", "-");
    const reason = { code: `trained-${name}-low`, zh: `${zh}得分偏低`, en: `${en}: few points` };
    const max = own.reduce((sum, each) => sum + mostOf(each), 0);
    const written = own.map((each) => featureOf(each, features));
    // A dimension without points is one whose features say nothing: it stays in, as the owner chose them.
    return [{ id, zh, en, base: 0, max: Math.max(1, max), weight: 1, reason, features: written }];
  });
}

const mostOf = ({ points, missing }: CardFeature): number => Math.max(...points, missing);

function featureOf({ feature, cuts, points, missing }: CardFeature, features: readonly string[]) {
  const bins = points.map((each, bin) => {
    const below = cuts[bin];
    return below === undefined ? { points: each } : { below, points: each };
  });
  return { indicator: features[feature] as string, bins, missing };
}

const BANDS = [
  ["A", "优秀", "excellent"],
  ["B", "良好", "good"],
  ["C", "中等", "fair"],
  ["D", "较低", "low"],
  ["E", "低", "poor"],
] as const;

/** @param groups from the lowest score. Fewer than five bands where too many people have one score. */
function bandsOf(groups: readonly CardGroup[], min: number) {
  if (groups.length === 0) return [];
  const total = groups.reduce((sum, { people }) => sum + people, 0);
  const starts: number[] = [];
  let above = 0;
  for (const { people, from } of groups.toReversed()) {
    above += people;
    const due = ((starts.length + 1) * total) / BANDS.length;
    const room = starts.length < BANDS.length - 1;
    if (room && from !== null && from > min && above >= due * 0.999) starts.push(from);
  }
  return [...new Set([...starts, min])].map((from, i) => {
    const [id, zh, en] = BANDS[i] as (typeof BANDS)[number];
    return { id, from, zh, en };
  });
}
