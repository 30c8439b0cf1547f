// A trained scorecard read back from its package, with the shares of the people it was trained on, and how far another population's
// shares are from those: the population stability index. Pure. docs/decisions/075.
import type { OpenedPackage } from "../catalogue/index.ts";
import { z } from "zod";
import type { SpreadCell } from "../consent/release/index.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import { type CardFeature, cutBelow, type ServedCard } from "./train-scorecard.ts";

const Baseline = z.object({
  psi_baseline: z
    .array(z.object({ from: z.int().nullable(), share: z.number().gt(0).max(1) }))
    .min(2)
    .max(64),
});

/** Shares of the training's people by score, from the lowest; `from` is null in the lowest. */
export type Baseline = z.infer<typeof Baseline>["psi_baseline"];

export interface TrainedCard {
  readonly card: ServedCard;
  /** Indicators, in the order of the card's features. */
  readonly features: readonly string[];
  readonly baseline: Baseline;
}

/** @throws WjfError `model-invalid` where a package is not a trained scorecard's: points of indicators, with a baseline. */
export function trainedCard({ body: { model } }: OpenedPackage): TrainedCard {
  const unfit = (why: string): WjfError => new WjfError("model-invalid", `drift: ${why}`);
  const { psi_baseline: baseline } = parseWith(
    Baseline,
    model.training ?? {},
    "model-invalid",
    "model.training",
  );
  const ascends = baseline.every(({ from }, i) => {
    const before = baseline[i - 1]?.from ?? -Infinity;
    return i === 0 ? from === null : from !== null && from > before;
  });
  if (!ascends) throw unfit("psi_baseline has to ascend, the first without `from`");
  if (model.divisor !== 1 || model.authority.length > 0) throw unfit("not a trained scorecard");
  const features: string[] = [];
  const points: CardFeature[] = [];
  for (const dimension of model.dimensions) {
    if ("use" in dimension || dimension.base !== 0 || dimension.weight !== 1) {
      throw unfit("not a trained scorecard");
    }
    for (const each of dimension.features) {
      if ("input" in each) throw unfit("not a trained scorecard");
      points.push({
        feature: features.length,
        cuts: each.bins.flatMap(({ below }) => below ?? []),
        points: each.bins.map((bin) => bin.points),
        missing: each.missing,
      });
      features.push(each.indicator);
    }
  }
  return { card: { offset: model.offset, features: points }, features, baseline };
}

/** Cuts of the card as provinces count it (countedScore): ascending, so from the highest score down. */
export function baselineCuts({ card, baseline }: TrainedCard): number[] {
  return baseline
    .flatMap(({ from }) => from ?? [])
    .map((from) => cutBelow(card, from))
    .toReversed();
}

export interface DriftBand {
  /** Lowest score; null in the lowest band. */
  readonly from: number | null;
  readonly expected: number;
  readonly actual: number;
}

export interface Drift {
  readonly people: number;
  /** Σ (a − e)·ln(a / e) over the bands told, a lower bound of that over all; null when (nearly) all people are in one of several. */
  readonly psi: number | null;
  readonly level: "stable" | "shifted" | "drifted";
  /** From the lowest score. */
  readonly bands: readonly DriftBand[];
}

/** The usual thresholds: below the first little has changed, from the second on much. */
export const PSI_SHIFTED = 0.1;
export const PSI_DRIFTED = 0.25;

/** @param cells as the authority tells them: some of `baselineCuts` may be gone. */
export function driftOf(trained: TrainedCard, cells: readonly SpreadCell[]): Drift {
  const { card, baseline } = trained;
  const kept = new Set(cells.map(({ below }) => below));
  const people = cells.reduce((sum, cell) => sum + cell.people, 0);
  const bands: DriftBand[] = [];
  let expected = 0;
  let lowest: number | null = null;
  const counts = cells.toReversed();
  baseline.forEach(({ share }, i) => {
    expected += share;
    const next = baseline[i + 1]?.from ?? null;
    if (next !== null && !kept.has(cutBelow(card, next))) return;
    const actual = (counts[bands.length]?.people ?? 0) / people;
    bands.push({ from: lowest, expected, actual });
    lowest = next;
    expected = 0;
  });
  // Cells too small to be told left one band: the whole has moved into it, and nothing is left to compare.
  if (bands.length === 1 && baseline.length > 1) {
    return { people, psi: null, level: "drifted", bands };
  }
  const psi = bands.reduce((sum, band) => {
    return sum + (band.actual - band.expected) * Math.log(band.actual / band.expected);
  }, 0);
  return { people, psi, level: levelOf(psi), bands };
}

function levelOf(psi: number): Drift["level"] {
  if (psi >= PSI_DRIFTED) return "drifted";
  return psi >= PSI_SHIFTED ? "shifted" : "stable";
}
