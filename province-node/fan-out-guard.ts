// Whether this node may answer a fan-out at all: it is of an epoch in force under the roster this node knows, this province
// takes part beside enough others, and nothing was ever answered under its masks, whose nonce is the start of its digest. One guard
// stands before everything of this process that answers under a roster's masks. It forgets nothing that it could be asked
// again; where it can remember no more it refuses. A restart does make it forget: docs/THREAT-MODEL.md.
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import { maskNonce, requireQuorum } from "../crypto/index.ts";
import type { EpochView, FederationView } from "../consent/verifier.ts";

/** What every descriptor says, of one fan-out's questions or of a batch's. */
export interface FanOutHead {
  readonly epoch: number;
  readonly roster_digest: string;
  readonly provinces: readonly ProvinceCode[];
}

/**
 * Fan-outs of one epoch: twice as many as the authority counts before it opens the next, in all its replicas and over their
 * restarts (consent/epoch-use.ts), because fan-outs go on under the old epoch until the next is known. What an honest gateway
 * asks it counts, second rounds included; what else comes here is junk.
 */
export const MAX_FAN_OUTS = 131_072;

/**
 * Epochs that are answered. An epoch used up by count is in force for a day, and busy authorities open many: two
 * overlap, and one more while the oldest is still asked about.
 */
const EPOCHS_KEPT = 3;

interface GuardParts {
  readonly view: Pick<FederationView, "epoch" | "inForce">;
  readonly log: Pick<Logger, "error">;
  /** Most fan-outs of one epoch; default `MAX_FAN_OUTS`. */
  readonly maxFanOuts?: number;
}

export class FanOutGuard {
  readonly #province: ProvinceCode;
  readonly #parts: GuardParts;
  /** By epoch, 12 bytes in a string: 52 bytes of memory each, 6.8 MB for a full epoch. */
  readonly #answered = new Map<number, Set<string>>();
  /** Epochs up to this one are not answered any more, whatever clock and authority say of them later. */
  #forgotten = 0;

  constructor(province: ProvinceCode, parts: GuardParts) {
    this.#province = province;
    this.#parts = parts;
  }

  /** @throws WjfError `epoch-unknown`, `descriptor-invalid`. */
  requireMember({ epoch: number, roster_digest, provinces }: FanOutHead): EpochView {
    const epoch = this.#parts.view.epoch(number);
    if (roster_digest !== epoch.rosterDigest.toString("hex")) {
      throw new WjfError("epoch-unknown", "roster digest");
    }
    const roster = new Set(epoch.roster.provinces.map(({ code }) => code));
    if (!provinces.every((code) => roster.has(code))) {
      throw new WjfError("descriptor-invalid", "provinces: not all in the roster");
    }
    if (!provinces.includes(this.#province)) {
      throw new WjfError("descriptor-invalid", "provinces: this one");
    }
    requireQuorum(epoch.roster, provinces);
    return epoch;
  }

  /**
   * Remembers the masks' nonce, and not D: a second vector under the same masks would give their difference away, and a gateway
   * can look for two descriptors whose digests begin with the same 96 bits (2⁴⁸ attempts).
   * @param epoch as `requireMember` found it.
   * @throws WjfError `descriptor-invalid` when answered before; `epoch-unknown` when the epoch is too old, or has had
   * as many fan-outs as can be remembered: to forget one for another would let junk make room for a repetition.
   */
  requireFresh(digest: Buffer, { roster: { epoch } }: Pick<EpochView, "roster">): void {
    const answered = this.#answeredOf(epoch);
    const nonce = maskNonce(digest).toString("latin1");
    if (answered.has(nonce)) throw new WjfError("descriptor-invalid", "answered before");
    if (answered.size >= this.maxFanOuts) throw new WjfError("epoch-unknown", "used up here");
    answered.add(nonce);
    if (answered.size < this.maxFanOuts) return;
    this.#parts.log.error({ epoch }, "the epoch's fan-outs are used up; refusing until the next");
  }

  get maxFanOuts(): number {
    return this.#parts.maxFanOuts ?? MAX_FAN_OUTS;
  }

  /** Remembered under the newest epoch that was asked about. */
  get fanOuts(): number {
    return this.#answered.get(Math.max(...this.#answered.keys()))?.size ?? 0;
  }

  #answeredOf(epoch: number): Set<string> {
    if (!this.#answered.has(epoch) && epoch > this.#forgotten) {
      this.#answered.set(epoch, new Set());
      this.#forgetOld();
    }
    const answered = this.#answered.get(epoch);
    if (answered === undefined) throw new WjfError("epoch-unknown", "a newer one is in use");
    return answered;
  }

  #forgetOld(): void {
    const inForce = this.#parts.view.inForce().map(({ roster }) => roster.epoch);
    const [oldest = 0] = [...this.#answered.keys()].toSorted((a, b) => a - b).slice(-EPOCHS_KEPT);
    for (const epoch of this.#answered.keys()) {
      if (epoch >= oldest && inForce.includes(epoch)) continue;
      this.#answered.delete(epoch);
      this.#forgotten = Math.max(this.#forgotten, epoch);
    }
  }
}
