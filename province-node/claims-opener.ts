// Opens sealed claims, and knows what that costs: it is done only for people who are held here (DESIGN §1), so a reply
// about anybody else has to take as long without it.
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Random } from "../core/random.ts";
import { openJson, sealJson } from "../crypto/index.ts";
import { ObservedCost, type PendingReply } from "./reply-quantum.ts";

const TRIALS = 16;
const TYP = "weijifen-claims+jwe";
/** Up to so many questions in a fan-out, a reply is quick enough for a fraction of a millisecond to be seen in it. */
const FEW_QUESTIONS = 4;

export class ClaimsOpener {
  readonly #groupKey: KeyObject;
  readonly #cost: ObservedCost;
  readonly #decoy: string;

  private constructor(groupKey: KeyObject, decoy: string, random: Random) {
    this.#groupKey = groupKey;
    this.#decoy = decoy;
    this.#cost = new ObservedCost(random);
  }

  /** Opens a few claims of its own, so that the cost is known before the first question. */
  static async create(groupKey: KeyObject, random: Random): Promise<ClaimsOpener> {
    const decoy = await sealJson({ checks: [] }, createPublicKey(groupKey), { typ: TYP });
    const opener = new ClaimsOpener(groupKey, decoy, random);
    for (let i = 0; i < TRIALS; i++) await opener.open(decoy);
    return opener;
  }

  /**
   * In place of opening the claims about somebody who is not held. Among few questions a decoy is opened, which is the
   * same work; among many only its time is counted, since 31 provinces opening decoys would be most of a busy
   * federation's work.
   */
  async spare(pending: PendingReply, questions: number): Promise<unknown> {
    if (questions <= FEW_QUESTIONS) return await this.open(this.#decoy);
    pending.owe(this.#cost.drawMs());
    return undefined;
  }

  /** Undefined without claims. Unreadable ones are null: a fault that only the sum tells (slot `fault`). */
  async open(sealed: string | undefined): Promise<unknown> {
    if (sealed === undefined) return undefined;
    return await this.#cost.measure(async () => {
      try {
        return await openJson(sealed, this.#groupKey, "claims-invalid");
      } catch {
        return null;
      }
    });
  }
}
