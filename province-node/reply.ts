// The only way out of a province. A vector of clear partials goes in; a masked, encrypted ciphertext and a signed
// receipt come out. Nothing else of an evaluation may leave the node, and no other file may build a reply.
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import {
  type DigestedDescriptor,
  type HeEncryptor,
  type Masks,
  type NodeReceipt,
  signStatement,
} from "../crypto/index.ts";
import type { EvaluateReply } from "../proto/index.ts";

export interface Refusal {
  readonly item: number;
  readonly code: ErrorCode;
}

export interface ReplyKeys {
  readonly province: ProvinceCode;
  readonly signingKey: KeyObject;
  readonly masks: Pick<Masks, "apply">;
  readonly encryptor: HeEncryptor;
}

/**
 * @param slots this node's clear partials, as many as the descriptor uses; overwritten here with the masked vector.
 * @param refusals items whose slots are zero because their credentials failed; never depends on who is held here.
 */
export function sealReply(
  slots: Uint32Array,
  { descriptor, digest }: DigestedDescriptor,
  refusals: readonly Refusal[],
  keys: ReplyKeys,
): EvaluateReply {
  // Slot 0 counts the participants: it decrypts to their number only if every mask has cancelled.
  slots[0] = 1;
  keys.masks.apply(slots, descriptor.provinces, digest);
  const ciphertext = keys.encryptor.encrypt(slots);
  slots.fill(0);
  const receipt: NodeReceipt = {
    province: keys.province,
    descriptor: digest.toString("hex"),
    ciphertext: sha256Hex(ciphertext),
    refusals: [...refusals],
  };
  return {
    ciphertext: Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength),
    receipt: signStatement("receipt", receipt, keys.signingKey),
  };
}
