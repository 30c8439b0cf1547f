// Admits rows of a batch: checks that the institution signed these very blocks, every row's token against live state, and
// whether it was answered before, then signs one manifest for the rows that may be asked. Keeps nothing: what the release
// needs to know again goes out with the manifest, under its signature. docs/decisions/052-batches.md.
import { setImmediate as turn } from "node:timers/promises";
import { WjfError } from "../../core/errors.ts";
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
import { SlotPacker } from "../slot-layout.ts";
import { requireNotSuspended } from "../release/suspension.ts";
import { type CheckedRow, checkRow, type RefusedRow, type RowRules } from "./row-check.ts";
import { settleRows, type SettleRowsParts } from "./settle-rows.ts";
import { tellRows } from "./told-rows.ts";
import { TokenChecker } from "./token-checker.ts";
import { AIMED_CIPHERTEXTS, type ManifestParts, placed, writeManifest } from "./write-manifest.ts";

export interface BatchAdmitterParts extends SettleRowsParts, ManifestParts {
  readonly epochs: EpochKeeper;
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
    const { settled, open } = await settleRows(
      rows,
      { ...rules, sealed: proof.sealed },
      this.#parts,
    );
    const told = await tellRows(settled, proof.sealed);
    const { rows: settledRows, checkpoint } = told;
    const reply = { settled: [...settledRows], checkpoint, blocks: taken };
    const about = { batchId, sealed: proof.sealed };
    return { ...reply, ...writeManifest(open, about, epoch, this.#parts) };
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
}
