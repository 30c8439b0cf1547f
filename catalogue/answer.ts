// What may come out of a release, in the form that the gateway's HTTP contract gives it (DESIGN §7). Types only.
import type { ErrorCode } from "../core/errors.ts";
import type { ConditionState } from "./watch-state.ts";

export type YesNo = "yes" | "no" | "unknown";

export interface ScoreAnswer {
  readonly kind: "score";
  /** null: unknown, no province has evidence. */
  readonly value: number | null;
  readonly band?: string;
  /** Each dimension as a share of its maximum, 0–100. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** Reason codes of the (at most) two dimensions that cost most; their texts are in the catalogue. */
  readonly reasons?: readonly string[];
}

/** What an institution is told of one watched condition. `back`: it was crossed, or could not be told, and is well. */
export type AlertState = "crossed" | "back" | "unknown";

export interface AlertsAnswer {
  readonly kind: "alerts";
  /** What is not as it was at the evaluation before, by the condition's place (from 0); empty when nothing is. */
  readonly changes: readonly { readonly condition: number; readonly state: AlertState }[];
}

export type Answer =
  | { readonly kind: "yes_no"; readonly value: YesNo }
  | ScoreAnswer
  | { readonly kind: "tags"; readonly tags: readonly string[] }
  | AlertsAnswer;

export type Decision =
  | {
      readonly kind: "answer";
      readonly answer: Answer;
      /** No province that did not answer could change it, or the product lets it stand all the same. */
      readonly conclusive: boolean;
      /** Of a watch: what the next evaluation compares with. */
      readonly states?: readonly ConditionState[];
    }
  | { readonly kind: "refuse"; readonly code: ErrorCode & ("claims-invalid" | "sum-out-of-range") };

/** What only the authority knows about the person. */
export interface AuthorityFacts {
  /** How many other institutions had an answer about this person within so many days. */
  readonly institutionsWithin?: (days: number) => number;
  /** Of a watch: one state per condition, as the evaluation before left them. */
  readonly states?: readonly ConditionState[];
}
