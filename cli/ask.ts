// `wjf ask`: one question about one person to a running federation: consent by CIBA, then the query.
import { readFileSync } from "node:fs";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { normaliseCnId, normaliseMsisdn } from "../crypto/index.ts";
import type { ResultForm } from "../consent/index.ts";
import type { ObtainedConsent } from "./consent-flow.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { type ConsentOptions, Institution, type Subject } from "./institution.ts";
import type { Output } from "./output.ts";

/** Whom it is about. */
export interface SubjectOptions {
  readonly phone?: string;
  readonly idNumber?: string;
}

export interface AskOptions extends SubjectOptions {
  readonly product: string;
  readonly claims?: string;
  readonly purpose: string;
  readonly client: string;
  readonly sealed?: boolean;
  readonly wait?: boolean;
}

export async function ask(output: Output, options: AskOptions): Promise<void> {
  const settings = readSettings();
  const institution = new Institution(settings, readInstitutionKeys(settings.home, options.client));
  const { product, title, kind } = await institution.product(options.product);
  const claims = readClaims(options.claims);
  output.line("Asking the person for consent");
  const result: ResultForm = kind === "yes_no" || kind === "alerts" ? "boolean" : kind;
  const consent = await untilDecided(output, institution, {
    subject: readSubject(options),
    products: [product],
    purpose: options.purpose,
    result,
    maxUses: 1,
    sandboxApproves: options.wait !== true && !settings.production,
  });
  const { reply, ms } = await institution.ask(consent, product, {
    ...(claims === undefined ? {} : { claims }),
    sealed: options.sealed === true,
  });
  output.line(JSON.stringify(reply.answer, null, 2));
  const { answered, of } = reply.coverage;
  output.line(
    `${title.en} ${title.zh}: ${answered} of ${of} provinces answered, ${ms.toFixed(0)} ms`,
  );
  output.result({ ...reply, ms });
}

/** As long as the authority keeps a request open. */
const DECIDED_WITHIN_S = 600;

/** @throws WjfError as `Institution.consent`. */
export async function untilDecided(
  output: Output,
  institution: Institution,
  options: ConsentOptions,
): Promise<ObtainedConsent> {
  using _waiting = options.sandboxApproves
    ? undefined
    : output.waiting("seconds that the person has taken to decide", DECIDED_WITHIN_S);
  return await institution.consent(options);
}

export function readSubject({ phone, idNumber }: SubjectOptions): Subject {
  if (phone !== undefined && idNumber === undefined) {
    return { kind: "msisdn", value: normaliseMsisdn(phone) };
  }
  if (idNumber !== undefined && phone === undefined) {
    return { kind: "cn-id", value: normaliseCnId(idNumber) };
  }
  throw new WjfError("request-malformed", "give --phone or --id-number, one of them");
}

/** JSON, or @file. */
function readClaims(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text.startsWith("@") ? readFileSync(text.slice(1), "utf8") : text);
  } catch (cause) {
    throw new WjfError("request-malformed", "--claims: JSON, or @FILE with JSON", { cause });
  }
}
