// What `wjf objection …` does: see cli/objection-commands.ts. It runs beside the authority, on the same database and
// through the same ledger (consent/operator.ts). A person's words go to the one JSON document only, never to a terminal.
import { writeFileSync } from "node:fs";
import { ConsentOperator, type Objection, type Remedy, REMEDIES } from "../consent/index.ts";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { type Output, table } from "./output.ts";

export interface ObjectionListArguments {
  readonly all?: boolean;
  readonly limit: number;
}

export interface ObjectionResolveArguments {
  readonly reply: string;
  readonly receipt?: string;
}

export async function objectionList(
  output: Output,
  { all = false, limit }: ObjectionListArguments,
): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const objections = (await operator.objections.list({ all, limit })).map(view);
  const rows = objections.map((each) => [
    each.id,
    each.state,
    each.client_id,
    each.product,
    each.query_id,
    each.due,
    each.human_review ? "human review" : "",
  ]);
  output.line(
    table([["objection", "state", "institution", "product", "query", "due", ""], ...rows]),
  );
  output.result({ objections });
}

function view(objection: Objection) {
  const { resolvedAt } = objection;
  return {
    id: objection.id,
    state: objection.state,
    client_id: objection.clientId,
    product: objection.product,
    query_id: objection.queryId,
    consent_id: objection.consentId,
    filed: new Date(objection.filedAt).toISOString(),
    due: new Date(objection.dueAt).toISOString(),
    resolved: resolvedAt === null ? null : new Date(resolvedAt).toISOString(),
    statement: objection.statement,
    human_review: objection.humanReview,
    reply: objection.reply,
  };
}

export async function objectionResolve(
  output: Output,
  id: string,
  remedy: string,
  options: ObjectionResolveArguments,
): Promise<void> {
  if (!isRemedy(remedy)) throw new WjfError("request-malformed", "finding");
  await using operator = await ConsentOperator.open(readSettings());
  const receipt = await operator.objections.resolve(id, remedy, options.reply);
  if (options.receipt !== undefined) writeFileSync(options.receipt, receipt.text);
  const { state } = REMEDIES[remedy];
  output.line(`${id} is ${state}: leaf ${receipt.index} of the audit log`);
  output.result({ id, state, leaf: receipt.index, receipt: receipt.text });
}

function isRemedy(text: string): text is Remedy {
  return Object.hasOwn(REMEDIES, text);
}
