// The public face of consent/ for the command line. gateway/ and province-node/ may use verifier.ts only.
export { type Federation, readFederation } from "./epochs.ts";
export { createAuthorityKeys } from "./secrets.ts";
export * from "./verifier.ts";
