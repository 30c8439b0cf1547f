// Admits rows of a batch: checks that the institution signed these very blocks, every row's token against live state, and
// whether it was answered before, then signs one manifest for the rows that may be asked. Keeps nothing: what the release
// needs to know again goes out with the manifest, under its signature. docs/decisions/052-batches.md.
import { type KeyObject, randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Catalogue } from "../../catalogue/index.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { openSubject, signStatement } from "../../crypto/index.ts";
import type { AdmitBatchReply, AdmitBatchRequest } from "../../proto/index.ts";
import { BATCH_LIFETIME_S, verifyBatchProof } from "../batch-proof.ts";
import {
  batchIdOf,
  BLOCK_ROWS,
  requireSignedBlock,
  rowsInBlock,
  splitBlock,
} from "../batch-rows.ts";
import type { Epoch, EpochKeeper } from "../epochs.ts";
import {
  type BatchManifest,
  claimsDigest,
  type ManifestItems,
  runsOf,
  sealSubjects,
} from "../manifest.ts";
import { layOut, MAX_CIPHERTEXTS, SlotPacker } from "../slot-layout.ts";
import { requireNotSuspended } from "../release/suspension.ts";
import { type CheckedRow, checkRow, type RefusedRow, type RowRules } from "./row-check.ts";
import { settleRows, type SettleRowsParts } from "./settle-rows.ts";
import { tellRows } from "./told-rows.ts";
import { TokenChecker } from "./token-checker.ts";

/** Blocks are taken into one manifest until their rows fill this many ciphertexts. */
const AIMED_CIPHERTEXTS = 6;
/** The life of a status list, as an admission (decision 050). */
const MANIFEST_LIFETIME_S = 60;

export interface BatchAdmitterParts extends SettleRowsParts {
  readonly epochs: EpochKeeper;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly random: Random;
  readonly admissionKey: KeyObject;
  readonly subjectMasterKey: Buffer;
}

interface Taken {
  readonly rows: readonly (CheckedRow | RefusedRow)[];
  readonly blocks: number;
}

export class BatchAdmitter {
  readonly #parts: BatchAdmitterParts;
  #checker: { readonly epoch: number; readonly tokens: TokenChecker } | undefined;

  constructor(parts: BatchAdmitterParts) {
    this.#parts = parts;
  }

  /**
   * Takes as many of the blocks, from the first, as one fan-out carries; the reply says how many.
   * @throws WjfError `dpop-*` when the blocks are not what was signed, `gateway-suspended`; a row's own fault settles it.
   */
  async admit({ proof: jws, blocks }: AdmitBatchRequest): Promise<AdmitBatchReply> {
    const { epochs, catalogue, clock, db } = this.#parts;
    const epoch = epochs.current();
    await requireNotSuspended(db, epoch);
    const proof = await verifyBatchProof(jws, epoch.roster.audience, clock, BATCH_LIFETIME_S);
    for (const block of blocks) requireSignedBlock(block, proof);
    const batchId = batchIdOf(jws);
    const rules = { proof, batchId, tokens: this.#tokens(epoch), catalogue };
    const { rows, blocks: taken } = await this.#check(blocks, rules);
    const { settled, open } = await settleRows(rows, rules, this.#parts);
    const told = await tellRows(settled, proof.sealed);
    const { rows: settledRows, checkpoint } = told;
    const reply = { settled: [...settledRows], checkpoint, blocks: taken };
    if (open.length === 0) {
      return { ...reply, subjects: Buffer.alloc(0), items: Buffer.alloc(0) };
    }
    return { ...reply, ...this.#manifest(open, { batchId, sealed: proof.sealed }, epoch) };
  }

  #tokens(epoch: Epoch): TokenChecker {
    if (this.#checker?.epoch === epoch.number) return this.#checker.tokens;
    const { issuer, audience } = epoch.roster;
    const tokens = new TokenChecker(
      { issuer, audience, tokenKeys: epoch.tokenKeys },
      this.#parts.clock,
    );
    this.#checker = { epoch: epoch.number, tokens };
    return tokens;
  }

  async #check(blocks: AdmitBatchRequest["blocks"], rules: RowRules): Promise<Taken> {
    const packer = new SlotPacker(rules.catalogue);
    const rows: (CheckedRow | RefusedRow)[] = [];
    let taken = 0;
    for (const block of blocks) {
      const lines = splitBlock(block.lines);
      if (lines.length !== rowsInBlock(block.index, rules.proof.rows)) {
        throw new WjfError("request-malformed", `block ${block.index}: number of lines`);
      }
      const first = block.index * BLOCK_ROWS + 1;
      const checked = lines.map((line, i) => {
        const row = checkRow(line, rows.length + i, first + i, rules);
        return "question" in row ? placed(row, packer) : row;
      });
      if (taken > 0 && packer.ciphertexts > AIMED_CIPHERTEXTS) break;
      rows.push(...checked);
      taken++;
      // The rows of one block are verified in one go; whoever else waits for this process comes in between.
      await turn();
    }
    return { rows, blocks: taken };
  }

  #manifest(
    open: readonly CheckedRow[],
    { batchId, sealed }: { readonly batchId: string; readonly sealed: boolean },
    epoch: Epoch,
  ): Pick<AdmitBatchReply, "manifest" | "subjects" | "items"> {
    const { catalogue, clock, random, admissionKey, subjectMasterKey } = this.#parts;
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
}

/** A row for which there is no room in the largest fan-out asks for a product that is too wide for batches. */
function placed(row: CheckedRow, packer: SlotPacker): CheckedRow | RefusedRow {
  packer.place(row.question.product);
  if (packer.ciphertexts <= MAX_CIPHERTEXTS) return row;
  const { queryId, product, clientId, consentId } = row.question;
  return { row: row.row, refusal: "body-too-large", queryId, product, clientId, consentId };
}

function itemsOf(open: readonly CheckedRow[], sealed: boolean): ManifestItems {
  return {
    sealed,
    items: open.map(({ question, tokenHash }) => ({
      query_id: question.queryId,
      client_id: question.clientId,
      consent_id: question.consentId,
      token_sha256: tokenHash,
      token_id_sha256: question.tokenIdHash,
      claims_sha256: question.claimsHash,
    })),
  };
}
