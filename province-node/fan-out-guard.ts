// Whether this node may answer a fan-out at all: it is of an epoch in force under the roster this node knows, this province
// takes part beside enough others, and it was never answered before, because its digest is the masks' nonce.
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { requireQuorum } from "../crypto/index.ts";
import type { EpochView, FederationView } from "../consent/verifier.ts";

/** What every descriptor says, of one fan-out's questions or of a batch's. */
export interface FanOutHead {
  readonly epoch: number;
  readonly roster_digest: string;
  readonly provinces: readonly ProvinceCode[];
}

/** Twice the releases of one epoch. */
const MAX_REMEMBERED = 131_072;

export class FanOutGuard {
  readonly #province: ProvinceCode;
  readonly #view: FederationView;
  readonly #answered = new Set<string>();

  constructor(province: ProvinceCode, view: FederationView) {
    this.#province = province;
    this.#view = view;
  }

  /** @throws WjfError `epoch-unknown`, `descriptor-invalid`. */
  requireMember({ epoch: number, roster_digest, provinces }: FanOutHead): EpochView {
    const epoch = this.#view.epoch(number);
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

  /** D is a nonce: a second vector under the same masks would give their difference away. */
  requireFresh(digest: Buffer): void {
    const key = digest.toString("base64");
    if (this.#answered.has(key)) throw new WjfError("descriptor-invalid", "answered before");
    this.#answered.add(key);
    if (this.#answered.size > MAX_REMEMBERED) {
      const [oldest] = this.#answered;
      this.#answered.delete(oldest as string);
    }
  }
}
