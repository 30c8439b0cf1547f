// The only way out of a province. A vector of clear partials goes in; a masked, encrypted ciphertext and a signed
// receipt come out. Nothing else of an evaluation may leave the node, and no other file may build a reply.
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { secondsSince } from "../core/metrics.ts";
import {
  HE_PARAMETERS,
  type HeEncryptor,
  type Masks,
  type NodeReceipt,
  signStatement,
} from "../crypto/index.ts";
import type { EvaluateReply } from "../proto/index.ts";

const SLOTS = HE_PARAMETERS.polyModulusDegree;

/** Of a descriptor, whatever it asks. */
export interface SealedFanOut {
  readonly descriptor: { readonly provinces: readonly ProvinceCode[] };
  /** D. */
  readonly digest: Buffer;
}

export interface Refusal {
  readonly item: number;
  readonly code: ErrorCode;
}

export interface ReplyKeys {
  readonly province: ProvinceCode;
  readonly signingKey: KeyObject;
  readonly masks: Pick<Masks, "apply">;
  readonly encryptor: HeEncryptor;
  /** Told how long masking and encrypting took. */
  readonly onSealed?: (seconds: number) => void;
}

/**
 * @param slots this node's clear partials, as many as the fan-out uses, over one ciphertext or several in a row; overwritten.
 * @param refusals items whose slots are zero because their credentials failed; never depends on who is held here.
 */
export function sealReply(
  slots: Uint32Array,
  { descriptor, digest }: SealedFanOut,
  refusals: readonly Refusal[],
  keys: ReplyKeys,
): EvaluateReply {
  // Slot 0 counts the participants: it decrypts to their number only if every mask has cancelled.
  for (let i = 0; i < slots.length; i += SLOTS) slots[i] = 1;
  const startedMs = performance.now();
  keys.masks.apply(slots, descriptor.provinces, digest);
  const ciphertext = encryptAll(slots, keys.encryptor);
  keys.onSealed?.(secondsSince(startedMs));
  slots.fill(0);
  const receipt: NodeReceipt = {
    province: keys.province,
    descriptor: digest.toString("hex"),
    ciphertext: sha256Hex(ciphertext),
    refusals: [...refusals],
  };
  return { ciphertext, receipt: signStatement("receipt", receipt, keys.signingKey) };
}

/** As many ciphertexts as the slots need, in a row. */
function encryptAll(slots: Uint32Array, encryptor: HeEncryptor): Buffer {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < slots.length; i += SLOTS) {
    parts.push(encryptor.encrypt(slots.subarray(i, i + SLOTS)));
  }
  const [only] = parts;
  if (parts.length > 1 || only === undefined) return Buffer.concat(parts);
  return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
}
