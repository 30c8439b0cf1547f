// The quality report as one HTML page that needs nothing else: no script, no font, no network. Charts are inline SVG.
import type { Indicator } from "../../catalogue/index.ts";
import type { IndicatorQuality, QualityReport, TableQuality } from "./quality.ts";
import { changeText, rounded } from "./quality-text.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c2530, #e4e8ee); --soft: light-dark(#5d6b7a, #9aa7b5);
  --line: light-dark(#d9dfe6, #38424e); --page: light-dark(#f6f7f9, #12161b); --card: light-dark(#fff, #1b2129);
  --bar: light-dark(#2f6fb3, #6aa9ec); --warn: light-dark(#b3412f, #f08a76); }
* { box-sizing: border-box } body { margin: 0; padding: 2rem 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
main { max-width: 72rem; margin: 0 auto } h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 .8rem }
p { margin: .3rem 0 } small, .soft { color: var(--soft) } .grid { display: grid; gap: .8rem }
.tiles { grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); margin: 1.2rem 0 }
.tables { grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)) }
.indicators { grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; overflow: hidden }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums } .warn { color: var(--warn) }
h3 { font-size: .95rem; margin: 0 0 .2rem; overflow-wrap: anywhere } svg { display: block; width: 100% } rect.b { fill: var(--bar) } rect.w { fill: var(--warn) }
table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
td, th { text-align: left; padding: .2rem .5rem .2rem 0; border-top: 1px solid var(--line); vertical-align: top } th { font-weight: 600 }
td.n { text-align: right; white-space: nowrap } td { overflow-wrap: anywhere } .tables td:first-child { white-space: nowrap }
.indicators small { display: block; overflow-wrap: anywhere }
`;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** Bars side by side; `labels` are their tooltips, and the first and last one's captions. */
function bars(
  values: readonly number[],
  labels: readonly string[],
  title: string,
  height: number,
): string {
  const top = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length);
  const rects = values.map((value, i) => {
    const tall = value === 0 ? 0 : Math.max(1, (value / top) * height);
    const box = `x="${(i * step + step * 0.08).toFixed(2)}" y="${(height - tall).toFixed(2)}" width="${(step * 0.84).toFixed(2)}" height="${tall.toFixed(2)}"`;
    return `<rect class="b" ${box}><title>${escape(labels[i] ?? "")}: ${grouped(value)}</title></rect>`;
  });
  return (
    `<svg viewBox="0 0 100 ${height}" preserveAspectRatio="none" role="img" aria-label="${escape(title)}" style="height:${height * 2}px">` +
    `${rects.join("")}</svg>`
  );
}

function captions(first: string, last: string): string {
  return `<small style="display:flex;justify-content:space-between"><span>${escape(first)}</span><span>${escape(last)}</span></small>`;
}

/** Every day of the span, so that a missing one shows as a gap. */
function everyDay(days: TableQuality["days"]): [string, number][] {
  const known = new Map(days);
  const [newest, oldest] = [days[0]?.[0], days.at(-1)?.[0]];
  if (newest === undefined || oldest === undefined) return [];
  const filled: [string, number][] = [];
  for (let at = Date.parse(oldest); at <= Date.parse(newest); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    filled.push([day, known.get(day) ?? 0]);
  }
  return filled.slice(-180);
}

function tableCard({ table, rows, columns, days, gaps }: TableQuality): string {
  // Months and rare events would be mostly gaps.
  const dense = days.length > 20 && table !== "bill";
  const shown = dense ? everyDay(days) : days.slice(0, 60).toReversed();
  const chart =
    shown.length < 2
      ? ""
      : bars(
          shown.map(([, n]) => n),
          shown.map(([day]) => day),
          `Rows of ${table} per day`,
          30,
        ) + captions(shown[0]?.[0] ?? "", shown.at(-1)?.[0] ?? "");
  const missing =
    gaps.length === 0
      ? ""
      : `<p class="warn">no rows on ${gaps.slice(0, 12).join(", ")}${gaps.length > 12 ? " …" : ""}</p>`;
  const lines = columns.map(({ column, nulls, distinct, min, max, mean }) => {
    const range = min === undefined || min === null ? "" : `${min} … ${max}`;
    const other =
      distinct === undefined
        ? mean === undefined || mean === null
          ? ""
          : `⌀ ${rounded(mean)}`
        : `≈ ${grouped(distinct)} values`;
    const empty =
      nulls === 0
        ? ""
        : `<span class="${nulls > rows / 2 ? "warn" : "soft"}">${((100 * nulls) / rows).toFixed(1)} % empty</span>`;
    return `<tr><td>${escape(column)}</td><td>${escape(range)} ${escape(other)} ${empty}</td></tr>`;
  });
  return `<section class="card"><h3>${table} <small>${grouped(rows)} rows</small></h3>${chart}${missing}<table>${lines.join("")}</table></section>`;
}

function indicatorCard(
  quality: IndicatorQuality,
  indicator: Indicator | undefined,
  numbers: number,
): string {
  const buckets = Object.entries(quality.buckets).map(([key, n]) => [Number(key), n] as const);
  const least = Math.min(0, ...buckets.map(([key]) => key));
  const most = Math.max(0, ...buckets.map(([key]) => key));
  const scale = indicator?.scale ?? 1;
  const all = Array.from({ length: most - least + 1 }, (_, i) => least + i);
  const label = (bits: number): string => {
    if (bits === 0) return "0";
    const low = 2 ** (Math.abs(bits) - 1) / scale;
    const high = (2 ** Math.abs(bits) - 1) / scale;
    return `${bits < 0 ? "−" : ""}${rounded(low)}${high > low ? `–${rounded(high)}` : ""}`;
  };
  const found = new Map(buckets);
  const chart =
    quality.known === 0
      ? ""
      : bars(
          all.map((bits) => found.get(bits) ?? 0),
          all.map(label),
          `Distribution of ${quality.id}`,
          22,
        );
  const share = numbers === 0 ? 0 : Math.round((100 * quality.known) / numbers);
  const summary =
    quality.known === 0
      ? `<small class="warn">unknown for everybody</small>`
      : captions(label(least), label(most)) +
        `<small>known ${share} % · ${rounded(quality.min ?? 0)} … ${rounded(quality.max ?? 0)} · ⌀ ${rounded(quality.mean ?? 0)} ${escape(indicator?.unit ?? "")}</small>`;
  return `<section class="card"><h3 title="${escape(quality.id)}">${escape(indicator?.zh ?? quality.id)}</h3><small>${escape(quality.id)}</small>${chart}${summary}</section>`;
}

function rejectsTable({ rejectedByRule }: QualityReport): string {
  const lines = rejectedByRule.map(
    ({ table, column, rule, count }) =>
      `<tr><td class="n">${grouped(count)}</td><td>${escape(`${table}.${column}`)}</td><td>${escape(rule)}</td></tr>`,
  );
  return `<div class="card"><table><tr><th>rows</th><th>column</th><th>rule</th></tr>${lines.join("")}</table></div>`;
}

function tableSections(report: QualityReport): string {
  return `<h2>行数 Rows per table</h2>${rowsChart(report)}
<h2>原始表 Raw tables</h2><div class="grid tables">${report.tables.map(tableCard).join("\n")}</div>`;
}

function rowsChart({ tables }: QualityReport): string {
  const top = Math.max(1, ...tables.map(({ rows }) => rows));
  const lines = tables.map(({ table, rows }) => {
    const width = ((100 * rows) / top).toFixed(2);
    const bar = `<svg viewBox="0 0 100 8" preserveAspectRatio="none" style="height:12px" role="img" aria-label="${grouped(rows)} rows"><rect class="b" x="0" y="0" width="${width}" height="8"/></svg>`;
    return `<tr><td style="width:9rem">${table}</td><td>${bar}</td><td class="n" style="width:8rem">${grouped(rows)}</td></tr>`;
  });
  return `<div class="card"><table>${lines.join("")}</table></div>`;
}

export function qualityHtml(report: QualityReport, indicators: readonly Indicator[]): string {
  const byId = new Map(indicators.map((each) => [each.id, each]));
  const { asof, comparedWith, numbers, people, rawRows, rejected, drift } = report;
  const tile = (name: string, value: number, warn = false): string =>
    `<div class="card tile"><small>${name}</small><b${warn ? ' class="warn"' : ""}>${grouped(value)}</b></div>`;
  const changes =
    comparedWith === null
      ? "<p>No earlier load to compare with.</p>"
      : drift.length === 0
        ? `<p>Nothing worth a look since ${comparedWith}.</p>`
        : `<div class="card"><table>${drift.map((each) => `<tr><td>${escape(changeText(each))}</td></tr>`).join("")}</table></div>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality as of ${asof}</title><style>${STYLE}</style></head><body><main>
<h1>数据质量 Data quality</h1><p class="soft">As of ${asof}. Stays with the operator; aggregates only.</p>
<div class="grid tiles">${tile("号码 numbers", numbers)}${tile("人 people", people)}${tile("原始行 raw rows", rawRows)}${tile("拒收 rejected", rejected, rejected > 0)}${tile("变化 changes", drift.length, drift.length > 0)}</div>
<h2>变化 Changes since the last load</h2>${changes}
${rejected === 0 ? "" : `<h2>拒收 Rejected rows</h2>${rejectsTable(report)}`}
${report.tables.length === 0 ? "" : tableSections(report)}
<h2>指标 Indicators</h2><p class="soft">Bars count numbers by the size of the value, each twice the one before; the scale is the same in every load.</p>
<div class="grid indicators">${report.indicators.map((each) => indicatorCard(each, byId.get(each.id), numbers)).join("\n")}</div>
</main></body></html>
`;
}
