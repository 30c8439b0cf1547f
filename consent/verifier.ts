// The part of consent/ that gateway and province nodes may use: verifying, never issuing, spending or releasing.
export * from "./admission.ts";
export * from "./batch-proof.ts";
export * from "./batch-rows.ts";
export * from "./batch-split.ts";
export * from "./batch/request-checker.ts";
export * from "./batch/token-checker.ts";
export * from "./consent-claims.ts";
export * from "./federation-view.ts";
export * from "./manifest.ts";
export * from "./signed-request.ts";
export * from "./slot-layout.ts";
export * from "./training-job.ts";
export * from "./training-requests.ts";
export * from "./trust-anchor.ts";
export * from "./watch-request.ts";
