// A person's objection to an answer about them (PIPL article 46; Credit Industry Regulation article 25): it is marked at
// once, answered within twenty days, and corrected, cleared or recorded. Every step is a leaf of the audit log. Answers
// about the person and product carry the mark while the objection is open, and from then on when it was recorded.
import type { Selectable } from "kysely";
import { chunks } from "../core/database.ts";
import { WjfError } from "../core/errors.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { AtRest } from "./at-rest.ts";
import { type AuthorityDb, type AuthorityTx, type ConsentLedger, consentTables } from "./ledger.ts";
import type { LeafDraft, Receipt } from "./log/index.ts";
import type { ObjectionTable } from "./objections-schema.ts";

const DAY_MS = 86_400_000;
export const OBJECTION_DAYS = 20;
/** Characters: in Chinese, encoded, what a form may hold (consent/approval/page-request.ts). */
export const STATEMENT_MAX = 800;

/** What the operator can find, the state that it leads to, and the log's word for it. */
export const REMEDIES = {
  /** The information was wrong and has been corrected at its source; the mark goes. */
  correct: { state: "CORRECTED", event: "upheld" },
  /** The information was right; the mark goes. */
  clear: { state: "CLEARED", event: "rejected" },
  /** It can be neither confirmed nor refuted: the person's statement stays on record, and the mark with it. */
  record: { state: "RECORDED", event: "recorded" },
} as const;
export type Remedy = keyof typeof REMEDIES;
export type ObjectionState = "OPEN" | (typeof REMEDIES)[Remedy]["state"];

/** How an answer says that the person disputes what it is about. */
export type ObjectionMark = "open" | "recorded";

export interface Objection {
  readonly id: string;
  readonly consentId: string;
  readonly clientId: string;
  readonly queryId: string;
  readonly product: string;
  readonly state: ObjectionState;
  readonly statement: string;
  /** The person asks that a person looks at what was decided on the answer. */
  readonly humanReview: boolean;
  readonly reply: string | null;
  /** Milliseconds since the epoch, here and below. */
  readonly filedAt: number;
  readonly dueAt: number;
  readonly resolvedAt: number | null;
}

export interface ObjectionParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly atRest: AtRest;
  readonly random?: Random;
}

const STATEMENT_LABEL = "objection.statement";
const REPLY_LABEL = "objection.reply";

export class Objections {
  readonly #parts: ObjectionParts;

  constructor(parts: ObjectionParts) {
    this.#parts = parts;
  }

  /**
   * Marks an answer as disputed; resolves when the leaf is durable. A second objection while one is open is the first.
   * @throws WjfError `route-unknown` unless the answer is about whoever this contact index stands for;
   *   `request-malformed` for an empty or too long statement.
   */
  async file(
    contactIndex: string,
    queryId: string,
    statement: string,
    humanReview = false,
  ): Promise<string> {
    const text = statement.trim();
    if (text === "" || text.length > STATEMENT_MAX) {
      throw new WjfError("request-malformed", "statement");
    }
    const { value } = await this.#parts.ledger.transact(async (tx, { timeMs }) => {
      const release = await disputable(tx, contactIndex, queryId);
      const open = await openObjection(tx, queryId);
      if (open !== undefined) return { value: open };
      const human_review = humanReview ? 1 : 0;
      const row = this.#row({ ...release, query_id: queryId, human_review }, text, timeMs);
      await tx.insertInto("objection").values(row).execute();
      return { value: row.id, leaves: [await this.#filedLeaf(tx, row, text)] };
    });
    return value;
  }

  #row(
    about: Pick<ObjectionTable, "consent_id" | "client_id" | "query_id" | "product"> &
      Pick<ObjectionTable, "subject_index"> & { readonly human_review: number },
    statement: string,
    nowMs: number,
  ): Selectable<ObjectionTable> {
    const { atRest, random = systemRandom } = this.#parts;
    return {
      ...about,
      id: random.bytes(12).toString("base64url"),
      statement_sealed: atRest.seal(STATEMENT_LABEL, statement),
      state: "OPEN",
      filed_at: nowMs,
      due_at: nowMs + OBJECTION_DAYS * DAY_MS,
      resolved_at: null,
      reply_sealed: null,
    };
  }

  async #filedLeaf(
    tx: AuthorityTx,
    row: Selectable<ObjectionTable>,
    text: string,
  ): Promise<LeafDraft> {
    const said = { statement: text, human_review: row.human_review === 1 };
    const statement = await this.#parts.ledger.log.commit(tx, said);
    // Erased together with the consent that the answer was given under.
    await consentTables(tx)
      .insertInto("consent_commitment")
      .values({ commitment: statement, consent_id: row.consent_id })
      .execute();
    return { ...leafOf(row, "filed"), statement };
  }

  /**
   * The operator's finding; `reply` is what the person is told. Resolves when the leaf is durable.
   * @throws WjfError `objection-unknown`, `objection-resolved`.
   */
  async resolve(id: string, remedy: Remedy, reply: string): Promise<Receipt> {
    const { state, event } = REMEDIES[remedy];
    const { receipts } = await this.#parts.ledger.transact(async (tx, { timeMs }) => {
      const row = await tx
        .selectFrom("objection")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      if (row === undefined) throw new WjfError("objection-unknown");
      if (row.state !== "OPEN") throw new WjfError("objection-resolved", row.state);
      await tx
        .updateTable("objection")
        .set({
          state,
          resolved_at: timeMs,
          reply_sealed: this.#parts.atRest.seal(REPLY_LABEL, reply),
        })
        .where("id", "=", id)
        .execute();
      return { value: undefined, leaves: [leafOf(row, event)] };
    });
    return receipts[0] as Receipt;
  }

  /** For the operator: those that are due first, first. */
  async list(filter: { readonly all: boolean; readonly limit: number }): Promise<Objection[]> {
    let query = this.#parts.db.selectFrom("objection").selectAll();
    if (!filter.all) query = query.where("state", "=", "OPEN");
    const rows = await query.orderBy("due_at").limit(filter.limit).execute();
    return rows.map((row) => this.#read(row));
  }

  /** For the person: the newest first. */
  async ofPerson(contactIndex: string): Promise<Objection[]> {
    const rows = await this.#parts.db
      .selectFrom("objection")
      .innerJoin("consent", "consent.id", "objection.consent_id")
      .selectAll("objection")
      .where("consent.contact_index", "=", contactIndex)
      .orderBy("objection.filed_at", "desc")
      .execute();
    return rows.map((row) => this.#read(row));
  }

  #read(row: Selectable<ObjectionTable>): Objection {
    const { atRest } = this.#parts;
    return {
      id: row.id,
      consentId: row.consent_id,
      clientId: row.client_id,
      queryId: row.query_id,
      product: row.product,
      state: row.state as ObjectionState,
      statement: atRest.open(STATEMENT_LABEL, row.statement_sealed).toString("utf8"),
      humanReview: row.human_review === 1,
      reply:
        row.reply_sealed === null
          ? null
          : atRest.open(REPLY_LABEL, row.reply_sealed).toString("utf8"),
      filedAt: row.filed_at,
      dueAt: row.due_at,
      resolvedAt: row.resolved_at,
    };
  }
}

function leafOf(
  row: Pick<ObjectionTable, "id" | "consent_id" | "client_id" | "query_id">,
  event: "filed" | (typeof REMEDIES)[Remedy]["event"],
) {
  const { id, consent_id, client_id, query_id } = row;
  return { type: "objection", event, objection_id: id, consent_id, client_id, query_id } as const;
}

/** @throws WjfError `route-unknown`: the same for another person's answer and for none. */
async function disputable(tx: AuthorityTx, contactIndex: string, queryId: string) {
  const row = await tx
    .selectFrom("release")
    .innerJoin("consent", "consent.id", "release.consent_id")
    .innerJoin("consent_use", (join) =>
      join
        .onRef("consent_use.consent_id", "=", "release.consent_id")
        .onRef("consent_use.release_id", "=", "release.query_id"),
    )
    .select([
      "release.consent_id",
      "release.client_id",
      "consent.subject_index",
      "consent_use.product",
    ])
    .where("release.query_id", "=", queryId)
    .where("consent.contact_index", "=", contactIndex)
    .executeTakeFirst();
  if (row === undefined) throw new WjfError("route-unknown", "no such answer");
  return row;
}

async function openObjection(tx: AuthorityTx, queryId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom("objection")
    .select("id")
    .where("query_id", "=", queryId)
    .where("state", "=", "OPEN")
    .executeTakeFirst();
  return row?.id;
}

/** What is disputed about these people. Asked in the transaction of a release. */
export class ObjectionMarks {
  readonly #marks = new Map<string, ObjectionMark>();

  static async read(tx: AuthorityTx, subjectIndices: readonly string[]): Promise<ObjectionMarks> {
    const marks = new ObjectionMarks();
    for (const chunk of chunks([...new Set(subjectIndices)])) {
      const rows = await tx
        .selectFrom("objection")
        .select(["subject_index", "product", "state"])
        .where("subject_index", "in", chunk)
        .where("state", "in", ["OPEN", "RECORDED"])
        .execute();
      for (const row of rows) marks.#add(row);
    }
    return marks;
  }

  #add({
    subject_index,
    product,
    state,
  }: Pick<ObjectionTable, "subject_index" | "product" | "state">): void {
    const key = keyOf(subject_index, product);
    if (state === "OPEN") this.#marks.set(key, "open");
    else if (!this.#marks.has(key)) this.#marks.set(key, "recorded");
  }

  /** Another version of the product is about the same information. */
  of(subjectIndex: string, product: string): ObjectionMark | undefined {
    return this.#marks.get(keyOf(subjectIndex, product));
  }
}

function keyOf(subjectIndex: string, product: string): string {
  return `${subjectIndex}\0${product.split("@", 1)[0]}`;
}
