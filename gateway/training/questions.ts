// Questions under way, by job: one of each job at a time, and few in all. Each is a stream of the one channel to the authority, which
// everything else that the gateway asks of it goes through too.
import { setTimeout as delay } from "node:timers/promises";
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";

/** A question that takes longer is asked again: nobody holds a silent connection for minutes. */
const ANSWER_WITHIN_MS = 15_000;
const MOST_ASKED = 16;

interface Asked {
  readonly hash: string;
  readonly told: Promise<string>;
}

export class Questions {
  readonly #asked = new Map<string, Asked>();

  /**
   * The same bytes sent again wait for the same answer.
   * @returns undefined when it takes longer than a request may.
   * @throws WjfError `overloaded` while another question about the job is under way, or too many about others.
   */
  async ask(
    jobId: string,
    body: Uint8Array,
    ask: () => Promise<string>,
  ): Promise<string | undefined> {
    const hash = sha256Hex(body);
    const known = this.#asked.get(jobId);
    if (known !== undefined && known.hash !== hash) {
      throw new WjfError("overloaded", "another question about this training job is under way");
    }
    const told = known?.told ?? this.#begin(jobId, hash, ask);
    const late = new AbortController();
    const tooLong = delay(ANSWER_WITHIN_MS, undefined, { signal: late.signal }).catch(
      () => undefined,
    );
    try {
      return await Promise.race([told, tooLong]);
    } finally {
      late.abort();
    }
  }

  #begin(jobId: string, hash: string, ask: () => Promise<string>): Promise<string> {
    if (this.#asked.size >= MOST_ASKED) throw new WjfError("overloaded", "training questions");
    const told = ask();
    this.#asked.set(jobId, { hash, told });
    const forget = (): boolean => this.#asked.delete(jobId);
    told.then(forget, forget);
    return told;
  }
}
