// A model's preview as one HTML page that needs nothing else: no script, no font, no network. Charts are inline SVG; what
// a colour says is also written.
import type { Preview } from "./model-preview.ts";
import { PAGE_STYLE } from "./page-style.ts";

const COLOURS = ["--b0", "--b1", "--b2", "--b3", "--b4"];

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function colour(band: number): string {
  return `var(${COLOURS[Math.max(0, band) % COLOURS.length] ?? "--b4"})`;
}

function percent(count: number, of: number): string {
  return `${((100 * count) / Math.max(1, of)).toFixed(1)} %`;
}

const WIDTH = 800;
const HEIGHT = 240;
const LEFT = 44;
const TOP = 22;
const BASE = HEIGHT - 34;

/** Which band a score falls into: the first that it reaches, from the good end. */
function bandAt(preview: Preview, score: number): number {
  const { bands, good } = preview;
  return bands.findIndex(({ from }) => (good === "high" ? score >= from : score <= from));
}

function distribution(preview: Preview): string {
  const { buckets, range, bands, scored } = preview;
  const [min, max] = range;
  const span = max - min + 1;
  const x = (score: number): number => LEFT + ((score - min) / span) * (WIDTH - LEFT - 8);
  const top = Math.max(1, ...buckets);
  const step = span / buckets.length;
  const bars = buckets.map((count, i) => {
    const from = min + i * step;
    const tall = ((BASE - TOP) * count) / top;
    const label = `${Math.ceil(from)}–${Math.ceil(from + step) - 1}: ${count} (${percent(count, scored)})`;
    const box = `x="${(x(from) + 1).toFixed(1)}" width="${Math.max(1, x(from + step) - x(from) - 2).toFixed(1)}" y="${(BASE - tall).toFixed(1)}" height="${tall.toFixed(1)}"`;
    return `<rect ${box} style="fill:${colour(bandAt(preview, Math.ceil(from)))}"><title>${label}</title></rect>`;
  });
  const ticks = Array.from({ length: 6 }, (_, i) => Math.round(min + (i * (max - min)) / 5));
  const tickTexts = ticks.map(
    (tick, i) =>
      `<text x="${x(tick).toFixed(1)}" y="${BASE + 20}" text-anchor="${i === 5 ? "end" : "middle"}">${tick}</text>`,
  );
  const cuts = bands.slice(0, -1).map(({ from }) => {
    const at = x(from).toFixed(1);
    return `<line class="cut" x1="${at}" x2="${at}" y1="${TOP - 6}" y2="${BASE}"/><text x="${at}" y="12" text-anchor="middle">${from}</text>`;
  });
  const half = Math.round(top / 2);
  const grid = [top, half].map((count) => {
    const y = (BASE - ((BASE - TOP) * count) / top).toFixed(1);
    return `<line class="axis" x1="${LEFT}" x2="${WIDTH - 8}" y1="${y}" y2="${y}"/><text x="${LEFT - 8}" y="${y}" dy="4" text-anchor="end">${count}</text>`;
  });
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Score distribution of ${scored} generated people">` +
    `${grid.join("")}${bars.join("")}<line class="axis" x1="${LEFT}" x2="${WIDTH - 8}" y1="${BASE}" y2="${BASE}"/>` +
    `${tickTexts.join("")}${cuts.join("")}</svg>`
  );
}

function bandTable({ bands, good, scored }: Preview): string {
  const most = Math.max(1, ...bands.map(({ count }) => count));
  const rows = bands.map(
    ({ id, zh, en, from, count }, i) =>
      `<tr><td><span class="key" style="background:${colour(i)}"></span>${escape(id)}</td><td>${escape(zh)} ${escape(en)}</td>` +
      `<td class="n">${good === "high" ? "from" : "up to"} ${from}</td><td class="bar"><i style="width:${((100 * count) / most).toFixed(1)}%;background:${colour(i)}"></i></td>` +
      `<td class="n">${percent(count, scored)}</td><td class="n">${count}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

function dimensionTable({ dimensions }: Preview): string {
  const rows = dimensions.map(
    ({ zh, en, mean, p10, p90 }) =>
      `<tr><td>${escape(zh)} ${escape(en)}</td><td class="bar"><div class="range">` +
      `<i style="left:${p10}%;width:${Math.max(1, p90 - p10)}%"></i><b style="left:${mean.toFixed(1)}%"></b></div></td>` +
      `<td class="n">${mean.toFixed(0)}</td><td class="n soft">${p10}–${p90}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

function reasonTable({ reasons, scored }: Preview): string {
  const rows = reasons
    .slice(0, 12)
    .map(
      ({ zh, en, count }) =>
        `<tr><td>${escape(zh)} ${escape(en)}</td><td class="n">${percent(count, scored)}</td></tr>`,
    );
  return `<table>${rows.join("")}</table>`;
}

export function previewPage(preview: Preview): string {
  const { product, zh, en, people, scored, mean, median, auc } = preview;
  const tiles = [
    [String(scored), `of ${people} scored 有评分`],
    [mean.toFixed(1), "mean 平均"],
    [String(median), "median 中位数"],
    [auc === null ? "–" : auc.toFixed(3), "AUC against the generator 区分度"],
  ];
  return `<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(product)}</title>${String(PAGE_STYLE)}</head><body><main>
<h1>${escape(zh)} ${escape(en)}</h1>
<p class="soft">${escape(product)} · generated people, no real person 生成数据，非真实用户</p>
<div class="tiles">${tiles.map(([value = "", label = ""]) => `<div class="card"><b>${value}</b><span class="soft">${label}</span></div>`).join("")}</div>
<h2>Score distribution 分数分布</h2><div class="card">${distribution(preview)}</div>
<h2>Share per band 各档占比</h2><div class="card">${bandTable(preview)}</div>
<h2>Dimensions 维度</h2><div class="card"><p class="soft">Share of the maximum: mean, and from the tenth to the ninetieth percentile. 占满分比例：均值与 10–90 分位。</p>${dimensionTable(preview)}</div>
<h2>Reasons given 原因</h2><div class="card">${reasonTable(preview)}</div>
</main></body></html>
`;
}
