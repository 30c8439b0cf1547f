// A training report's table by region: how the score does in each, beside the whole cohort counted in the same cells.
import { html, type Html } from "../core/html.ts";
import type { TrainingReport } from "./train-report.ts";
import { percent } from "./train-report-charts.ts";
import { dataTable, named } from "./train-report-features.ts";

type ByRegion = NonNullable<NonNullable<TrainingReport["evaluation"]>["by_region"]>;

const HEADS = [
  "region 区域",
  "people 人数",
  "observed 实际",
  "expected 预测",
  "AUC",
  "KS",
  "Gini",
  "observed / expected by band, from the safest 各档实际 / 预测",
];

export function regionTable({ whole, regions }: ByRegion): Html {
  const figures = ({ auc, ks, gini }: typeof whole): string[] =>
    [auc, ks, gini].map((value) => value.toFixed(3));
  const rows = regions.map((each) => [
    html`${named(each)} <span class="soft">${each.provinces.join(" ")}</span>`,
    each.people.toLocaleString("en"),
    percent(each.bad_rate),
    percent(each.expected),
    ...figures(each),
    each.bands.map((band) => `${percent(band.bad_rate)} / ${percent(band.expected)}`).join(", "),
  ]);
  return html`<h3>By region 分区域</h3>
    <div class="card wide" role="region" aria-label="By region" tabindex="0">
      ${regions.length > 0 && dataTable(HEADS, rows)}
      <p class="soft">
        ${
          regions.length > 0
            ? `Each of at least three provinces. The whole cohort in the same cells: AUC, KS, Gini ${figures(whole).join(", ")}. 每个区域不少于三省；全体同口径如上。`
            : "Too few provinces, or too few people in them, to tell of regions. 省份或人数不足，不分区域。"
        }
      </p>
    </div>`;
}
