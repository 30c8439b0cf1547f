// Whether this node may answer a fan-out at all: it is of an epoch in force under the roster this node knows, this province
// takes part beside enough others, and nothing was ever answered under its masks, whose nonce is the start of its digest. One guard
// stands before everything of this province that answers under a roster's masks. It forgets nothing that it could be asked again,
// restarted or not (fan-out-memory.ts); where it can remember no more it refuses.
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import { maskNonce, requireQuorum } from "../crypto/index.ts";
import type { EpochView, FederationView } from "../consent/verifier.ts";
import type { AnsweredRoster, FanOutMemory } from "./fan-out-memory.ts";

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
  readonly memory: FanOutMemory;
  readonly log: Pick<Logger, "error">;
  /** Most fan-outs of one epoch; default `MAX_FAN_OUTS`. */
  readonly maxFanOuts?: number;
}

export class FanOutGuard {
  readonly #province: ProvinceCode;
  readonly #parts: GuardParts;

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
   * can look for two descriptors whose digests begin with the same 96 bits (2⁴⁸ attempts). It is on the disk when this returns.
   * @param epoch as `requireMember` found it.
   * @throws WjfError `descriptor-invalid` when answered before; `epoch-unknown` when the epoch is too old, or has had
   * as many fan-outs as can be remembered: to forget one for another would let junk make room for a repetition.
   */
  requireFresh(digest: Buffer, epoch: Pick<EpochView, "roster" | "rosterDigest">): void {
    const { memory, log } = this.#parts;
    const nonce = maskNonce(digest);
    const answered = memory.atomically(() => {
      const roster = this.#rosterOf(epoch);
      if (memory.has(roster, nonce)) throw new WjfError("descriptor-invalid", "answered before");
      const isFull = roster.fanOuts >= this.maxFanOuts;
      if (isFull) throw new WjfError("epoch-unknown", "used up here");
      memory.add(roster, nonce);
      memory.clearSome();
      return roster.fanOuts + 1;
    });
    if (answered < this.maxFanOuts) return;
    log.error(
      { epoch: epoch.roster.epoch },
      "the epoch's fan-outs are used up; refusing until the next",
    );
  }

  get maxFanOuts(): number {
    return this.#parts.maxFanOuts ?? MAX_FAN_OUTS;
  }

  /** Remembered under the newest epoch that was asked about. */
  get fanOuts(): number {
    return this.#parts.memory.live()[0]?.fanOuts ?? 0;
  }

  #rosterOf({ roster: { epoch }, rosterDigest }: Pick<EpochView, "roster" | "rosterDigest">) {
    const { memory } = this.#parts;
    const known = memory.find(rosterDigest);
    if (known?.isOver === false) return known;
    // What was over stays over, whatever clock and authority say of it later: its nonces go.
    const kept = known === undefined ? this.#keptBeside(epoch) : undefined;
    if (kept === undefined) throw new WjfError("epoch-unknown", "a newer one is in use");
    for (const other of memory.live()) {
      if (!kept.includes(other.id)) memory.forget(other);
    }
    return memory.begin(rosterDigest, epoch);
  }

  /** The rosters that are remembered on when one of this epoch is begun; undefined if it is too old to be. */
  #keptBeside(epoch: number): readonly AnsweredRoster["id"][] | undefined {
    const inForce = this.#parts.view.inForce().map(({ rosterDigest }) => rosterDigest);
    const live = this.#parts.memory
      .live()
      .filter(({ digest }) => inForce.some((each) => each.equals(digest)));
    if (live.filter((other) => other.epoch > epoch).length >= EPOCHS_KEPT) return undefined;
    return live.slice(0, EPOCHS_KEPT - 1).map(({ id }) => id);
  }
}
