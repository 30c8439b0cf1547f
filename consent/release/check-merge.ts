// Whether a merged ciphertext may be decrypted at all: the fan-out is of an epoch in force, every participant signed its
// part of this very fan-out, and the gateway signed this very merge. With probability p the gateway must then show the
// parts, and they must add up to the byte. This is what keeps the authority from being a decryption oracle.
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import type { Random } from "../../core/random.ts";
import {
  type HeScheme,
  MergeCommitment,
  NodeReceipt,
  openStatement,
  requireQuorum,
  type SignedStatement,
} from "../../crypto/index.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";

/** What every descriptor says, of one fan-out's questions or of a batch's. */
export interface FanOutHead {
  readonly epoch: number;
  readonly roster_digest: string;
  readonly provinces: readonly ProvinceCode[];
}

/** What the gateway presents for release. */
export interface PresentedMerge {
  /** One ciphertext, or a batch's several in a row. */
  readonly merged: Buffer;
  readonly commitment: SignedStatement;
  /** In the order of the descriptor's provinces. */
  readonly receipts: readonly SignedStatement[];
}

export interface CheckedMerge {
  readonly epoch: Epoch;
  /** D. */
  readonly digest: Buffer;
  readonly provinces: readonly ProvinceCode[];
  readonly merged: Buffer;
  readonly commitment: SignedStatement;
  /** In the order of the descriptor's provinces. */
  readonly receipts: readonly NodeReceipt[];
}

/** @throws WjfError `epoch-unknown`, `descriptor-invalid`. */
export function epochOf(head: FanOutHead, epochs: EpochKeeper): Epoch {
  const epoch = epochs.inForce(head.epoch);
  if (head.roster_digest !== epoch.rosterDigest.toString("hex")) {
    throw new WjfError("epoch-unknown", "roster digest");
  }
  requireQuorum(epoch.roster, head.provinces);
  return epoch;
}

/** @throws WjfError `descriptor-invalid`, `receipt-invalid`. */
export function checkMerge(
  presented: PresentedMerge,
  fanOut: Pick<CheckedMerge, "digest" | "provinces" | "epoch">,
): CheckedMerge {
  checkCommitment(presented, fanOut);
  const { merged, commitment } = presented;
  return { ...fanOut, merged, commitment, receipts: checkReceipts(presented, fanOut) };
}

function checkCommitment(
  { commitment: signed, merged }: PresentedMerge,
  { digest, epoch }: Pick<CheckedMerge, "digest" | "epoch">,
): void {
  const key = epoch.gatewayKey;
  const commitment = openStatement("merge", signed, key, MergeCommitment, "receipt-invalid");
  const about =
    commitment.descriptor === digest.toString("hex") && commitment.merged === sha256Hex(merged);
  if (!about) throw new WjfError("receipt-invalid", "the commitment is about another merge");
}

function checkReceipts(
  { receipts }: PresentedMerge,
  { digest, provinces, epoch }: Pick<CheckedMerge, "digest" | "provinces" | "epoch">,
): NodeReceipt[] {
  if (receipts.length !== provinces.length) {
    throw new WjfError("receipt-invalid", "receipts: one from every province");
  }
  const about = digest.toString("hex");
  return provinces.map((code, i) => {
    const key = epoch.receiptKeys.get(code);
    const signed = receipts[i];
    if (key === undefined || signed === undefined) {
      throw new WjfError("descriptor-invalid", "provinces: not all in the roster");
    }
    const receipt = openStatement("receipt", signed, key, NodeReceipt, "receipt-invalid");
    if (receipt.province !== code || receipt.descriptor !== about) {
      throw new WjfError("receipt-invalid", `province ${code}: about something else`);
    }
    return receipt;
  });
}

/** Whether this merge is audited: decided by the authority alone, after the gateway has committed. */
export function isAudited(probability: number, random: Random): boolean {
  return random.unit() < probability;
}

/**
 * Adds the parts again. BFV addition is deterministic, so an honest merge agrees to the byte.
 * @throws WjfError `receipt-invalid` for a part its province did not sign, `merge-mismatch` for a wrong sum.
 */
export function auditMerge(
  { merged, receipts }: CheckedMerge,
  parts: readonly Uint8Array[],
  scheme: HeScheme,
): void {
  if (parts.length !== receipts.length) throw new WjfError("receipt-invalid", "parts: all of them");
  for (const [i, part] of parts.entries()) {
    if (sha256Hex(part) !== receipts[i]?.ciphertext) {
      throw new WjfError("receipt-invalid", "a part is not the signed one");
    }
  }
  // An honest gateway cannot have added parts of another length than the sum's; comparing nothing would prove nothing.
  const alike = merged.length > 0 && parts.every((part) => part.length === merged.length);
  if (!alike) throw new WjfError("merge-mismatch");
  const size = scheme.ciphertextBytes;
  for (let at = 0; at < merged.length; at += size) {
    using sum = scheme.sum();
    for (const part of parts) sum.add(part.subarray(at, at + size));
    if (!merged.subarray(at, at + size).equals(sum.finish())) throw new WjfError("merge-mismatch");
  }
}
