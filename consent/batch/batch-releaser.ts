// Releases the rows of a manifest: the authority's own signature brings back what it found when it admitted them, the merge
// is checked, audited and decrypted as any other, and one transaction decides and stores them all. release/ does the work.
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Catalogue } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { ProductRef } from "../../core/ids.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { BatchCommit, BatchOutcomes } from "../../proto/index.ts";
import type { EpochKeeper } from "../epochs.ts";
import {
  type BatchDescriptor,
  type BatchManifest,
  ManifestItems,
  openManifest,
  parseBatchDescriptor,
  productsOf,
} from "../manifest.ts";
import { checkMerge, epochOf } from "../release/check-merge.ts";
import type { MergeOpener, Reveal } from "../release/merge-opener.ts";
import {
  type AnsweredItem,
  type GroupReleaseParts,
  releaseGroup,
} from "../release/release-group.ts";
import { refusalsByItem } from "../release/releaser.ts";
import { layOut, SlotPacker } from "../slot-layout.ts";
import { tellRows } from "./told-rows.ts";

export interface BatchReleaserParts extends GroupReleaseParts {
  readonly opener: MergeOpener;
  readonly epochs: EpochKeeper;
  readonly catalogue: Catalogue;
  readonly admissionKey: KeyObject;
}

interface Admitted {
  readonly manifest: BatchManifest;
  readonly products: readonly ProductRef[];
  readonly list: ManifestItems;
}

export class BatchReleaser {
  readonly #parts: BatchReleaserParts;
  readonly #manifestKey: KeyObject;

  constructor(parts: BatchReleaserParts) {
    this.#parts = parts;
    this.#manifestKey = createPublicKey(parts.admissionKey);
  }

  /** @throws WjfError for the fan-out as a whole; a row's own refusal is its outcome. */
  async release(commit: BatchCommit, reveal: Reveal): Promise<BatchOutcomes> {
    const { epochs, opener } = this.#parts;
    const { descriptor, digest } = parseBatchDescriptor(commit.descriptor);
    const epoch = epochOf(descriptor, epochs);
    const admitted = this.#open(commit, descriptor);
    const merge = checkMerge(commit, { digest, provinces: descriptor.provinces, epoch });
    const { sums, leaves } = await opener.open(merge, reveal);
    const items = this.#items(admitted, sums, merge.receipts.length, refusalsByItem(merge));
    sums.fill(0);
    const of = epoch.roster.provinces.length;
    const about = { of, descriptorDigest: digest.toString("hex"), epoch: epoch.number };
    const released = await releaseGroup({ items, leaves, ...about }, this.#parts);
    epochs.countReleases(epoch, released.length);
    const rows = released.map((outcome, row) => ({ ...outcome, row }));
    const told = await tellRows(rows, admitted.list.sealed);
    return { rows: [...told.rows], checkpoint: told.checkpoint };
  }

  /** @throws WjfError `receipt-invalid` unless this authority signed the manifest, and the list is its. */
  #open({ manifest: signed, items }: BatchCommit, descriptor: BatchDescriptor): Admitted {
    if (sha256Hex(signed.statement) !== descriptor.manifest) {
      throw new WjfError("descriptor-invalid", "manifest: another one");
    }
    const manifest = openManifest(signed, this.#manifestKey);
    if (manifest.roster_digest !== descriptor.roster_digest) {
      throw new WjfError("epoch-unknown", "manifest: of another roster");
    }
    if (sha256Hex(items) !== manifest.items_sha256) {
      throw new WjfError("receipt-invalid", "items: not the manifest's");
    }
    const list = parseJsonWith(ManifestItems, items.toString("utf8"), "receipt-invalid", "items");
    return { manifest, products: productsOf(manifest), list };
  }

  #items(
    { products, list }: Admitted,
    sums: Uint32Array,
    answering: number,
    refusals: ReturnType<typeof refusalsByItem>,
  ): AnsweredItem[] {
    const { catalogue } = this.#parts;
    const { offsets, slotsUsed } = layOut(products, catalogue);
    if (slotsUsed > sums.length) throw new WjfError("ciphertext-invalid", "merged: too few");
    const packer = new SlotPacker(catalogue);
    return list.items.map((item, i) => {
      const product = products[i] as ProductRef;
      const offset = offsets[i] as number;
      const refused = refusals.get(i) ?? [];
      return {
        question: {
          queryId: item.query_id,
          product,
          claimsHash: item.claims_sha256,
          clientId: item.client_id,
          consentId: item.consent_id,
          tokenIdHash: item.token_id_sha256,
        },
        ...(item.watch && { watch: item.watch }),
        sealed: list.sealed,
        sums: [...sums.subarray(offset, offset + packer.width(product))],
        answered: answering - refused.length,
        nodeRefusal: refused[0],
      };
    });
  }
}
