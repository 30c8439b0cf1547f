// Fits the fraud model of examples/sichuan from the real file: `node test/sichuan/fit.ts`. Weight of evidence of up to
// eight quantile bins per indicator, logistic regression over those (Newton steps), coefficients turned into whole points.
// Half of the numbers fit, the other half judge. Offline: what runs in the federation is only the points it writes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../../catalogue/index.ts";
import { aucOf, clearScore, type ClearModel, EXAMPLE, kept, readSichuan } from "./clear.ts";

const catalogue = loadCatalogue();
const WEIGHT = "loy.history_months";
const DIMENSIONS = [
  ["calls", "通话行为", "Calls", "sichuan-calls", "通话行为异常", "Unusual calls"],
  ["contacts", "交往圈", "Contacts", "sichuan-contacts", "交往圈异常", "Unusual contacts"],
  ["messages", "短信行为", "Messages", "sichuan-messages", "短信行为异常", "Unusual messages"],
  [
    "identity",
    "终端与位置",
    "Devices and places",
    "sichuan-places",
    "终端或位置异常",
    "Unusual devices or places",
  ],
  ["online", "上网行为", "Online", "sichuan-online", "上网行为异常", "Unusual use of the network"],
  ["spending", "消费", "Spending", "sichuan-spending", "消费异常", "Unusual spending"],
] as const;
const FEATURES: Readonly<Record<string, (typeof DIMENSIONS)[number][0]>> = {
  "net.calls_out_30d": "calls",
  "net.calls_in_30d": "calls",
  "net.out_share": "calls",
  "net.call_seconds_avg_30d": "calls",
  "net.call_days_30d": "calls",
  "net.circle_90d": "contacts",
  "net.top_contact_share_90d": "contacts",
  "net.messages_in_30d": "messages",
  "net.messages_out_30d": "messages",
  "net.message_peers_30d": "messages",
  "id.devices_12m": "identity",
  "loc.cities_30d": "identity",
  "online.apps_30d": "online",
  "online.traffic_gb_30d": "online",
  "use.spend_avg_6m": "spending",
  "use.spend_max_12m": "spending",
  "use.spend_min_12m": "spending",
};
const BINS = 8;
const RIDGE = 1;

const people = readSichuan().map(({ msisdn, fraud, values }) => ({
  fraud,
  // The last digit is the hash's, so it says nothing about the label.
  fits: Number(msisdn.at(-1)) % 2 === 0,
  values: new Map(
    Object.entries(values).map(([id, value]) => {
      const indicator = catalogue.indicatorById.get(id);
      if (indicator === undefined) throw new Error(`no indicator ${id}`);
      return [id, kept(value, indicator)];
    }),
  ),
}));
const fitting = people.filter(({ fits }) => fits);
const judging = people.filter(({ fits }) => !fits);

function cuts(id: string): number[] {
  const sorted = fitting.flatMap(({ values }) => values.get(id) ?? []).sort((a, b) => a - b);
  const all = Array.from(
    { length: BINS - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)] ?? 0,
  );
  return [...new Set(all)].filter((cut) => cut > (sorted[0] ?? 0));
}

/** 0 … cuts.length, and one more for "not known". */
function binOf(value: number | null, at: readonly number[]): number {
  if (value === null) return at.length + 1;
  const found = at.findIndex((cut) => value < cut);
  return found < 0 ? at.length : found;
}

/** ln(share of frauds / share of others) per bin, with half a number added to each. */
function evidence(id: string, at: readonly number[]): number[] {
  const counts = Array.from({ length: at.length + 2 }, () => [0.5, 0.5] as [number, number]);
  for (const { fraud, values } of fitting) {
    const count = counts[binOf(values.get(id) ?? null, at)] as [number, number];
    count[fraud ? 1 : 0]++;
  }
  const frauds = fitting.filter(({ fraud }) => fraud).length;
  return counts.map(([good, bad]) => Math.log(bad / frauds / (good / (fitting.length - frauds))));
}

const features = Object.entries(FEATURES).map(([id, dimension]) => {
  const at = cuts(id);
  return { id, dimension, at, woe: evidence(id, at) };
});

/** Solves a·x = b by elimination with pivoting. */
function solve(a: number[][], b: number[]): number[] {
  const n = b.length;
  const m = a.map((row, i) => [...row, b[i] as number]);
  for (let i = 0; i < n; i++) {
    let best = i;
    for (let r = i + 1; r < n; r++) {
      if (Math.abs(m[r]![i]!) > Math.abs(m[best]![i]!)) best = r;
    }
    [m[i], m[best]] = [m[best]!, m[i]!];
    for (let r = 0; r < n; r++) {
      if (r === i) continue;
      const factor = m[r]![i]! / m[i]![i]!;
      for (let c = i; c <= n; c++) m[r]![c]! -= factor * m[i]![c]!;
    }
  }
  return m.map((row, i) => row[n]! / row[i]!);
}

function logistic(rows: readonly (readonly number[])[], labels: readonly number[]): number[] {
  const width = rows[0]!.length;
  let beta = Array.from({ length: width }, () => 0);
  for (let step = 0; step < 25; step++) {
    const gradient = beta.map((b, i) => (i === 0 ? 0 : -RIDGE * b));
    const hessian = beta.map((_, i) => beta.map((__, j) => (i === j && i > 0 ? RIDGE : 0)));
    rows.forEach((row, r) => {
      const z = row.reduce((sum, x, i) => sum + x * beta[i]!, 0);
      const p = 1 / (1 + Math.exp(-z));
      const w = p * (1 - p);
      row.forEach((x, i) => {
        gradient[i]! += x * (labels[r]! - p);
        row.forEach((y, j) => (hessian[i]![j]! += w * x * y));
      });
    });
    const change = solve(hessian, gradient);
    beta = beta.map((b, i) => b + change[i]!);
    if (Math.max(...change.map(Math.abs)) < 1e-9) break;
  }
  return beta;
}

const rows = fitting.map(({ values }) => [
  1,
  ...features.map(({ id, at, woe }) => woe[binOf(values.get(id) ?? null, at)]!),
]);
const [, ...slopes] = logistic(
  rows,
  fitting.map(({ fraud }) => (fraud ? 1 : 0)),
);
const raw = features.map(({ woe }, i) => woe.map((each) => each * slopes[i]!));
const span = raw.reduce((sum, each) => sum + Math.max(...each) - Math.min(...each), 0);
const pointsPer = 990 / span;
const binned = features.map(({ id, dimension, at }, i) => {
  const least = Math.min(...raw[i]!);
  const points = raw[i]!.map((each) => Math.round((each - least) * pointsPer));
  const bins = [
    ...at.map((below, b) => ({ below, points: points[b]! })),
    { points: points[at.length]! },
  ];
  return { dimension, feature: { indicator: id, bins, missing: points[at.length + 1]! } };
});
const most = ({ bins, missing }: (typeof binned)[number]["feature"]): number =>
  Math.max(missing, ...bins.map(({ points }) => points));
const dimensions = DIMENSIONS.map(([id, zh, en, code, reasonZh, reasonEn]) => {
  const own = binned.filter(({ dimension }) => dimension === id).map(({ feature }) => feature);
  const max = own.reduce((sum, feature) => sum + most(feature), 0);
  return { id, zh, en, max, reason: { code, zh: reasonZh, en: reasonEn }, features: own };
});
const clear: ClearModel = { min: 0, max: 1000, dimensions };
const auc = (some: typeof people): number =>
  aucOf(some.map(({ fraud, values }) => ({ fraud, score: clearScore(clear, values) })));
const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;
const training = {
  kind: "weight of evidence, logistic regression",
  data: "Sichuan 2020 competition data as published with GAT-COBO, Apache-2.0",
  fitted_on: fitting.length,
  judged_on: judging.length,
  auc_fitted: rounded(auc(fitting)),
  auc_judged: rounded(auc(judging)),
};
const draft = {
  format: 1,
  owner: "demo-bank",
  description: {
    zh: "四川真实数据拟合的反欺诈评分，0–1000，越高风险越大。",
    en: "Anti-fraud score fitted on the real Sichuan file: 0 to 1000, 1000 is worst.",
  },
  model: {
    id: "risk-model:sichuan-fraud",
    version: 1,
    catalogue_version: catalogue.version,
    zh: "四川反欺诈模型",
    en: "Sichuan fraud model",
    owner: "demo-bank",
    good: "low",
    weight: { indicator: WEIGHT, min: 1, max: 255 },
    offset: 0,
    min: 0,
    max: 1000,
    dimensions,
    bands: [
      { id: "low", from: 300, zh: "低风险", en: "low risk" },
      { id: "medium", from: 400, zh: "中风险", en: "medium risk" },
      { id: "high", from: 1000, zh: "高风险", en: "high risk" },
    ],
    training,
  },
};
writeFileSync(join(EXAMPLE, "model.json"), `${JSON.stringify(draft, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(training, null, 2)}\n`);
