// Admits evaluations of watches: the request that created each is verified again, its schedule must name the moment, and its
// consent must hold now; then they are rows of a manifest as any others. docs/decisions/071-watches.md.
import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { sha256Hex } from "../../core/canonical.ts";
import { nowSeconds } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { requireProduct } from "../../catalogue/index.ts";
import type { AdmitBatchReply, AdmitWatchesRequest } from "../../proto/index.ts";
import type { Epoch } from "../epochs.ts";
import { requestRules } from "../federation-view.ts";
import type { RequestRules } from "../signed-request.ts";
import { SlotPacker } from "../slot-layout.ts";
import { requireNotSuspended } from "../release/suspension.ts";
import {
  evaluationIdOf,
  requireDue,
  type StandingWatch,
  verifyWatch,
  WATCHES_PATH,
} from "../watch-request.ts";
import type { BatchAdmitterParts } from "./batch-admitter.ts";
import type { CheckedRow, RefusedRow } from "./row-check.ts";
import { RequestChecker } from "./request-checker.ts";
import { settleRows } from "./settle-rows.ts";
import { tellRows } from "./told-rows.ts";
import { TokenChecker } from "./token-checker.ts";
import { AIMED_CIPHERTEXTS, placed, writeManifest } from "./write-manifest.ts";

const IN_ONE_GO = 64;

type Due = AdmitWatchesRequest["watches"][number];

export class WatchAdmitter {
  readonly #parts: BatchAdmitterParts;

  constructor(parts: BatchAdmitterParts) {
    this.#parts = parts;
  }

  /**
   * Takes as many, from the first, as one fan-out carries; the reply says how many.
   * @throws WjfError `gateway-suspended`; a watch's own fault settles it.
   */
  async admit({ watches }: AdmitWatchesRequest): Promise<AdmitBatchReply> {
    const { epochs, catalogue, clock, db } = this.#parts;
    const epoch = epochs.current();
    await requireNotSuspended(db, epoch);
    const read = await this.#open(watches, epoch);
    // Sealed or not, as the first says: one manifest is one or the other.
    const sealed = read.find((one) => "body" in one)?.body.sealed ?? false;
    const packer = new SlotPacker(catalogue);
    const rows: (CheckedRow | RefusedRow)[] = [];
    for (const [i, one] of read.entries()) {
      const row = this.#check(one, { row: i, due: (watches[i] as Due).due, sealed });
      const kept = "question" in row ? placed(row, packer) : row;
      if (i > 0 && packer.ciphertexts > AIMED_CIPHERTEXTS) break;
      rows.push(kept);
    }
    const { issuer, audience } = epoch.roster;
    const tokens = new TokenChecker({ issuer, audience, tokenKeys: epoch.tokenKeys }, clock);
    const { settled, open } = await settleRows(rows, { sealed, tokens }, this.#parts);
    const told = await tellRows(settled, sealed);
    return {
      settled: [...told.rows],
      checkpoint: told.checkpoint,
      blocks: rows.length,
      ...writeManifest(open, { batchId: randomUUID(), sealed }, epoch, this.#parts),
    };
  }

  async #open(watches: readonly Due[], epoch: Epoch): Promise<(StandingWatch | WjfError)[]> {
    const { catalogue, clock } = this.#parts;
    const checker = new RequestChecker(watchRules(epoch, catalogue), clock);
    const opened: (StandingWatch | WjfError)[] = [];
    for (const [i, { credentials }] of watches.entries()) {
      // Some are verified in one go; whoever else waits for this process comes in between.
      if (i % IN_ONE_GO === 0) await turn();
      try {
        opened.push(verifyWatch(credentials, checker));
      } catch (error) {
        if (!(error instanceof WjfError)) throw error;
        opened.push(error);
      }
    }
    return opened;
  }

  #check(
    watch: StandingWatch | WjfError,
    { row, due, sealed }: { readonly row: number; readonly due: number; readonly sealed: boolean },
  ): CheckedRow | RefusedRow {
    if (watch instanceof WjfError) return { row, refusal: watch.code };
    const { id, consent, body, claimsHash, tokenHash } = watch;
    const { product, conditions } = body;
    const queryId = evaluationIdOf(consent.client_id, id, due);
    const parties = { clientId: consent.client_id, consentId: consent.grant_id };
    try {
      if (requireProduct(this.#parts.catalogue, product).rule.type !== "watch") {
        throw new WjfError("product-unknown", "not a product to watch");
      }
      requireDue(watch, due, nowSeconds(this.#parts.clock));
      if (body.sealed !== sealed) throw new WjfError("request-malformed", "sealed: not as others");
    } catch (error) {
      if (!(error instanceof WjfError)) throw error;
      return { row, refusal: error.code, queryId, product, ...parties };
    }
    const tokenIdHash = sha256Hex(consent.jti);
    return {
      row,
      question: { queryId, product, claimsHash, ...parties, tokenIdHash },
      consent,
      tokenHash,
      watch: { id, due, conditions },
    };
  }
}

function watchRules(epoch: Epoch, catalogue: BatchAdmitterParts["catalogue"]): RequestRules {
  // However old: the request stands until its consent, or its own expiry, ends it.
  return requestRules(epoch, catalogue, Number.POSITIVE_INFINITY, WATCHES_PATH);
}
