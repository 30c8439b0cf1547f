// What each party signs about one fan-out: a node its ciphertext, the gateway its merge. DESIGN §3 "Receipt".
import { z } from "zod";
import { type ErrorCode, isErrorCode } from "../core/errors.ts";
import { ProvinceCode, Sha256Hex } from "../core/ids.ts";

const RefusalCode = z.custom<ErrorCode>(
  (value) => typeof value === "string" && isErrorCode(value),
  "a code of the error catalogue",
);

/** Signed by a province node, context "receipt". */
export const NodeReceipt = z.strictObject({
  province: ProvinceCode,
  /** D, hexadecimal. */
  descriptor: Sha256Hex,
  /** SHA-256 of the ciphertext, or of a batch's ciphertexts in a row. */
  ciphertext: Sha256Hex,
  /** Items the node would not evaluate, by index. A refused item's slots carry zero. Never depends on membership. */
  refusals: z.array(z.strictObject({ item: z.int().min(0), code: RefusalCode })).max(4096),
});
export type NodeReceipt = z.infer<typeof NodeReceipt>;

/** Signed by the gateway before the authority says whether it will audit the merge, context "merge". */
export const MergeCommitment = z.strictObject({
  descriptor: Sha256Hex,
  /** SHA-256 of the merged ciphertext's bytes. */
  merged: Sha256Hex,
});
export type MergeCommitment = z.infer<typeof MergeCommitment>;
