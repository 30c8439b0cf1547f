// The only place where an answer comes into being: checked merge → (audit) → decrypt → release rule → one transaction
// that spends the consent, stores the answer and appends the leaf → answer. DESIGN §1 rule 1. Nothing but what
// decideAnswer returns may leave; sums, slots and noise never do, not even in an error.
import { sha256Hex } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import type { Catalogue } from "../../catalogue/index.ts";
import type { FanOutItem, HeDecryptor, HeScheme } from "../../crypto/index.ts";
import type { ReleaseCommit, ReleaseOutcome } from "../../proto/index.ts";
import type { Admitter, Question } from "../admitter.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";
import type { ConsentLedger } from "../ledger.ts";
import { auditMerge, type CheckedMerge, checkMerge, isAudited } from "./check-merge.ts";
import { type ItemRelease, releaseItem, type ReleaseItemParts } from "./release-item.ts";
import { requireNotSuspended, suspendGateway } from "./suspension.ts";

export interface ReleaserParts extends ReleaseItemParts {
  readonly scheme: HeScheme;
  readonly openDecryptor: (secretKey: Uint8Array) => HeDecryptor;
  readonly admitter: Admitter;
  readonly epochs: EpochKeeper;
  readonly ledger: ConsentLedger;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** p of the merge audit, 0 to 1. */
  readonly auditProbability: number;
}

export class Releaser implements Disposable {
  readonly #parts: ReleaserParts;
  readonly #decryptors = new Map<number, HeDecryptor>();

  constructor(parts: ReleaserParts) {
    this.#parts = parts;
  }

  /**
   * @param reveal asks the gateway for the parts; called only after it has committed to the merge.
   * @throws WjfError for the fan-out as a whole; a question's own refusal is its outcome.
   */
  async release(
    commit: ReleaseCommit,
    reveal: () => Promise<readonly Uint8Array[]>,
  ): Promise<readonly ReleaseOutcome[]> {
    const { admitter, epochs, ledger } = this.#parts;
    const merge = checkMerge(commit, epochs);
    await requireNotSuspended(this.#parts.db, merge.epoch);
    const credentials = commit.items.map((item) => item.credentials);
    const questions = await admitter.questions(merge.digested, credentials, merge.epoch);
    const audited = isAudited(this.#parts.auditProbability, this.#parts.random);
    if (audited) await this.#audit(commit, merge, reveal);
    const sums = this.#decrypt(merge);
    const [outcomes] = await Promise.all([
      Promise.all(questions.map((question, i) => this.#outcome(question, i, commit, merge, sums))),
      audited && ledger.log.append([auditLeaf(merge, "matched")]),
    ]);
    sums.fill(0);
    epochs.countReleases(outcomes.length);
    return outcomes;
  }

  async #audit(
    commit: ReleaseCommit,
    merge: CheckedMerge,
    reveal: () => Promise<readonly Uint8Array[]>,
  ): Promise<void> {
    const { scheme, ledger, epochs, db, clock } = this.#parts;
    try {
      auditMerge(merge, await reveal(), scheme);
    } catch (error) {
      const code = errorCode(error);
      const mismatched = code === "merge-mismatch";
      await ledger.log.append([auditLeaf(merge, mismatched ? "mismatched" : "withheld")]);
      if (mismatched) {
        // The signed commitment to a wrong sum is proof; whoever made it gets no further try.
        await suspendGateway(db, merge, commit.commitment, clock.nowMs());
        await epochs.retire(merge.epoch.number);
      }
      throw error;
    }
  }

  /** @throws WjfError `masks-uncancelled` unless slot 0 counts exactly the participants. */
  #decrypt({ epoch, digested, merged }: CheckedMerge): Uint32Array {
    const sums = this.#decryptor(epoch).decrypt(merged);
    if (sums[0] !== digested.descriptor.provinces.length) throw new WjfError("masks-uncancelled");
    return sums.subarray(0, digested.slotsUsed);
  }

  async #outcome(
    question: Question,
    index: number,
    commit: ReleaseCommit,
    { epoch, digested, receipts }: CheckedMerge,
    sums: Uint32Array,
  ): Promise<ReleaseOutcome> {
    const item = digested.descriptor.items[index] as FanOutItem;
    try {
      if (typeof question === "string") throw new WjfError(question);
      const refusals = receipts.flatMap((receipt) =>
        receipt.refusals.filter((refusal) => refusal.item === index),
      );
      const release: ItemRelease = {
        question,
        sealed: commit.items[index]?.sealed ?? false,
        sums: [...sums.subarray(item.slot_offset, item.slot_offset + item.slot_width)],
        answered: receipts.length - refusals.length,
        of: epoch.roster.provinces.length,
        nodeRefusal: refusals[0]?.code,
        descriptorDigest: digested.digest.toString("hex"),
        epoch: epoch.number,
      };
      return await releaseItem(release, this.#parts);
    } catch (error) {
      const code = errorCode(error);
      if (code === "internal") this.#parts.log.error({ err: error }, "a release failed");
      await this.#recordRefusal(code, item, question);
      return { result: "refusal", refusal: code };
    }
  }

  async #recordRefusal(code: ErrorCode, item: FanOutItem, question: Question): Promise<void> {
    const known = typeof question === "string" ? undefined : question.consent;
    await this.#parts.ledger.log.append([
      {
        type: "refusal",
        code,
        query_id: item.query_id,
        product: item.product,
        ...(known && { client_id: known.client_id, consent_id: known.grant_id }),
      },
    ]);
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

function errorCode(error: unknown): ErrorCode {
  return error instanceof WjfError ? error.code : "internal";
}

function auditLeaf(
  { epoch, digested, merged }: CheckedMerge,
  result: "matched" | "mismatched" | "withheld",
) {
  return {
    type: "merge-audit" as const,
    epoch: epoch.number,
    descriptor_sha256: digested.digest.toString("hex"),
    merged_sha256: sha256Hex(merged),
    result,
  };
}
