// What may come out of a release, in the form that the gateway's HTTP contract gives it (DESIGN §7). Types only.
import type { ErrorCode } from "../core/errors.ts";

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

export type Answer =
  | { readonly kind: "yes_no"; readonly value: YesNo }
  | ScoreAnswer
  | { readonly kind: "tags"; readonly tags: readonly string[] };

export type Decision =
  | {
      readonly kind: "answer";
      readonly answer: Answer;
      /** No province that did not answer could change it, or the product lets it stand all the same. */
      readonly conclusive: boolean;
    }
  | { readonly kind: "refuse"; readonly code: ErrorCode & ("claims-invalid" | "sum-out-of-range") };

/** What only the authority knows about the person. */
export interface AuthorityFacts {
  /** How many other institutions had an answer about this person within so many days. */
  readonly institutionsWithin?: (days: number) => number;
}
