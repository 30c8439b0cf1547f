// Opens sealed claims, and knows what that costs: it is done only for people who are held here (DESIGN §1), so a reply
// about anybody else has to take as long without it.
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Random } from "../core/random.ts";
import { openJson, sealJson } from "../crypto/index.ts";
import { ObservedCost } from "./reply-quantum.ts";

const TRIALS = 16;
const TYP = "weijifen-claims+jwe";

export class ClaimsOpener {
  readonly #groupKey: KeyObject;
  readonly #cost: ObservedCost;

  private constructor(groupKey: KeyObject, random: Random) {
    this.#groupKey = groupKey;
    this.#cost = new ObservedCost(random);
  }

  /** Opens a few claims of its own, so that the cost is known before the first question. */
  static async create(groupKey: KeyObject, random: Random): Promise<ClaimsOpener> {
    const opener = new ClaimsOpener(groupKey, random);
    const sealed = await sealJson({ checks: [] }, createPublicKey(groupKey), { typ: TYP });
    for (let i = 0; i < TRIALS; i++) await opener.open(sealed);
    return opener;
  }

  /** What one opening that is not done would have taken, in milliseconds. */
  sparedMs(): number {
    return this.#cost.drawMs();
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
