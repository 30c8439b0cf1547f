// What need not be fanned out: a question that was answered before is given the same answer again, also when its consent is
// used up since, but not when it was withdrawn, paused or is over: of those nothing is released any more, not even what was
// before. One whose credentials or consent do not hold is refused, and the refusal is in the log before it is told.
import type { Catalogue } from "../../catalogue/index.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { ReleaseOutcome } from "../../proto/index.ts";
import type { AtRest } from "../at-rest.ts";
import type { ClientLimiter } from "../client-limits.ts";
import { type ClientLimits, findClient } from "../clients.ts";
import { type AuthorityDb, type ConsentLedger, consentTables } from "../ledger.ts";
import { QueryBudget } from "../query-budget.ts";
import type { VerifiedRequest } from "../signed-request.ts";
import { GroupSpending } from "../spend-group.ts";
import type { RefusalLog } from "./refusal-log.ts";
import { type EarlierRelease, readEarlier } from "./release-reads.ts";
import { questionOf } from "./releaser.ts";
import { openAnswer, tell } from "./stored-answer.ts";

export interface SettleParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly atRest: AtRest;
  readonly limiter: ClientLimiter;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly refusals: RefusalLog;
}

export interface Asked {
  /** Verified, or why it is refused. */
  readonly question: VerifiedRequest | ErrorCode;
  readonly sealed: boolean;
  readonly queryId: string;
  readonly product: string;
}

/** What the questions of one fan-out are looked up in. */
interface Known {
  readonly earlier: ReadonlyMap<string, EarlierRelease>;
  readonly spending: GroupSpending;
  readonly budget: QueryBudget;
}

/** By the question's place: what is settled already. Those that are not there are to be fanned out. */
export async function settle(
  asked: readonly Asked[],
  nowMs: number,
  parts: SettleParts,
): Promise<Map<number, ReleaseOutcome>> {
  const known = await readKnown(asked, nowMs, parts);
  const outcomes = await Promise.all(asked.map((one) => settleOne(one, known, parts)));
  const settled = new Map<number, ReleaseOutcome>();
  for (const [i, outcome] of outcomes.entries()) if (outcome) settled.set(i, outcome);
  await recordRefusals(asked, settled, parts);
  return settled;
}

async function readKnown(
  asked: readonly Asked[],
  nowMs: number,
  { db, limiter, catalogue, log }: SettleParts,
): Promise<Known> {
  const tables = consentTables(db);
  const consents = asked.flatMap(({ question }) =>
    typeof question === "string" ? [] : [question.consent],
  );
  const ids = consents.map(({ grant_id }) => grant_id);
  const spending = await GroupSpending.read(tables, ids, nowMs);
  const limits = new Map<string, ClientLimits | undefined>();
  for (const { client_id: id } of consents) {
    if (!limits.has(id)) limits.set(id, await limiter.limits(id));
  }
  const limitsOf = (clientId: string): ClientLimits | undefined => limits.get(clientId);
  return {
    earlier: await readEarlier(
      db,
      asked.map(({ queryId }) => queryId),
    ),
    spending,
    budget: await QueryBudget.read(tables, spending.consents, nowMs, {
      products: catalogue.products,
      log,
      limitsOf,
    }),
  };
}

async function settleOne(
  { question, sealed, queryId }: Asked,
  { earlier, spending, budget }: Known,
  parts: SettleParts,
): Promise<ReleaseOutcome | undefined> {
  try {
    if (typeof question === "string") throw new WjfError(question);
    const before = earlier.get(queryId);
    if (before !== undefined) {
      spending.requireNotWithdrawn(question.consent.grant_id);
      return await tellAgain(question, sealed, before, parts);
    }
    // A look ahead: the release decides again, in its own transaction.
    budget.requireLeft(spending.requireActive(question.consent.grant_id), question.product);
    await parts.limiter.take(question.consent.client_id, question.queryId);
    return undefined;
  } catch (error) {
    if (error instanceof WjfError) return { result: "refusal", refusal: error.code };
    throw error;
  }
}

async function tellAgain(
  question: VerifiedRequest,
  sealed: boolean,
  earlier: EarlierRelease,
  { db, ledger, atRest }: SettleParts,
): Promise<ReleaseOutcome> {
  const answer = openAnswer(earlier, questionOf(question), atRest);
  const client = await findClient(consentTables(db), question.consent.client_id);
  if (client === undefined || client.disabled_at !== null) throw new WjfError("client-unknown");
  if (client.sealed_only && !sealed) throw new WjfError("client-sealed-only");
  const receipt = await ledger.log.receipt(earlier.leaf_index);
  return await tell(answer, receipt.text, client, sealed);
}

async function recordRefusals(
  asked: readonly Asked[],
  settled: ReadonlyMap<number, ReleaseOutcome>,
  { refusals }: SettleParts,
): Promise<void> {
  const refused = [...settled].flatMap(([i, outcome]) => {
    const one = asked[i];
    if (outcome.result !== "refusal" || one === undefined) return [];
    const known = typeof one.question === "string" ? undefined : one.question.consent;
    return {
      code: outcome.refusal,
      query_id: one.queryId,
      product: one.product,
      ...(known && { client_id: known.client_id, consent_id: known.grant_id }),
    };
  });
  await refusals.record(refused);
}
