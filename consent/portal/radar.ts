// A radar of dimensions, each 0–100, as SVG without script or inline style (the pages' Content-Security-Policy allows
// neither). The same figures stand beside it as a table, so it is one image to a screen reader.
import { html, type Html } from "../../core/html.ts";

export interface Spoke {
  readonly name: string;
  /** 0–100. */
  readonly share: number;
}

const WIDTH = 430;
const HEIGHT = 340;
const RADIUS = 100;
/** Of the labels, whose font is 15 units high (consent/approval/layout.ts). */
const LINE = 17;
const RINGS = [25, 50, 75, 100];

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The first spoke points up, the others follow clockwise. */
function at(index: number, count: number, radius: number): Point {
  const angle = (2 * Math.PI * index) / count - Math.PI / 2;
  const round = (value: number): number => Math.round(value * 10) / 10;
  return {
    x: round(WIDTH / 2 + radius * Math.cos(angle)),
    y: round(HEIGHT / 2 + radius * Math.sin(angle)),
  };
}

function polygon(radii: readonly number[]): string {
  return radii
    .map((radius, i) => at(i, radii.length, radius))
    .map(({ x, y }) => `${x},${y}`)
    .join(" ");
}

export function radar(spokes: readonly Spoke[], label: string): Html {
  const radii = spokes.map(({ share }) => (RADIUS * Math.min(100, Math.max(0, share))) / 100);
  return html`<svg
    class="radar"
    role="img"
    aria-label="${label}"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    xmlns="http://www.w3.org/2000/svg"
  >
    ${RINGS.map((ring) => {
      const ringRadii = spokes.map(() => (RADIUS * ring) / 100);
      return html`<polygon class="ring" points="${polygon(ringRadii)}" /> `;
    })}
    <polygon class="shape" points="${polygon(radii)}" />
    ${spokes.map((spoke, i) => axis(spoke, i, spokes.length))}
  </svg>`;
}

function axis({ name, share }: Spoke, index: number, count: number): Html {
  const end = at(index, count, RADIUS);
  const { x, y } = at(index, count, RADIUS + 16);
  const across = x - WIDTH / 2;
  const anchor = Math.abs(across) < 12 ? "middle" : across < 0 ? "end" : "start";
  // A word a line: a phone's width has no room for "Telecom spending" beside the picture.
  const lines = [...name.split(" "), share];
  // Labels above and below stand off by more, because they grow towards the picture.
  const first = y + ((y - HEIGHT / 2) * 14) / RADIUS - ((lines.length - 1) * LINE) / 2 + 5;
  return html`<line class="ring" x1="${WIDTH / 2}" y1="${HEIGHT / 2}" x2="${end.x}" y2="${end.y}" />
    <text text-anchor="${anchor}">
      ${lines.map((line, i) => html`<tspan x="${x}" y="${first + i * LINE}">${line}</tspan>`)}
    </text> `;
}
