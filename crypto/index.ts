// The public face of crypto/. decrypt.ts is not part of it, on purpose.
export * from "./descriptor.ts";
export * from "./he-scheme.ts";
export * from "./keys.ts";
export { maskNonce, Masks } from "./masks.ts";
export * from "./receipt.ts";
export { SealScheme } from "./seal-scheme.ts";
export * from "./sealing.ts";
export * from "./roster.ts";
export * from "./statement.ts";
export * from "./subject.ts";
export * from "./training-masks.ts";
export { chooseLayout, type Column, LabelBlocks, labelSlots, type Layout } from "./label-blocks.ts";
export * from "./training-scheme.ts";
export * from "./training-regions.ts";
export * from "./training-round.ts";
