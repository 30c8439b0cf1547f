// The only place where an answer comes into being: checked merge → (audit) → decrypt → release rule → one transaction
// that spends the consents, stores the answers and appends the leaves → answers. DESIGN §1 rule 1. Nothing but what
// decideAnswer returns may leave; sums, slots and noise never do, not even in an error.
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import { parseDescriptor } from "../../crypto/index.ts";
import type { ReleaseCommit, ReleaseOutcome } from "../../proto/index.ts";
import type { Admitter } from "../admitter.ts";
import type { EpochKeeper } from "../epochs.ts";
import type { VerifiedRequest } from "../signed-request.ts";
import { type CheckedMerge, checkMerge, epochOf } from "./check-merge.ts";
import type { MergeOpener, Reveal } from "./merge-opener.ts";
import {
  type AnsweredItem,
  type GroupReleaseParts,
  type RefusedItem,
  type ReleasedItem,
  releaseGroup,
} from "./release-group.ts";
import { type Question, tell } from "./stored-answer.ts";

export interface ReleaserParts extends GroupReleaseParts {
  readonly admitter: Admitter;
  readonly opener: MergeOpener;
  readonly epochs: EpochKeeper;
}

export class Releaser {
  readonly #parts: ReleaserParts;

  constructor(parts: ReleaserParts) {
    this.#parts = parts;
  }

  /**
   * @param reveal asks the gateway for the parts; called only after it has committed to the merge.
   * @throws WjfError for the fan-out as a whole; a question's own refusal is its outcome.
   */
  async release(commit: ReleaseCommit, reveal: Reveal): Promise<readonly ReleaseOutcome[]> {
    const { admitter, epochs, opener } = this.#parts;
    const digested = parseDescriptor(commit.descriptor);
    const { descriptor, digest } = digested;
    const epoch = epochOf(descriptor, epochs);
    if (commit.items.length !== descriptor.items.length) {
      throw new WjfError("descriptor-invalid", "items: credentials for each");
    }
    const merge = checkMerge(commit, { digest, provinces: descriptor.provinces, epoch });
    const credentials = commit.items.map((item) => item.credentials);
    const verified = await admitter.questions(digested, credentials, epoch);
    const { sums, leaves } = await opener.open(merge, reveal);
    const refusals = refusalsByItem(merge);
    const items = descriptor.items.map((item, i): AnsweredItem | RefusedItem => {
      const question = verified[i] ?? "internal";
      if (typeof question === "string") {
        return { refused: { code: question, query_id: item.query_id, product: item.product } };
      }
      const refused = refusals.get(i) ?? [];
      return {
        question: questionOf(question),
        sealed: commit.items[i]?.sealed ?? false,
        sums: [...sums.subarray(item.slot_offset, item.slot_offset + item.slot_width)],
        answered: merge.receipts.length - refused.length,
        nodeRefusal: refused[0],
      };
    });
    sums.fill(0);
    const of = epoch.roster.provinces.length;
    const release = { items, of, descriptorDigest: digest.toString("hex"), epoch: epoch.number };
    const released = await releaseGroup({ ...release, leaves }, this.#parts);
    epochs.countReleases(epoch, released.length);
    return await Promise.all(
      released.map((outcome, i) => this.#tell(outcome, commit.items[i]?.sealed ?? false)),
    );
  }

  async #tell(outcome: ReleasedItem, sealed: boolean): Promise<ReleaseOutcome> {
    if ("refusal" in outcome) return { result: "refusal", refusal: outcome.refusal };
    const { answer, receipt, client } = outcome;
    return await tell(answer, receipt, client, sealed);
  }
}

export function questionOf({ consent, queryId, product, claimsHash }: VerifiedRequest): Question {
  return {
    queryId,
    product,
    claimsHash,
    clientId: consent.client_id,
    consentId: consent.grant_id,
    tokenIdHash: sha256Hex(consent.jti),
  };
}

/** Why provinces would not evaluate an item, by its index. */
export function refusalsByItem({ receipts }: Pick<CheckedMerge, "receipts">) {
  const refusals = receipts.flatMap((receipt) => receipt.refusals);
  const codes = Map.groupBy(refusals, ({ item }) => item);
  return new Map([...codes].map(([item, each]) => [item, each.map(({ code }) => code)]));
}
