// Whether a merged ciphertext may be decrypted at all: the fan-out is of an epoch in force, every participant signed its
// part of this very fan-out, and the gateway signed this very merge. With probability p the gateway must then show the
// parts, and they must add up to the byte. This is what keeps the authority from being a decryption oracle.
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import {
  type DigestedDescriptor,
  type HeScheme,
  MergeCommitment,
  NodeReceipt,
  openStatement,
  parseDescriptor,
} from "../../crypto/index.ts";
import type { ReleaseCommit } from "../../proto/index.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";

export interface CheckedMerge {
  readonly epoch: Epoch;
  readonly digested: DigestedDescriptor;
  readonly merged: Buffer;
  /** In the order of the descriptor's provinces. */
  readonly receipts: readonly NodeReceipt[];
}

/** @throws WjfError `descriptor-invalid`, `epoch-unknown`, `receipt-invalid`. */
export function checkMerge(commit: ReleaseCommit, epochs: EpochKeeper): CheckedMerge {
  const digested = parseDescriptor(commit.descriptor);
  const { descriptor } = digested;
  const epoch = epochs.inForce(descriptor.epoch);
  if (descriptor.roster_digest !== epoch.rosterDigest.toString("hex")) {
    throw new WjfError("epoch-unknown", "roster digest");
  }
  if (commit.items.length !== descriptor.items.length) {
    throw new WjfError("descriptor-invalid", "items: credentials for each");
  }
  checkCommitment(commit, digested, epoch);
  return {
    epoch,
    digested,
    merged: commit.merged,
    receipts: checkReceipts(commit, digested, epoch),
  };
}

function checkCommitment(
  commit: ReleaseCommit,
  { digest }: DigestedDescriptor,
  epoch: Epoch,
): void {
  const commitment = openStatement(
    "merge",
    commit.commitment,
    epoch.gatewayKey,
    MergeCommitment,
    "receipt-invalid",
  );
  const about =
    commitment.descriptor === digest.toString("hex") &&
    commitment.merged === sha256Hex(commit.merged);
  if (!about) throw new WjfError("receipt-invalid", "the commitment is about another merge");
}

function checkReceipts(
  commit: ReleaseCommit,
  { descriptor, digest }: DigestedDescriptor,
  epoch: Epoch,
): NodeReceipt[] {
  if (commit.receipts.length !== descriptor.provinces.length) {
    throw new WjfError("receipt-invalid", "receipts: one from every province");
  }
  return descriptor.provinces.map((code, i) => {
    const key = epoch.receiptKeys.get(code);
    const signed = commit.receipts[i];
    if (key === undefined || signed === undefined) {
      throw new WjfError("descriptor-invalid", "provinces: not all in the roster");
    }
    const receipt = openStatement("receipt", signed, key, NodeReceipt, "receipt-invalid");
    if (receipt.province !== code || receipt.descriptor !== digest.toString("hex")) {
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
  using sum = scheme.sum();
  for (const [i, part] of parts.entries()) {
    if (sha256Hex(part) !== receipts[i]?.ciphertext) {
      throw new WjfError("receipt-invalid", "a part is not the signed one");
    }
    sum.add(part);
  }
  if (!merged.equals(sum.finish())) throw new WjfError("merge-mismatch");
}
