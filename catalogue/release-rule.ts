// The release rules (DESIGN §4): which slots a node fills per item, how large each may be, and thereby what the
// authority may see of an item. Nothing outside these slots is ever released. The first slot of every item is
// `fault` (docs/decisions/002-fault-slot.md). Pure; no rule names an indicator.
import { HE_PARAMETERS } from "../crypto/he-scheme.ts";
import { CONDITION_MAX, MAX_CONDITIONS } from "./watch-state.ts";

/** A slot's sum over all provinces must stay below the plaintext modulus (DESIGN §3). */
export const PLAINTEXT_MODULUS = HE_PARAMETERS.plainModulus;
export const MAX_NODES = 31;
/** Evidence weight of one node's whole answer. */
export const MAX_NODE_WEIGHT = 255;

export interface ReasonText {
  readonly code: string;
  readonly zh: string;
  readonly en: string;
}

export interface RuleDimension {
  readonly id: string;
  /** Points go from 0 to here. */
  readonly max: number;
  readonly weight: number;
  readonly reason: ReasonText;
}

export interface Band {
  readonly id: string;
  readonly from: number;
}

export interface AuthorityRule {
  readonly id: string;
  readonly windowDays: number;
  readonly bins: readonly { readonly below?: number | undefined; readonly points: number }[];
  readonly max: number;
  readonly reason: ReasonText;
}

export interface ScoreScale {
  readonly model: { readonly id: string; readonly version: number };
  readonly offset: number;
  readonly min: number;
  readonly max: number;
  readonly good: "high" | "low";
  /** The largest score above `offset` that a node may put in, before weighting. */
  readonly maxScore: number;
  readonly divisor: number;
  readonly dimensions: readonly RuleDimension[];
  readonly authority: readonly AuthorityRule[];
  readonly bands: readonly Band[];
}

export type ReleaseRule =
  | { readonly type: "any" }
  | { readonly type: "at-least"; readonly k: number; readonly maxCount: number }
  | { readonly type: "weighted-mean"; readonly scale: ScoreScale }
  /** Yes if the score is at or above `at` (at or below, where low is good). */
  | { readonly type: "threshold"; readonly scale: ScoreScale; readonly at: number }
  | { readonly type: "tags"; readonly tags: readonly string[] }
  /** Conditions that are watched: only what has changed is released (watch-state.ts). */
  | { readonly type: "watch" }
  /** Cohorts: released by the statistics path only, k-anonymous and noised; never per person. */
  | {
      readonly type: "statistics";
      readonly counts: readonly string[];
      readonly sums: readonly { readonly id: string; readonly max: number }[];
      readonly k: number;
    };

export interface SlotSpec {
  readonly id: string;
  /** The most that one node may put here. */
  readonly max: number;
}

/** Every slot of an item under this rule, in order. */
export function slotSpecs(rule: ReleaseRule): readonly SlotSpec[] {
  return [{ id: "fault", max: 1 }, ...ruleSlots(rule)];
}

function ruleSlots(rule: ReleaseRule): readonly SlotSpec[] {
  switch (rule.type) {
    case "any":
      return [
        { id: "known", max: 1 },
        { id: "match", max: 1 },
      ];
    case "at-least":
      return [
        { id: "known", max: 1 },
        { id: "count", max: rule.maxCount },
      ];
    case "weighted-mean":
      return [
        ...weightSlots(rule.scale),
        ...rule.scale.dimensions.map((d) => ({ id: `w·${d.id}`, max: MAX_NODE_WEIGHT * d.max })),
      ];
    case "threshold":
      return weightSlots(rule.scale);
    case "tags":
      return [{ id: "known", max: 1 }, ...rule.tags.map((id) => ({ id, max: 1 }))];
    case "watch":
      return Array.from({ length: MAX_CONDITIONS }, (_, i) => ({
        id: `condition ${i}`,
        max: CONDITION_MAX,
      }));
    case "statistics":
      return [...rule.counts.map((id) => ({ id, max: 1 })), ...rule.sums];
  }
}

function weightSlots(scale: ScoreScale): readonly SlotSpec[] {
  return [
    { id: "w", max: MAX_NODE_WEIGHT },
    { id: "w·s", max: MAX_NODE_WEIGHT * scale.maxScore },
  ];
}

/** The first slot whose sum over all provinces could reach the plaintext modulus, if there is one. */
export function overflowingSlot(rule: ReleaseRule): SlotSpec | undefined {
  return slotSpecs(rule).find((slot) => MAX_NODES * slot.max >= PLAINTEXT_MODULUS);
}
