// How watches stood at their last evaluations, sealed at rest: what hysteresis compares with. It is kept here because the
// authority, which has decrypted it all once, learns nothing from it: a gateway that kept it would know the states between
// two changes, a node would know that it holds the person. Read and written in the release's own transaction.
import { z } from "zod";
import { type ConditionState, FIRST_STATE } from "../../catalogue/index.ts";
import { chunks } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { AtRest } from "../at-rest.ts";
import type { AuthorityTx } from "../ledger.ts";
import type { ManifestWatch } from "../manifest.ts";
import type { WatchStateTable } from "./schema.ts";
import { type Question, questionDigest } from "./stored-answer.ts";

const SEAL_LABEL = "watch.states";

const States = z.array(z.enum(["crossed", "back", "crossed?", "back?"]));

export class WatchStates {
  readonly #atRest: AtRest;
  readonly #rows: Map<string, WatchStateTable>;
  readonly #changed = new Set<string>();

  private constructor(atRest: AtRest, rows: Map<string, WatchStateTable>) {
    this.#atRest = atRest;
    this.#rows = rows;
  }

  static async read(tx: AuthorityTx, ids: readonly string[], atRest: AtRest): Promise<WatchStates> {
    const rows = new Map<string, WatchStateTable>();
    for (const chunk of chunks([...new Set(ids)])) {
      const found = await tx
        .selectFrom("watch_state")
        .selectAll()
        .where("watch_id", "in", chunk)
        .execute();
      for (const row of found) rows.set(row.watch_id, row);
    }
    return new WatchStates(atRest, rows);
  }

  /**
   * One state per condition, before this evaluation.
   * @throws WjfError `query-conflict` for another watch's id; `watch-not-due` when a later moment was evaluated.
   */
  before({ id, due, conditions }: ManifestWatch, question: Question): readonly ConditionState[] {
    const row = this.#rows.get(id);
    if (row === undefined) return Array.from({ length: conditions }, () => FIRST_STATE);
    if (row.question !== questionDigest(question)) throw new WjfError("query-conflict");
    if (row.due >= due) throw new WjfError("watch-not-due", "a later moment was evaluated");
    const text = this.#atRest.open(SEAL_LABEL, row.states_sealed).toString("utf8");
    const kept = parseJsonWith(States, text, "internal", "watch states");
    return Array.from({ length: conditions }, (_, i) => kept[i] ?? FIRST_STATE);
  }

  set({ id, due }: ManifestWatch, question: Question, states: readonly ConditionState[]): void {
    this.#rows.set(id, {
      watch_id: id,
      question: questionDigest(question),
      consent_id: question.consentId,
      due,
      states_sealed: this.#atRest.seal(SEAL_LABEL, JSON.stringify(states)),
    });
    this.#changed.add(id);
  }

  async write(tx: AuthorityTx): Promise<void> {
    const rows = [...this.#changed].map((id) => this.#rows.get(id) as WatchStateTable);
    for (const chunk of chunks(rows)) {
      await tx
        .insertInto("watch_state")
        .values(chunk)
        .onConflict((conflict) =>
          conflict.column("watch_id").doUpdateSet((eb) => ({
            due: eb.ref("excluded.due"),
            states_sealed: eb.ref("excluded.states_sealed"),
          })),
        )
        .execute();
    }
  }
}
