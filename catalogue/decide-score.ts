// Score arithmetic of the release rules, in integers throughout: the weighted mean of what the provinces put in, on
// the model's scale, with bands, dimensions (0–100) and the two reasons that cost most. Pure.
import type { AuthorityFacts, ScoreAnswer, YesNo } from "./answer.ts";
import type { AuthorityRule, ReasonText, ScoreScale } from "./release-rule.ts";

/** a/b rounded half up, for a ≥ 0 and b > 0, exactly. */
export function roundedRatio(a: number, b: number): number {
  return Math.floor((2 * a + b) / (2 * b));
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

/** Undefined when the sums contradict each other. */
export function decideScore(
  scale: ScoreScale,
  slots: readonly number[],
  facts: AuthorityFacts,
): ScoreAnswer | undefined {
  const [w = 0, ws = 0, ...byDimension] = slots;
  if (ws > w * scale.maxScore) return undefined;
  if (scale.dimensions.some((d, i) => (byDimension[i] as number) > w * d.max)) return undefined;
  if (w === 0) return { kind: "score", value: null };

  const extras = scale.authority.map((rule) => authorityPoints(rule, facts));
  const extra = extras.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  const value = clamp(
    scale.offset + roundedRatio(ws, w) + (scale.good === "low" ? extra : -extra),
    scale.min,
    scale.max,
  );
  const band = bandOf(scale, value);
  const dimensions = Object.fromEntries([
    ...scale.dimensions.map(
      (d, i) => [d.id, roundedRatio(100 * (byDimension[i] as number), d.max * w)] as const,
    ),
    ...scale.authority.flatMap((rule, i) => {
      const points = extras[i];
      return points === undefined ? [] : [[rule.id, roundedRatio(100 * points, rule.max)] as const];
    }),
  ]);
  return {
    kind: "score",
    value,
    ...(band === undefined ? {} : { band }),
    dimensions,
    reasons: reasonsOf(scale, w, byDimension, extras),
  };
}

/** Undefined when the sums contradict each other. */
export function scoreAtLeast(
  scale: ScoreScale,
  at: number,
  slots: readonly number[],
): YesNo | undefined {
  const [w = 0, ws = 0] = slots;
  if (ws > w * scale.maxScore) return undefined;
  if (w === 0) return "unknown";
  const value = clamp(scale.offset + roundedRatio(ws, w), scale.min, scale.max);
  return (scale.good === "high" ? value >= at : value <= at) ? "yes" : "no";
}

/** Undefined where the authority does not count (not every deployment does). */
function authorityPoints(rule: AuthorityRule, facts: AuthorityFacts): number | undefined {
  if (facts.institutionsWithin === undefined) return undefined;
  const count = facts.institutionsWithin(rule.windowDays);
  const bin = rule.bins.find((each) => each.below === undefined || count < each.below);
  return clamp(bin?.points ?? 0, 0, rule.max);
}

function bandOf(scale: ScoreScale, value: number): string | undefined {
  return scale.bands.find(({ from }) => (scale.good === "high" ? value >= from : value <= from))
    ?.id;
}

interface Cost {
  readonly reason: ReasonText;
  /** In points of the score, times w · divisor, so that it stays an integer. */
  readonly points: number;
}

function reasonsOf(
  scale: ScoreScale,
  w: number,
  byDimension: readonly number[],
  extras: readonly (number | undefined)[],
): readonly string[] {
  const costs: Cost[] = scale.dimensions.map((d, i) => {
    const sum = byDimension[i] as number;
    return { reason: d.reason, points: d.weight * (scale.good === "high" ? d.max * w - sum : sum) };
  });
  scale.authority.forEach((rule, i) => {
    costs.push({ reason: rule.reason, points: (extras[i] ?? 0) * w * scale.divisor });
  });
  return costs
    .filter(({ points }) => points > 0)
    .sort((a, b) => b.points - a.points)
    .slice(0, 2)
    .map(({ reason }) => reason.code);
}
