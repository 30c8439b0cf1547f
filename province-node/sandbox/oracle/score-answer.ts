// From what the provinces' numbers score to the released answer (DESIGN §4, weighted mean by evidence): value, band,
// dimensions 0–100, the two reasons that cost most, and what only the authority counts.
import type { AuthorityFacts, Model, ScoreAnswer } from "../../../catalogue/index.ts";
import { binPoints, type Scored, within } from "./model-score.ts";
import { roundedShare, sumOf } from "./number-history.ts";

/** The most evidence that one province's numbers have together; their shares are kept. */
const MOST_EVIDENCE = 255;

function sharedEvidence(province: readonly Scored[]): Scored[] {
  const total = sumOf(province.map(({ evidence }) => evidence));
  if (total <= MOST_EVIDENCE) return [...province];
  return province.map((each) => ({
    ...each,
    evidence: Math.floor((each.evidence * MOST_EVIDENCE) / total),
  }));
}

export class EvidenceMean {
  readonly #scores: readonly Scored[];
  readonly evidence: number;

  constructor(provinces: readonly (readonly Scored[])[]) {
    this.#scores = provinces.flatMap(sharedEvidence);
    this.evidence = sumOf(this.#scores.map(({ evidence }) => evidence));
  }

  /** Σ evidence · part. */
  total(part: (scored: Scored) => number): number {
    return sumOf(this.#scores.map((each) => each.evidence * part(each)));
  }

  /** The score before what the authority adds; null where nobody has evidence. */
  value({ offset, min, max }: Model, change = 0): number | null {
    const mean = roundedShare(
      this.total(({ score }) => score),
      this.evidence,
    );
    return mean === null ? null : within(offset + mean + change, min, max);
  }
}

interface Cost {
  readonly code: string;
  /** Evidence · points of the released score · divisor. */
  readonly points: number;
}

/** What the authority's counts add, in the model's order; none where it does not count. */
function counted(model: Model, facts: AuthorityFacts) {
  const { institutionsWithin } = facts;
  if (institutionsWithin === undefined) return [];
  return model.authority.map((each) => ({
    each,
    points: within(binPoints(each.bins, institutionsWithin(each.window_days)), 0, each.max),
  }));
}

export function scoreAnswer(model: Model, mean: EvidenceMean, facts: AuthorityFacts): ScoreAnswer {
  const extras = counted(model, facts);
  const added = sumOf(extras.map(({ points }) => points));
  const value = mean.value(model, model.good === "low" ? added : -added);
  if (value === null) return { kind: "score", value: null };
  const totals = model.dimensions.map((_, i) => mean.total(({ points }) => points[i] ?? 0));
  const reached = ({ from }: { from: number }): boolean =>
    model.good === "high" ? value >= from : value <= from;
  const band = model.bands.find(reached)?.id;
  const dimensions: Record<string, number> = {};
  const costs: Cost[] = [];
  model.dimensions.forEach(({ id, max, weight, reason: { code } }, i) => {
    const total = totals[i] ?? 0;
    const most = max * mean.evidence;
    dimensions[id] = roundedShare(100 * total, most) ?? 0;
    costs.push({ code, points: weight * (model.good === "high" ? most - total : total) });
  });
  for (const { each, points } of extras) {
    dimensions[each.id] = roundedShare(100 * points, each.max) ?? 0;
    costs.push({ code: each.reason.code, points: points * mean.evidence * model.divisor });
  }
  const worst = costs.filter(({ points }) => points > 0).sort((a, b) => b.points - a.points);
  const reasons = worst.slice(0, 2).map(({ code }) => code);
  return { kind: "score", value, ...(band === undefined ? {} : { band }), dimensions, reasons };
}
