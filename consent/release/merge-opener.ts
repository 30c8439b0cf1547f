// Checked merge → (audit) → decrypted sums. Sums leave this file for the release rule only: never for a log, an error or a
// wire. Holds one decryptor per epoch in force. DESIGN §3 "Merge audit".
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { secondsSince } from "../../core/metrics.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { inSpan } from "../../core/tracing.ts";
import type { HeDecryptor, HeScheme } from "../../crypto/index.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";
import type { AuthorityDb, ConsentLedger } from "../ledger.ts";
import type { LeafDraft } from "../log/leaf.ts";
import { heDurations } from "../metrics.ts";
import { auditMerge, type CheckedMerge, isAudited } from "./check-merge.ts";
import { requireNotSuspended, suspendGateway } from "./suspension.ts";

export interface MergeOpenerParts {
  readonly scheme: HeScheme;
  readonly openDecryptor: (secretKey: Uint8Array) => HeDecryptor;
  readonly epochs: EpochKeeper;
  readonly ledger: ConsentLedger;
  readonly db: AuthorityDb;
  readonly random: Random;
  /** p of the merge audit, 0 to 1. */
  readonly auditProbability: number;
}

export interface OpenedMerge {
  /** The slots of all ciphertexts in a row, participant counts included. Overwrite after use. */
  readonly sums: Uint32Array;
  /** To be appended with the releases: that the merge was audited. */
  readonly leaves: readonly LeafDraft[];
}

/** Asks the gateway for the parts; called only after it has committed to the merge. */
export type Reveal = () => Promise<readonly Uint8Array[]>;

export class MergeOpener implements Disposable {
  readonly #parts: MergeOpenerParts;
  readonly #decryptors = new Map<number, HeDecryptor>();
  /** Challenges that have not been answered, by epoch. */
  readonly #unanswered = new Map<number, number>();

  constructor(parts: MergeOpenerParts) {
    this.#parts = parts;
  }

  /** @throws WjfError `gateway-suspended`, `receipt-invalid`, `merge-mismatch`, `masks-uncancelled`. */
  async open(merge: CheckedMerge, reveal: Reveal): Promise<OpenedMerge> {
    const { db, auditProbability, random } = this.#parts;
    await requireNotSuspended(db, merge.epoch);
    // Hanging up on a challenge must not be a free second throw of the coin: after one, every merge is audited.
    const owed = (this.#unanswered.get(merge.epoch.number) ?? 0) > 0;
    const audited = owed || isAudited(auditProbability, random);
    if (audited) await inSpan("merge audit", () => this.#audit(merge, reveal));
    return {
      sums: await inSpan("decrypt", async () => this.#decrypt(merge)),
      leaves: audited ? [auditLeaf(merge, "matched")] : [],
    };
  }

  async #audit(merge: CheckedMerge, reveal: Reveal): Promise<void> {
    const { scheme, ledger, epochs } = this.#parts;
    try {
      this.#owe(merge.epoch, 1);
      const parts = await reveal();
      const startedMs = performance.now();
      auditMerge(merge, parts, scheme);
      heDurations.observe({ operation: "audit" }, secondsSince(startedMs));
      this.#owe(merge.epoch, -1);
    } catch (error) {
      const mismatched = error instanceof WjfError && error.code === "merge-mismatch";
      await ledger.log.append([auditLeaf(merge, mismatched ? "mismatched" : "withheld")]);
      if (mismatched) {
        // The signed commitment to a wrong sum is proof; whoever made it gets no further try.
        await suspendGateway(ledger, merge);
        const epoch = merge.epoch.number;
        await epochs.retire(epoch);
        await ledger.log.append([{ type: "epoch", event: "retired", epoch, reason: error.code }]);
      }
      throw error;
    }
  }

  #owe({ number }: Epoch, challenges: number): void {
    this.#unanswered.set(number, (this.#unanswered.get(number) ?? 0) + challenges);
  }

  /** @throws WjfError `masks-uncancelled` unless each slot 0 counts exactly the participants. */
  #decrypt({ epoch, merged, provinces }: CheckedMerge): Uint32Array {
    const { ciphertextBytes, slotCount } = this.#parts.scheme;
    const ciphertexts = merged.length / ciphertextBytes;
    if (ciphertexts === 0 || !Number.isInteger(ciphertexts))
      throw new WjfError("ciphertext-invalid", "merged: length");
    const sums = new Uint32Array(ciphertexts * slotCount);
    const startedMs = performance.now();
    for (let i = 0; i < ciphertexts; i++) {
      const bytes = merged.subarray(i * ciphertextBytes, (i + 1) * ciphertextBytes);
      const slots = this.#decryptor(epoch).decrypt(bytes);
      if (slots[0] !== provinces.length) throw new WjfError("masks-uncancelled");
      sums.set(slots, i * slotCount);
      slots.fill(0);
    }
    heDurations.observe({ operation: "decrypt" }, secondsSince(startedMs));
    return sums;
  }

  #decryptor(epoch: Epoch): HeDecryptor {
    const known = this.#decryptors.get(epoch.number);
    if (known !== undefined) return known;
    const decryptor = this.#parts.openDecryptor(readSecretFile(epoch.secretKeyPath));
    this.#decryptors.set(epoch.number, decryptor);
    for (const [number, old] of this.#decryptors) {
      if (this.#parts.epochs.all().some((kept) => kept.number === number)) continue;
      old[Symbol.dispose]();
      this.#decryptors.delete(number);
    }
    return decryptor;
  }

  [Symbol.dispose](): void {
    for (const decryptor of this.#decryptors.values()) decryptor[Symbol.dispose]();
    this.#decryptors.clear();
  }
}

function auditLeaf(
  { epoch, digest, merged }: CheckedMerge,
  result: "matched" | "mismatched" | "withheld",
) {
  return {
    type: "merge-audit" as const,
    epoch: epoch.number,
    descriptor_sha256: digest.toString("hex"),
    merged_sha256: sha256Hex(merged),
    result,
  };
}
