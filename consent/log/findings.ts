// What verification can find wrong with a log. A finding names the leaf it is about, so that whoever reads it can look.
export type FindingCode =
  | "checkpoint-malformed"
  | "checkpoint-signature"
  | "checkpoint-rewound"
  | "history-rewritten"
  | "root-mismatch"
  | "tile-missing"
  | "tile-mismatch"
  | "leaf-missing"
  | "leaf-mismatch"
  | "leaf-malformed"
  | "time-reversed"
  | "consent-transition"
  | "consent-widened"
  | "release-without-consent"
  | "release-outside-consent"
  | "release-outside-term"
  | "release-over-count"
  | "release-repeated"
  | "training-order";

export interface Finding {
  readonly code: FindingCode;
  /** The leaf, or the first leaf that is concerned; absent when it is about the log as a whole. */
  readonly index?: number;
  readonly detail: string;
}

export type Report = (code: FindingCode, index: number | undefined, detail: string) => void;
