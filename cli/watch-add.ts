// `wjf watch add`: asks one person for a consent, and watches them under it. How it is asked for and what is signed is the same
// for the many people of a file (cli/watch-file.ts).
import { randomUUID } from "node:crypto";
import { readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { type Period, periodSeconds, WATCHES_PATH } from "../consent/index.ts";
import { readSubject, type SubjectOptions, untilDecided } from "./ask.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { type ConsentOptions, Institution, type Subject } from "./institution.ts";
import type { Output } from "./output.ts";
import { print, Watch, type WatchOptions } from "./watch.ts";
import { type Conditions, readConditions } from "./watch-conditions.ts";

export interface WatchTerms extends WatchOptions {
  readonly every: Period;
  readonly days: number;
  readonly maxEvents?: number;
  readonly purpose: string;
  readonly sealed?: boolean;
  readonly wait?: boolean;
}

export interface WatchAddOptions extends WatchTerms, SubjectOptions {
  readonly condition?: readonly string[];
  readonly sink?: string;
}

/** As many uses as one consent can have. */
const MOST_USES = 100_000;

export async function addWatch(output: Output, options: WatchAddOptions): Promise<void> {
  const { condition, sink } = options;
  if (condition === undefined || sink === undefined) {
    throw new WjfError(
      "request-malformed",
      "--condition and --sink, or --from with a file of them",
    );
  }
  const settings = readSettings();
  const institution = new Institution(settings, readInstitutionKeys(settings.home, options.client));
  const wanted = readConditions(condition);
  const subject = readSubject(options);
  output.line("Asking the person for consent");
  const asked = consentFor(settings, { subject, wanted, terms: options });
  const consent = await untilDecided(output, institution, asked);
  const seal = await institution.claimsSealer();
  // An id of its own makes a repetition the same watch.
  const body = await watchBody({ id: randomUUID(), wanted, sink, terms: options }, seal);
  const response = await institution.post(consent, WATCHES_PATH, body);
  const watch = parseJsonWith(Watch, await response.text(), "internal", "watch");
  output.line(`${wanted.product.zh} ${wanted.product.en}`);
  print(output, [watch]);
  output.result(watch);
}

interface Asked {
  readonly subject: Subject;
  readonly wanted: Conditions;
  readonly terms: WatchTerms;
}

/** For as long and as often as the watch is to last. */
export function consentFor(
  settings: Settings,
  { subject, wanted, terms: { every, days, purpose, wait } }: Asked,
): ConsentOptions {
  const term: Period = { unit: "DAY", value: days };
  return {
    subject,
    products: [wanted.product.ref],
    purpose,
    result: "boolean",
    // One for the moment it begins.
    maxUses: Math.min(MOST_USES, 1 + Math.floor(periodSeconds(term) / periodSeconds(every))),
    periodic: { frequency: { unit: every.unit, value: 1 }, term },
    boundToOwnKey: true,
    sandboxApproves: wait !== true && !settings.production,
  };
}

interface Wanted {
  readonly id: string;
  readonly wanted: Conditions;
  readonly sink: string;
  readonly terms: WatchTerms;
}

/** The JSON that is signed. */
export async function watchBody(
  {
    id,
    wanted: { product, conditions },
    sink,
    terms: { every, maxEvents, sealed = false },
  }: Wanted,
  seal: (claims: unknown) => Promise<string>,
): Promise<string> {
  return JSON.stringify({
    watch_id: id,
    product: product.ref,
    claims: await seal({ conditions }),
    conditions: conditions.length,
    schedule: { every },
    ...(maxEvents !== undefined && { max_events: maxEvents }),
    sink: { url: sink },
    sealed,
  });
}
