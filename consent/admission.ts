// An admission: the authority, which issued the tokens and knows their live state, has verified every item of one fan-out,
// and says so once for all nodes. It names the fan-out's digest, so it admits these questions in these slots and nothing
// else. Why a node may rely on it, and what it can still prove alone: docs/decisions/050-admission.md.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { Sha256Hex } from "../core/ids.ts";
import { openStatement, type SignedStatement } from "../crypto/index.ts";

/**
 * How long an admission counts, seconds: the life of a status list, so that a withdrawn consent is evaluated no longer
 * under an admission that somebody kept than under a list that somebody kept.
 */
export const ADMISSION_TTL_S = 60;

/** The consent token's subject and id, which a node opens the subject tag with. */
export const AdmittedItem = z.strictObject({
  sub: z.string().max(128),
  jti: z.string().max(128),
});
export type AdmittedItem = z.infer<typeof AdmittedItem>;

/** Signed by the authority's admission key, context "admission". Items in the descriptor's order. */
export const Admission = z.strictObject({
  /** D, hexadecimal. */
  descriptor: Sha256Hex,
  items: z.array(AdmittedItem).min(1).max(1024),
  /** NumericDate; from then on a node looks at every token and at its own status list again. */
  expires_at: z.int(),
});
export type Admission = z.infer<typeof Admission>;

/** @throws WjfError `receipt-invalid` when it is not signed by this key. */
export function openAdmission(
  signed: Pick<SignedStatement, "statement" | "signature">,
  key: KeyObject,
): Admission {
  return openStatement("admission", signed, key, Admission, "receipt-invalid");
}
