// The charts of a training report, as inline SVG without script. What a colour says is also written; each is one image to a screen
// reader, and its figures stand in the report's tables or its JSON twin.
import { html, type Html } from "../core/html.ts";

const WIDTH = 440;
const HEIGHT = 320;
const LEFT = 52;
const RIGHT = WIDTH - 24;
const TOP = 16;
const BASE = HEIGHT - 46;

const round = (value: number): string => value.toFixed(1);
export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

interface Axis {
  readonly label: string;
  readonly max: number;
  readonly tick: (value: number) => string;
}

const shares = (label: string): Axis => ({ label, max: 1, tick: (value) => percent(value, 0) });

const x = (share: number): number => LEFT + share * (RIGHT - LEFT);
const y = (share: number): number => BASE - share * (BASE - TOP);

function frame(label: string, across: Axis | null, up: Axis, content: readonly Html[]): Html {
  const quarters = [0, 0.25, 0.5, 0.75, 1];
  const rows = quarters.map(
    (q) =>
      html`<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${round(y(q))}" y2="${round(y(q))}" />
        <text x="${LEFT - 8}" y="${round(y(q) + 4)}" text-anchor="end"
          >${up.tick(q * up.max)}</text
        >`,
  );
  const columns =
    across === null
      ? []
      : quarters.map(
          (q) =>
            html`<text x="${round(x(q))}" y="${BASE + 18}" text-anchor="middle">
              ${across.tick(q * across.max)}
            </text>`,
        );
  const below =
    across &&
    html`<text x="${round(x(0.5))}" y="${BASE + 38}" text-anchor="middle">${across.label}</text>`;
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
    ${rows}${columns}${below ?? false}${content}
    <text x="${LEFT + 6}" y="${TOP + 12}">${up.label}</text>
  </svg>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function curve(points: readonly Point[], colour: string): Html {
  const path = points.map((point) => `${round(x(point.x))},${round(y(point.y))}`).join(" ");
  return html`<polyline class="curve" points="${path}" style="stroke:var(${colour})" />`;
}

const DIAGONAL = html`<line class="cut" x1="${LEFT}" y1="${BASE}" x2="${RIGHT}" y2="${TOP}" />`;

export interface Cumulative {
  readonly people: number;
  readonly good: number;
  readonly bad: number;
}

const START: Cumulative = { people: 0, good: 0, bad: 0 };

/** @param points cumulative shares, from the riskiest. */
export function rocChart(points: readonly Cumulative[], auc: number): Html {
  const line = [START, ...points].map(({ good, bad }) => ({ x: good, y: bad }));
  const said = html`<text
    class="ink"
    x="${round(x(0.6))}"
    y="${round(y(0.3))}"
    style="font-size:16px"
  >
    AUC ${auc.toFixed(4)}
  </text>`;
  return frame(
    "ROC curve",
    shares("share of good 好客户占比"),
    { ...shares(""), label: "share of bad 坏客户占比" },
    [DIAGONAL, curve(line, "--b4"), said],
  );
}

/** @param ks exact; the marker stands where the told points are furthest apart. */
export function ksChart(points: readonly Cumulative[], ks: number): Html {
  const line = [START, ...points];
  const widest = line.reduce((best, point) =>
    point.bad - point.good > best.bad - best.good ? point : best,
  );
  const at = round(x(widest.people));
  return frame(
    "KS: cumulative shares of bad and good",
    shares("people, riskiest first 人群（风险由高到低）"),
    shares(""),
    [
      curve(
        line.map(({ people, bad }) => ({ x: people, y: bad })),
        "--b2",
      ),
      curve(
        line.map(({ people, good }) => ({ x: people, y: good })),
        "--b0",
      ),
      html`<line
          class="cut"
          x1="${at}"
          x2="${at}"
          y1="${round(y(widest.bad))}"
          y2="${round(y(widest.good))}"
        />
        <text class="ink" x="${round(x(0.6))}" y="${round(y(0.12))}" style="font-size:16px">
          KS ${ks.toFixed(4)}
        </text>
        <text x="${round(x(0.8))}" y="${round(y(0.34))}" style="fill:var(--b0)">good 好</text>
        <text x="${round(x(0.8))}" y="${round(y(0.27))}" style="fill:var(--b2)">bad 坏</text>`,
    ],
  );
}

export interface Decile {
  readonly people: number;
  readonly bad_rate: number;
  readonly expected: number;
  readonly lift: number;
}

/** Rates to read an axis of quarters by. */
function niceMax(value: number): number {
  const steps = [0.02, 0.04, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 12, 16, 20, 40, 100];
  return steps.find((step) => step >= value) ?? value;
}

/** Observed against expected rates, with intervals of two standard errors. */
export function calibrationChart(deciles: readonly Decile[]): Html {
  const most = deciles.map((each) => Math.max(each.bad_rate, each.expected));
  const max = niceMax(Math.max(...most) * 1.05);
  const digits = max < 0.2 ? 1 : 0;
  const axis = (label: string): Axis => ({ label, max, tick: (v) => percent(v, digits) });
  const points = deciles.map(({ people, bad_rate: rate, expected }) => {
    const error = 2 * Math.sqrt((rate * (1 - rate)) / people);
    const at = round(x(expected / max));
    const [low, high] = [Math.max(0, rate - error), Math.min(max, rate + error)];
    return html`<line
        x1="${at}"
        x2="${at}"
        y1="${round(y(low / max))}"
        y2="${round(y(high / max))}"
        style="stroke:var(--b4);stroke-width:2;opacity:.5"
      />
      <circle cx="${at}" cy="${round(y(rate / max))}" r="4.5" style="fill:var(--b4)">
        <title>expected ${percent(expected)}, observed ${percent(rate)}</title>
      </circle>`;
  });
  const across = axis("expected bad rate 预测坏账率");
  return frame("Calibration by tenth", across, axis("observed 实际坏账率"), [DIAGONAL, ...points]);
}

/** @param deciles from the riskiest. */
export function liftChart(deciles: readonly Decile[]): Html {
  const max = niceMax(Math.max(...deciles.map(({ lift }) => lift)) * 1.1);
  const one = round(y(1 / max));
  return barFrame(
    "Lift by tenth",
    { label: "lift 提升度", max, tick: (v) => v.toFixed(max < 4 ? 1 : 0) },
    "tenths, riskiest first 十分位（风险由高到低）",
    deciles.map(({ lift }, i) => ({
      height: lift / max,
      over: lift.toFixed(2),
      under: String(i + 1),
      colour: lift >= 1 ? "--b2" : "--b0",
    })),
    html`<line class="cut" x1="${LEFT}" x2="${RIGHT}" y1="${one}" y2="${one}" />`,
  );
}

export interface ScoreBand {
  readonly from: number | null;
  readonly to: number | null;
  readonly share: number;
  readonly bad_rate: number;
}

/** @param bands from the lowest score. */
export function bandChart(bands: readonly ScoreBand[]): Html {
  const max = niceMax(Math.max(...bands.map(({ share }) => share)) * 1.15);
  return barFrame(
    "Share of the cohort by score",
    { label: "share 占比", max, tick: (v) => percent(v, 0) },
    "score from 分数下限",
    bands.map(({ from, share }) => ({
      height: share / max,
      over: percent(share, 0),
      under: from === null ? "min" : String(from),
      colour: "--b4",
    })),
    html``,
  );
}

interface Bar {
  readonly height: number;
  readonly over: string;
  readonly under: string;
  readonly colour: string;
}

function barFrame(label: string, up: Axis, below: string, bars: readonly Bar[], over: Html): Html {
  const step = (RIGHT - LEFT) / Math.max(1, bars.length);
  const drawn = bars.map(({ height, over: text, under, colour }, i) => {
    const middle = round(LEFT + (i + 0.5) * step);
    return html`<rect
        x="${round(LEFT + i * step + 3)}"
        width="${round(step - 6)}"
        y="${round(y(height))}"
        height="${round(BASE - y(height))}"
        rx="2"
        style="fill:var(${colour})"
      />
      <text x="${middle}" y="${round(y(height) - 5)}" text-anchor="middle" style="font-size:11px">
        ${text}
      </text>
      <text x="${middle}" y="${BASE + 16}" text-anchor="middle" style="font-size:12px">
        ${under}
      </text>`;
  });
  const title = html`<text x="${round(x(0.5))}" y="${BASE + 38}" text-anchor="middle">
    ${below}
  </text>`;
  return frame(label, null, up, [...drawn, over, title]);
}

export interface EvidenceBin {
  readonly range: string;
  readonly woe: number;
  readonly share: number;
  readonly bad_rate: number;
}

const ROW = 24;

/** Weights of evidence to both sides of nought: right, good; left, bad. */
export function evidenceChart(label: string, bins: readonly EvidenceBin[]): Html {
  const most = Math.max(0.1, ...bins.map(({ woe }) => Math.abs(woe)));
  const [middle, half] = [270, 75];
  const height = bins.length * ROW + 4;
  const rows = bins.map(({ range, woe, share, bad_rate }, i) => {
    const wide = (half * Math.abs(woe)) / most;
    const top = i * ROW + 4;
    const text = top + 13;
    const fill = woe >= 0 ? "--b0" : "--b2";
    return html`<text class="ink" x="146" y="${text}" text-anchor="end">${range}</text>
      <rect
        x="${round(woe >= 0 ? middle : middle - wide)}"
        width="${round(Math.max(0.5, wide))}"
        y="${top}"
        height="17"
        rx="2"
        style="fill:var(${fill})"
      >
        <title>${percent(share)} of people, ${percent(bad_rate)} bad</title>
      </rect>
      <text x="${WIDTH - 60}" y="${text}" text-anchor="end" style="font-size:12px">
        ${woe.toFixed(2)}
      </text>
      <text x="${WIDTH}" y="${text}" text-anchor="end" style="font-size:12px">
        ${percent(bad_rate)}
      </text>`;
  });
  return html`<svg
    viewBox="0 0 ${WIDTH} ${height}"
    role="img"
    aria-label="Weights of evidence of ${label}"
  >
    <line class="axis" x1="${middle}" x2="${middle}" y1="0" y2="${height}" />
    ${rows}
  </svg>`;
}
