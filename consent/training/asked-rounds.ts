// Which rounds a question takes. A province answers each round once and repeats it to the letter: a question that failed half-way goes
// on under its own rounds, another one in its place begins after all that may have been used. docs/decisions/070.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { AuthorityDb } from "../ledger.ts";
import type { TrainingJobTable } from "./schema.ts";

export interface AskedRounds {
  /** Of the question's first order. */
  readonly first: number;
  /** Durable before the order for the round leaves. @throws WjfError `training-ended` when the job went on, or ended, meanwhile. */
  note(round: number): Promise<void>;
}

/** @param question all that the requests to the provinces follow from. */
export function askedRounds(
  row: Pick<
    TrainingJobTable,
    "id" | "steps" | "rounds" | "asked_sha256" | "asked_first" | "asked_last"
  >,
  question: unknown,
  db: AuthorityDb,
): AskedRounds {
  const asked_sha256 = sha256Hex(canonicalJson(question));
  const isAgain = row.asked_sha256 === asked_sha256;
  const first = isAgain ? row.asked_first : Math.max(row.rounds, row.asked_last) + 1;
  let last = isAgain ? row.asked_last : first - 1;
  return {
    first,
    async note(round) {
      if (round <= last) return;
      const noted = await db
        .updateTable("training_job")
        .set({ asked_sha256, asked_first: first, asked_last: round })
        .where("id", "=", row.id)
        .where("state", "=", "open")
        .where("steps", "=", row.steps)
        .executeTakeFirst();
      if (noted.numUpdatedRows !== 1n) throw new WjfError("training-ended");
      last = round;
    },
  };
}
