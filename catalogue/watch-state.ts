// What a watch's conditions come to: a node's three facts about one condition as digits of one slot, what their sums say, and
// the hysteresis between evaluations. A condition that is neither crossed nor well stays as it was; one that cannot be told
// keeps in mind how it was before. Pure; who keeps the states is the authority's (consent/release/watch-states.ts).
import type { AlertState } from "./answer.ts";

/** Conditions of one watch, a slot each. */
export const MAX_CONDITIONS = 8;

/** Digits count provinces, at most 31 (release-rule.ts): in this base no sum carries into the next digit. */
const BASE = 32;

/** About one condition and the numbers that one province holds. */
export interface ConditionFacts {
  /** It can be told for some number. */
  readonly known: boolean;
  /** It is crossed for some number. */
  readonly crossed: boolean;
  /** For some number it can be told and is not well again. */
  readonly unwell: boolean;
}

export function packFacts({ known, crossed, unwell }: ConditionFacts): number {
  return Number(known) + Number(crossed) * BASE + Number(unwell) * BASE ** 2;
}

/** The most that one node may put into a condition's slot. */
export const CONDITION_MAX = 1 + BASE + BASE ** 2;

export type Observed = AlertState | "between";

/** What a decrypted sum says; `impossible` when no honest nodes could have made it. */
export function observe(sum: number): Observed | "impossible" {
  const known = sum % BASE;
  const crossed = Math.floor(sum / BASE) % BASE;
  const unwell = Math.floor(sum / BASE ** 2);
  if (crossed > known || unwell > known) return "impossible";
  if (known === 0) return "unknown";
  if (crossed > 0) return "crossed";
  return unwell > 0 ? "between" : "back";
}

/** How a condition stands; with "?" when it cannot be told now. */
export type ConditionState = "crossed" | "back" | "crossed?" | "back?";

/** Of a watch that was never evaluated: what is well from the beginning is no news. */
export const FIRST_STATE: ConditionState = "back";

export function nextState(before: ConditionState, observed: Observed): ConditionState {
  const was = before === "crossed" || before === "crossed?" ? "crossed" : "back";
  switch (observed) {
    case "crossed":
    case "back":
      return observed;
    case "between":
      return was;
    case "unknown":
      return `${was}?`;
  }
}

export function toldState(state: ConditionState): AlertState {
  return state === "crossed" || state === "back" ? state : "unknown";
}
