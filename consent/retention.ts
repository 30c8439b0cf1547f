// What may be kept no longer, and its destruction (Credit Industry Regulation article 16: adverse facts five years; PIPL
// article 19: no longer than the purpose needs, article 56: records of handling three years; DESIGN §6). `plan` says what is
// due and changes nothing; `run` destroys the same and logs it. The log's leaves are never deleted: erasing is destroying
// what they commit to. Decisions and periods: docs/decisions/036.
import type { Kysely, Selectable } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import { parseJsonWith } from "../core/parse.ts";
import { type Period, periodSeconds, QueryAuthorization } from "./consent-claims.ts";
import {
  type AuthorityDb,
  type AuthoritySchema,
  type AuthorityTx,
  type ConsentLedger,
  consentTables,
} from "./ledger.ts";
import type { ConsentLifecycle } from "./lifecycle.ts";
import { NO_ANSWER } from "./release/schema.ts";

/** An answer may be an adverse fact about a person: none is kept longer, whatever its consent says. */
export const ADVERSE_FACTS: Period = { unit: "YEAR", value: 5 };
/** Who a consent was about, and how the person agreed, stays provable for this long after the consent is over. */
export const AUDIT: Period = { unit: "YEAR", value: 3 };

const OVER = ["REVOKED", "EXPIRED", "CONSUMED", "DENIED"];

export interface Due {
  /** Answers kept for retries, whose consent's `retention` (at most five years) is over, by query id. */
  readonly answers: readonly string[];
  /** Consents over for three years, by id: subject, evidence, and what the log's commitments open to. */
  readonly consents: readonly string[];
  /** The commitments of those consents. */
  readonly commitments: number;
}

export interface RetentionParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly lifecycle: ConsentLifecycle;
  readonly clock?: Clock;
}

/** Consents in one transaction: its lock keeps everybody else waiting. An erasure leaf takes 256 commitments. */
const BATCH = 100;

/** What `run` would destroy now. */
export async function planRetention({ db, clock = systemClock }: RetentionParts): Promise<Due> {
  const nowMs = clock.nowMs();
  const consents = await dueConsents(db, nowMs);
  let commitments = 0;
  for (const batch of batches(consents)) commitments += (await commitmentsOf(db, batch)).length;
  return { answers: await dueAnswers(db, nowMs), consents, commitments };
}

/**
 * Destroys what is due, batch by batch, each with its leaf. Interrupted, it has done some batches, and the next run does the
 * rest. Resolves when the engine's own remains of it are gone too.
 */
export async function runRetention(
  parts: RetentionParts,
  onProgress?: (done: number, total: number) => void,
): Promise<Due> {
  const due = await planRetention(parts);
  const total = due.answers.length + due.consents.length;
  let done = 0;
  for (const batch of batches(due.answers)) {
    await parts.ledger.transact(async (tx) => ({ value: await destroyAnswers(tx, batch) }));
    onProgress?.((done += batch.length), total);
  }
  for (const batch of batches(due.consents)) {
    await eraseConsents(batch, parts);
    onProgress?.((done += batch.length), total);
  }
  await parts.ledger.transact(async (tx) => ({ value: await destroyWatchStates(tx) }));
  if (total > 0) {
    for (const table of [
      "release",
      "consent",
      "consent_approval",
      "objection",
      "log_payload",
    ] as const) {
      await parts.db.scrub(table);
    }
  }
  return due;
}

async function dueConsents(db: AuthorityDb, nowMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom("consent")
    .select("id")
    .where("state", "in", OVER)
    .where("subject_sealed", "is not", null)
    .where("changed_at", "<=", nowMs - periodSeconds(AUDIT) * 1000)
    .orderBy("changed_at")
    .execute();
  return rows.map(({ id }) => id);
}

/** Walked through in order of release: the period is each consent's own. */
async function dueAnswers(db: AuthorityDb, nowMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom("release")
    .innerJoin("consent", "consent.id", "release.consent_id")
    .select(["release.query_id", "release.released_at", "consent.terms"])
    .where("release.answer_sealed", "!=", NO_ANSWER)
    .orderBy("release.released_at")
    .execute();
  return rows.filter((row) => isOver(row, nowMs)).map((row) => row.query_id);
}

function isOver(
  {
    released_at,
    terms,
  }: { released_at: number } & Pick<Selectable<AuthoritySchema["consent"]>, "terms">,
  nowMs: number,
): boolean {
  const { retention } = parseJsonWith(QueryAuthorization, terms, "internal", "consent row");
  const seconds = Math.min(periodSeconds(retention), periodSeconds(ADVERSE_FACTS));
  return released_at + seconds * 1000 <= nowMs;
}

/** The rows stay: a query id is released once, ever. */
async function destroyAnswers(tx: AuthorityTx, queryIds: readonly string[]): Promise<void> {
  await tx
    .updateTable("release")
    .set({ answer_sealed: NO_ANSWER })
    .where("query_id", "in", [...queryIds])
    .execute();
}

/** Nothing will be compared with them any more. */
async function destroyWatchStates(tx: AuthorityTx): Promise<void> {
  await tx
    .deleteFrom("watch_state")
    .where("consent_id", "in", (eb) =>
      eb.selectFrom("consent").select("consent.id").where("consent.state", "in", OVER),
    )
    .execute();
}

async function eraseConsents(
  ids: readonly string[],
  { ledger, lifecycle }: RetentionParts,
): Promise<void> {
  await ledger.transact(async (tx) => {
    const commitments = await commitmentsOf(tx, ids);
    for (const id of ids) await lifecycle.erase(consentTables(tx), id);
    await tx
      .deleteFrom("consent_approval")
      .where("consent_id", "in", [...ids])
      .execute();
    await tx
      .deleteFrom("objection")
      .where("consent_id", "in", [...ids])
      .execute();
    await tx
      .deleteFrom("consent_commitment")
      .where("consent_id", "in", [...ids])
      .execute();
    if (commitments.length === 0) return { value: undefined };
    await ledger.log.destroy(tx, commitments);
    return {
      value: undefined,
      leaves: [{ type: "erasure" as const, commitments, reason: "retention" as const }],
    };
  });
}

async function commitmentsOf(
  db: Kysely<AuthoritySchema>,
  ids: readonly string[],
): Promise<string[]> {
  const rows = await db
    .selectFrom("consent_commitment")
    .select("commitment")
    .where("consent_id", "in", [...ids])
    .orderBy("commitment")
    .execute();
  return rows.map(({ commitment }) => commitment);
}

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += BATCH) yield all.slice(at, at + BATCH);
}
