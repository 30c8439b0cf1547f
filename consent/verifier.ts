// The part of consent/ that gateway and province nodes may use: verifying, never issuing, spending or releasing.
export * from "./admission.ts";
export * from "./consent-claims.ts";
export * from "./federation-view.ts";
export * from "./signed-request.ts";
export * from "./trust-anchor.ts";
