// Which rows need not be asked: one that was answered before gets the same answer again, also when its consent is used up
// since, but not when it was withdrawn, paused or is over; one whose consent, client or term does not hold is refused, and the refusal is in the log before it is told. All of
// a manifest's rows are looked up together. A look ahead: the release decides again, in its own transaction.
import type { Catalogue } from "../../catalogue/index.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { AtRest } from "../at-rest.ts";
import type { Client } from "../clients.ts";
import { type AuthorityDb, type ConsentLedger, consentTables } from "../ledger.ts";
import type { Receipt } from "../log/index.ts";
import { QueryBudget } from "../query-budget.ts";
import type { Refusal, RefusalLog } from "../release/refusal-log.ts";
import { type EarlierRelease, readClients, readEarlier } from "../release/release-reads.ts";
import { openAnswer } from "../release/stored-answer.ts";
import { GroupSpending } from "../spend-group.ts";
import { type CheckedRow, type RefusedRow, requireClient, type RowRules } from "./row-check.ts";
import type { TellableRow } from "./told-rows.ts";

export interface SettleRowsParts {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly atRest: AtRest;
  readonly clock: Clock;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly refusals: RefusalLog;
}

export interface SettleRules extends Pick<RowRules, "tokens"> {
  readonly sealed: boolean;
}

export interface SettledRows {
  readonly settled: readonly (TellableRow & { readonly row: number })[];
  /** To be asked, in order. */
  readonly open: readonly CheckedRow[];
}

interface Known {
  readonly clients: ReadonlyMap<string, Client>;
  readonly earlier: ReadonlyMap<string, EarlierRelease>;
  readonly spending: GroupSpending;
  readonly budget: QueryBudget;
  /** Query ids of rows before the present one. */
  readonly asked: Set<string>;
}

interface Answered {
  readonly row: number;
  readonly answer: string;
  readonly leaf: number;
  readonly client: Client;
}

export async function settleRows(
  rows: readonly (CheckedRow | RefusedRow)[],
  rules: SettleRules,
  parts: SettleRowsParts,
): Promise<SettledRows> {
  const checked = rows.filter((row) => "question" in row);
  const known = await readKnown(checked, parts);
  const decided = rows.map((row) =>
    "question" in row ? settleRow(row, known, rules, parts.atRest) : row,
  );
  const refused = decided.filter((row): row is RefusedRow => "refusal" in row);
  await parts.refusals.record(refused.map(refusalOf));
  const answered = decided.filter((row): row is Answered => "leaf" in row);
  const receipts = await parts.ledger.log.receipts(answered.map(({ leaf }) => leaf));
  const told = answered.map(({ row, answer, client }, i) => {
    return { row, answer, client, receipt: (receipts[i] as Receipt).text };
  });
  const settled = [...refused, ...told];
  return { settled, open: decided.filter((row): row is CheckedRow => "question" in row) };
}

async function readKnown(
  checked: readonly CheckedRow[],
  { db, clock, catalogue, log }: SettleRowsParts,
): Promise<Known> {
  const questions = checked.map(({ question }) => question);
  const consents = questions.map(({ consentId }) => consentId);
  const tables = consentTables(db);
  const nowMs = clock.nowMs();
  const clients = await readClients(
    db,
    questions.map(({ clientId }) => clientId),
  );
  const spending = await GroupSpending.read(tables, consents, nowMs);
  return {
    clients,
    earlier: await readEarlier(
      db,
      questions.map(({ queryId }) => queryId),
    ),
    spending,
    budget: await QueryBudget.read(tables, spending.consents, nowMs, {
      products: catalogue.products,
      log,
      limitsOf: (id) => clients.get(id)?.limits,
    }),
    asked: new Set(),
  };
}

function settleRow(
  row: CheckedRow,
  { clients, earlier, spending, budget, asked }: Known,
  { sealed, tokens }: SettleRules,
  atRest: AtRest,
): CheckedRow | RefusedRow | Answered {
  const { question, consent } = row;
  const { queryId, product, clientId, consentId } = question;
  try {
    if (asked.has(queryId)) throw new WjfError("query-conflict");
    asked.add(queryId);
    const client = clients.get(clientId);
    requireClient(client, product, sealed);
    const before = earlier.get(queryId);
    if (before !== undefined) {
      spending.requireNotWithdrawn(consentId);
      const answer = openAnswer(before, question, atRest);
      return { row: row.row, answer, leaf: before.leaf_index, client: client as Client };
    }
    tokens.requireTimely(consent);
    const live = spending.requireActive(consentId);
    if (live.clientId !== clientId) throw new WjfError("consent-unknown");
    budget.requireLeft(live, product);
    // Counted in memory only: a consent with one use left lets one of two rows through.
    spending.spend({ consentId, releaseId: queryId, product });
    budget.count(live, product);
    return row;
  } catch (error) {
    if (!(error instanceof WjfError)) throw error;
    return { row: row.row, refusal: error.code, queryId, product, clientId, consentId };
  }
}

function refusalOf({ refusal, queryId, product, clientId, consentId }: RefusedRow): Refusal {
  return {
    code: refusal,
    ...(queryId !== undefined && { query_id: queryId }),
    ...(product !== undefined && { product }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(consentId !== undefined && { consent_id: consentId }),
  };
}
