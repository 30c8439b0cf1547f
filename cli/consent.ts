// What `wjf consent …` does: see cli/consent-commands.ts. It runs beside the authority, on the same database and through
// the same ledger (consent/operator.ts), so it needs the authority's folder. It prints nothing about who a person is.
import { writeFileSync } from "node:fs";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import {
  type Consent,
  CONSENT_STATES,
  ConsentOperator,
  type Due,
  planRetention,
  runRetention,
} from "../consent/index.ts";
import { type Output, table } from "./output.ts";

export interface ConsentListArguments {
  readonly client?: string;
  readonly state?: string;
  readonly limit: number;
}

export interface RetentionArguments {
  readonly dryRun?: boolean;
}

/** What an operator sees of a consent. */
function view(consent: Consent) {
  const { terms } = consent;
  return {
    id: consent.id,
    client_id: consent.clientId,
    state: consent.state,
    purpose: consent.purpose,
    products: terms.actions,
    result: terms.result,
    uses: consent.uses,
    max_uses: consent.maxUses,
    ...(terms.frequency && { frequency: terms.frequency }),
    requested: rfc3339(consent.requestedAt),
    decided: consent.decidedAt === null ? null : rfc3339(consent.decidedAt),
    expires: rfc3339(consent.expiresAt),
    erased: consent.subjectTag === null,
  };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

export async function consentList(output: Output, options: ConsentListArguments): Promise<void> {
  const { client, limit } = options;
  const state = CONSENT_STATES.find((known) => known === options.state?.toUpperCase());
  if (options.state !== undefined && state === undefined) {
    throw new WjfError("request-malformed", `--state: one of ${CONSENT_STATES.join(", ")}`);
  }
  await using operator = await ConsentOperator.open(readSettings());
  const filter = { limit, ...(client && { clientId: client }), ...(state && { state }) };
  const consents = (await operator.find(filter)).map(view);
  const rows = consents.map((each) => [
    each.id,
    each.client_id,
    each.state,
    each.purpose,
    each.products.length > 2 ? `${each.products.length} products` : each.products.join(","),
    `${each.uses}/${each.max_uses}`,
    each.expires,
  ]);
  const head = ["consent", "institution", "state", "purpose", "products", "uses", "until"];
  output.line(table([head, ...rows]));
  output.result({ consents });
}

export async function consentShow(output: Output, id: string): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const { consent, uses } = await operator.show(id);
  const shown = {
    ...view(consent),
    used: uses.map(({ queryId, product, usedAt }) => ({
      query_id: queryId,
      product,
      time: rfc3339(usedAt),
    })),
  };
  output.line(JSON.stringify(shown, null, 2));
  output.result(shown);
}

export async function consentChange(
  output: Output,
  id: string,
  change: "revoke" | "pause" | "resume",
  options: { readonly receipt?: string },
): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const { consent, receipt } = await operator.change(id, change);
  if (options.receipt !== undefined) writeFileSync(options.receipt, receipt.text);
  output.line(`${id} is ${consent.state}: leaf ${receipt.index} of the audit log`);
  output.result({ ...view(consent), leaf: receipt.index, receipt: receipt.text });
}

export async function consentRetention(output: Output, options: RetentionArguments): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const due = await planRetention(operator);
  const total = due.answers.length + due.consents.length;
  say(output, due);
  if (options.dryRun !== true && total > 0) {
    using progress = output.progress("destroyed", total);
    await runRetention(operator, (done) => progress.update(done));
    output.line("Destroyed; the log says so.");
  }
  output.result({ ...due, destroyed: options.dryRun !== true });
}

function say(output: Output, { answers, consents, commitments }: Due): void {
  output.line(`${answers.length} kept answers are past their consent's retention, or five years`);
  for (const id of answers) output.line(`  query ${id}`);
  output.line(
    `${consents.length} consents have been over for three years; with them go ${commitments} openings of the log's commitments`,
  );
  for (const id of consents) output.line(`  consent ${id}`);
}
