// Leaves of refusals, in the log before a refusal is told. A question that is refused again for the same reason is the same
// refusal: it leaves no second leaf while this process remembers the first. docs/decisions/054-refusals-in-the-log.md.
import type { ConsentLedger } from "../ledger.ts";
import type { LeafDraft } from "../log/leaf.ts";

type RefusalDraft = Extract<LeafDraft, { type: "refusal" }>;

/** The newest are remembered; what was forgotten leaves another leaf. */
const REMEMBERED = 16_384;

export class RefusalLog {
  readonly #ledger: Pick<ConsentLedger, "log">;
  /** Oldest first. */
  readonly #logged = new Set<string>();

  constructor(ledger: Pick<ConsentLedger, "log">) {
    this.#ledger = ledger;
  }

  /** Resolves when each of them has a leaf. */
  async record(refusals: readonly RefusalDraft[]): Promise<void> {
    const fresh = new Map(refusals.map((each) => [keyOf(each), each]));
    for (const key of fresh.keys()) if (this.#logged.has(key)) fresh.delete(key);
    if (fresh.size === 0) return;
    await this.#ledger.log.append([...fresh.values()]);
    for (const key of fresh.keys()) this.#logged.add(key);
    for (const oldest of this.#logged) {
      if (this.#logged.size <= REMEMBERED) break;
      this.#logged.delete(oldest);
    }
  }
}

function keyOf({ query_id, client_id, code }: RefusalDraft): string {
  return `${query_id} ${client_id} ${code}`;
}
