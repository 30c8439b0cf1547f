// Opens sealed claims, and knows what that costs: it is done only for people who are held here (DESIGN §1), so a reply
// about anybody else has to take as long without it.
import { createPublicKey, type KeyObject } from "node:crypto";
import { openJson, sealJson } from "../crypto/index.ts";
import { ObservedCost, type PendingReply } from "./reply-quantum.ts";

/** The first ones compile what they run, and cost several times as much. */
const WARM_UPS = 16;
const TRIALS = 15;
const TYP = "weijifen-claims+jwe";
/** Up to so many questions in a fan-out, a reply is quick enough for a fraction of a millisecond to be seen in it. */
const FEW_QUESTIONS = 4;

export class ClaimsOpener {
  readonly #groupKey: KeyObject;
  readonly #decoy: string;
  readonly #cost: ObservedCost;

  private constructor(groupKey: KeyObject, decoy: string, cost: ObservedCost) {
    this.#groupKey = groupKey;
    this.#decoy = decoy;
    this.#cost = cost;
  }

  /** Opens a few claims of its own, so that the cost is known before the first question. */
  static async create(groupKey: KeyObject, cost = new ObservedCost()): Promise<ClaimsOpener> {
    const decoy = await sealJson({ checks: [] }, createPublicKey(groupKey), { typ: TYP });
    const opener = new ClaimsOpener(groupKey, decoy, cost);
    for (let i = 0; i < WARM_UPS; i++) await opener.#open(decoy);
    for (let i = 0; i < TRIALS; i++) await opener.open(decoy, 1);
    return opener;
  }

  /**
   * In place of opening the claims about somebody who is not held. Among few questions a decoy is opened, which is the
   * same work; among many only its time is counted, since 31 provinces opening decoys would be most of a busy
   * federation's work.
   */
  async spare(pending: PendingReply, questions: number): Promise<unknown> {
    if (questions <= FEW_QUESTIONS) return await this.open(this.#decoy, questions);
    pending.owe(this.#cost.typicalMs);
    return undefined;
  }

  /**
   * Undefined without claims. Unreadable ones are null: a fault that only the sum tells (slot `fault`).
   * @param questions of the fan-out. What the process does for others of them while one is opened is not that one's cost, so
   * only what a question alone costs is learnt from.
   */
  async open(sealed: string | undefined, questions: number): Promise<unknown> {
    if (sealed === undefined) return undefined;
    if (questions > 1) return await this.#open(sealed);
    return await this.#cost.measure(async () => await this.#open(sealed));
  }

  async #open(sealed: string): Promise<unknown> {
    try {
      return await openJson(sealed, this.#groupKey, "claims-invalid");
    } catch {
      return null;
    }
  }
}
