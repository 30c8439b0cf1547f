// A training report's tables, and its section on columns: bins, weights of evidence, what was left out and why.
import { html, type Html } from "../core/html.ts";
import type { TrainingReport } from "./train-report.ts";
import { evidenceChart } from "./train-report-charts.ts";

type Feature = TrainingReport["features"][number];
type BinRow = NonNullable<Feature["bins"]>[number];

/** @param words so many first columns are words, the others figures. */
export function dataTable(
  heads: readonly string[],
  rows: readonly (readonly (string | Html)[])[],
  words = 1,
): Html {
  const kind = (column: number): string => (column < words ? "" : "n");
  return html`<table>
    <thead>
      <tr>
        ${heads.map((head, c) => html`<th class="${kind(c)}" scope="col">${head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((cell, c) => html`<td class="${kind(c)}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export const named = ({ zh, en }: { readonly zh: string; readonly en: string }): string =>
  zh === en ? en : `${en} ${zh}`;

/** Those in the model, the most telling first; then those that are not, and why. */
export function featureSections(all: readonly Feature[]): Html {
  const binned = all.filter(({ bins }) => bins !== null);
  const inside = binned.filter(({ left_out }) => left_out === null);
  inside.sort((a, b) => (b.iv ?? 0) - (a.iv ?? 0));
  const out = all.filter(({ left_out }) => left_out !== null);
  return html`${
    inside.length > 0 &&
    html`<h2>Columns in the model 入模变量</h2>
      <p class="soft">
        Weight of evidence per bin, and its share of bad: to the right better than the cohort, to
        the left worse. 证据权重与坏客户占比：右侧优于整体，左侧劣于整体。
      </p>
      <div class="pair">${inside.map(featureCard)}</div>`
  }
  ${
    out.length > 0 &&
    html`<h2>Left out 未入模</h2>
      <div class="card wide" role="region" aria-label="Left out" tabindex="0">
        ${dataTable(
          ["column 变量", "why 原因", "IV"],
          out.map((each) => [
            named(each),
            each.left_out ?? "",
            each.iv === null ? "–" : each.iv.toFixed(4),
          ]),
          2,
        )}
      </div>`
  }`;
}

function featureCard(feature: Feature): Html {
  const bins = feature.bins ?? [];
  const scored = bins.every(({ points }) => points !== null);
  return html`<div class="card">
    <h3>${named(feature)}</h3>
    <p class="soft">
      ${feature.id !== feature.en && html`${feature.id} · `}IV ${(feature.iv ?? 0).toFixed(4)}
    </p>
    ${evidenceChart(
      feature.en,
      bins.map((bin) => ({ ...bin, range: rangeOf(bin) })),
    )}
    <details>
      <summary>bins 分箱</summary>
      ${dataTable(
        ["bin 区间", "people 人数", "bad 坏", "WoE", ...(scored ? ["points 分"] : [])],
        bins.map((bin) => [
          rangeOf(bin),
          bin.people.toLocaleString("en"),
          bin.bad.toLocaleString("en"),
          bin.woe.toFixed(4),
          ...(scored ? [String(bin.points)] : []),
        ]),
      )}
    </details>
  </div>`;
}

const short = (value: number): string =>
  Math.abs(value) >= 1e5 ? value.toExponential(2) : String(Number(value.toPrecision(4)));

function rangeOf({ from, below, missing }: BinRow): string {
  if (missing) return "missing 缺失";
  if (from === null && below === null) return "all";
  if (from === null) return `< ${short(below as number)}`;
  return below === null ? `≥ ${short(from)}` : `${short(from)} – ${short(below)}`;
}
