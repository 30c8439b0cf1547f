// One-time codes: six digits, ten minutes, five attempts, kept only as a keyed MAC. An attempt is counted and committed
// before the code is compared, so a crash or a race cannot buy another guess (NIST SP 800-63B §5.2.2 throttling).
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { AtRest } from "../at-rest.ts";
import type { ConsentDb } from "../schema.ts";

const CODE_TTL_MS = 10 * 60_000;
const ATTEMPTS = 5;
const SENDS_PER_HOUR = 6;
const HOUR_MS = 3_600_000;

export type Verdict = "right" | "wrong" | "exhausted";

export interface ChallengeOptions {
  readonly atRest: AtRest;
  readonly clock: Clock;
  readonly random: Random;
}

export class SmsChallenges {
  readonly #atRest: AtRest;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: ChallengeOptions) {
    this.#atRest = options.atRest;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * A fresh code under `id`, replacing an earlier one; attempts already spent under the id stay spent.
   * @throws WjfError `rate-limited` when this phone has had its messages for the hour.
   */
  async issue(tx: ConsentDb, id: string, contactIndex: string): Promise<string> {
    const now = this.#clock.nowMs();
    const { sent } = await tx
      .selectFrom("sms_challenge")
      .select((eb) => eb.fn.sum<number | null>("sends").as("sent"))
      .where("contact_index", "=", contactIndex)
      .where("sent_at", ">", now - HOUR_MS)
      .executeTakeFirstOrThrow();
    if ((sent ?? 0) >= SENDS_PER_HOUR) throw new WjfError("rate-limited", "messages");
    const code = Math.floor(this.#random.unit() * 1_000_000)
      .toString()
      .padStart(6, "0");
    const fresh = {
      code_mac: this.#mac(id, code),
      sent_at: now,
      expires_at: now + CODE_TTL_MS,
    };
    await tx
      .insertInto("sms_challenge")
      .values({ id, contact_index: contactIndex, attempts_left: ATTEMPTS, sends: 1, ...fresh })
      .onConflict((conflict) =>
        conflict
          .column("id")
          .doUpdateSet((eb) => ({ ...fresh, sends: eb("sms_challenge.sends", "+", 1) })),
      )
      .execute();
    return code;
  }

  /** Counts the attempt, then compares. A right code is used up by this. Not inside a transaction of the caller's. */
  async verify(db: ConsentDb, id: string, code: string): Promise<Verdict> {
    const now = this.#clock.nowMs();
    const row = await db
      .updateTable("sms_challenge")
      .set((eb) => ({ attempts_left: eb("attempts_left", "-", 1) }))
      .where("id", "=", id)
      .where("attempts_left", ">", 0)
      .returning(["code_mac", "attempts_left", "expires_at"])
      .executeTakeFirst();
    if (row === undefined) return "exhausted";
    const right =
      row.expires_at > now && this.#atRest.matches("sms.code", `${id}\0${code}`, row.code_mac);
    if (!right) return row.attempts_left === 0 ? "exhausted" : "wrong";
    // A second use of the same code finds another MAC: only one of two racing requests gets to act on it.
    const { numUpdatedRows } = await db
      .updateTable("sms_challenge")
      .set({ code_mac: "used", expires_at: now })
      .where("id", "=", id)
      .where("code_mac", "=", row.code_mac)
      .executeTakeFirst();
    return numUpdatedRows === 1n ? "right" : "wrong";
  }

  /** Forgets what is too old to count for anything. */
  async forgetOld(db: ConsentDb): Promise<void> {
    await db
      .deleteFrom("sms_challenge")
      .where("sent_at", "<", this.#clock.nowMs() - HOUR_MS)
      .execute();
  }

  #mac(id: string, code: string): string {
    return this.#atRest.index("sms.code", `${id}\0${code}`);
  }
}
