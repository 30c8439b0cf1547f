// Writes the manifest of rows that may be asked: what the nodes get, signed once, and the authority's own list of what it
// found, which comes back with the merge. Rows of a batch and evaluations of watches alike. docs/decisions/052-batches.md.
import { type KeyObject, randomUUID } from "node:crypto";
import type { Catalogue } from "../../catalogue/index.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { openSubject, signStatement } from "../../crypto/index.ts";
import type { AdmitBatchReply } from "../../proto/index.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";
import {
  type BatchManifest,
  claimsDigest,
  type ManifestItems,
  runsOf,
  sealSubjects,
} from "../manifest.ts";
import { layOut, MAX_CIPHERTEXTS, type SlotPacker } from "../slot-layout.ts";
import type { CheckedRow, RefusedRow } from "./row-check.ts";

/** Rows are taken into one manifest until they fill this many ciphertexts. */
export const AIMED_CIPHERTEXTS = 6;
/** The life of a status list, as an admission (decision 050). */
const MANIFEST_LIFETIME_S = 60;
/** What a gateway may do with one manifest: ask, and ask once more without the provinces that failed. */
const FAN_OUTS = 2;

export interface ManifestParts {
  readonly epochs: Pick<EpochKeeper, "countFanOuts">;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly random: Random;
  readonly admissionKey: KeyObject;
  readonly subjectMasterKey: Buffer;
}

/** A row for which there is no room in the largest fan-out asks for a product that is too wide for batches. */
export function placed(row: CheckedRow, packer: SlotPacker): CheckedRow | RefusedRow {
  packer.place(row.question.product);
  if (packer.ciphertexts <= MAX_CIPHERTEXTS) return row;
  const { queryId, product, clientId, consentId } = row.question;
  return { row: row.row, refusal: "body-too-large", queryId, product, clientId, consentId };
}

export function writeManifest(
  open: readonly CheckedRow[],
  { batchId, sealed }: { readonly batchId: string; readonly sealed: boolean },
  epoch: Epoch,
  parts: ManifestParts,
): Pick<AdmitBatchReply, "manifest" | "subjects" | "items"> {
  if (open.length === 0) return { subjects: Buffer.alloc(0), items: Buffer.alloc(0) };
  const { catalogue, clock, random, admissionKey, subjectMasterKey } = parts;
  parts.epochs.countFanOuts(epoch, FAN_OUTS);
  const products = open.map(({ question }) => question.product);
  const manifestId = randomUUID();
  const tags = open.map(({ consent }) => openSubject(subjectMasterKey, consent.sub, consent.jti));
  const subjects = sealSubjects(subjectMasterKey, manifestId, tags, random);
  const items = Buffer.from(canonicalJson(itemsOf(open, sealed)));
  const manifest: BatchManifest = {
    manifest_id: manifestId,
    batch_id: batchId,
    epoch: epoch.number,
    roster_digest: epoch.rosterDigest.toString("hex"),
    expires_at: Math.floor(clock.nowMs() / 1000) + MANIFEST_LIFETIME_S,
    products: runsOf(products),
    slots: layOut(products, catalogue).slotsUsed,
    subjects_sha256: sha256Hex(subjects),
    items_sha256: sha256Hex(items),
    claims_sha256: claimsDigest(open.map(({ question }) => question.claimsHash)),
  };
  return { manifest: signStatement("batch-manifest", manifest, admissionKey), subjects, items };
}

function itemsOf(open: readonly CheckedRow[], sealed: boolean): ManifestItems {
  return {
    sealed,
    items: open.map(({ question, tokenHash, watch }) => ({
      query_id: question.queryId,
      client_id: question.clientId,
      consent_id: question.consentId,
      token_sha256: tokenHash,
      token_id_sha256: question.tokenIdHash,
      claims_sha256: question.claimsHash,
      ...(watch && { watch }),
    })),
  };
}
