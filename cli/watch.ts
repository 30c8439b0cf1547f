// What `wjf watch …` does: see cli/watch-commands.ts. A watch is signed with the institution's own key, under a consent that is
// bound to it, so that this key alone sees it and ends it (docs/decisions/071-watches.md).
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { type Period, periodSeconds, WATCHES_PATH } from "../consent/index.ts";
import { readSubject, type SubjectOptions } from "./ask.ts";
import { signProof } from "./batch-client.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";
import { Institution } from "./institution.ts";
import { type Output, table } from "./output.ts";
import { readConditions } from "./watch-conditions.ts";

export interface WatchOptions {
  readonly client: string;
}

export interface WatchAddOptions extends WatchOptions, SubjectOptions {
  readonly condition: readonly string[];
  readonly sink: string;
  readonly every: Period;
  readonly days: number;
  readonly maxEvents?: number;
  readonly purpose: string;
  readonly sealed?: boolean;
  readonly wait?: boolean;
}

const Watch = z.looseObject({
  watch_id: z.string(),
  state: z.string(),
  reason: z.string().optional(),
  product: z.string(),
  next: z.string().optional(),
  evaluated: z.string().optional(),
  events: z.int(),
});
type Watch = z.infer<typeof Watch>;
const Watches = z.looseObject({ watches: z.array(Watch) });

const PAGE = 1000;
/** As many uses as one consent can have. */
const MOST_USES = 100_000;

export async function addWatch(output: Output, options: WatchAddOptions): Promise<void> {
  const settings = readSettings();
  const institution = new Institution(settings, readInstitutionKeys(settings.home, options.client));
  const { every, days, sink, maxEvents, purpose, sealed = false } = options;
  const { product, conditions } = readConditions(options.condition);
  const term: Period = { unit: "DAY", value: days };
  const subject = readSubject(options);
  output.line("Asking the person for consent");
  const consent = await institution.consent({
    subject,
    products: [product.ref],
    purpose,
    result: "boolean",
    // One for the moment it begins.
    maxUses: Math.min(MOST_USES, 1 + Math.floor(periodSeconds(term) / periodSeconds(every))),
    periodic: { frequency: { unit: every.unit, value: 1 }, term },
    boundToOwnKey: true,
    sandboxApproves: options.wait !== true && !settings.production,
  });
  const body = JSON.stringify({
    // An id of its own makes a repetition the same watch.
    watch_id: randomUUID(),
    product: product.ref,
    claims: await institution.sealClaims({ conditions }),
    conditions: conditions.length,
    schedule: { every },
    ...(maxEvents !== undefined && { max_events: maxEvents }),
    sink: { url: sink },
    sealed,
  });
  const response = await institution.post(consent, WATCHES_PATH, body);
  const watch = parseJsonWith(Watch, await response.text(), "internal", "watch");
  output.line(`${product.zh} ${product.en}`);
  print(output, [watch]);
  output.result(watch);
}

export async function listWatches(output: Output, { client }: WatchOptions): Promise<void> {
  const watches: Watch[] = [];
  for (let more = true; more;) {
    const last = watches.at(-1)?.watch_id;
    const query = `?limit=${PAGE}${last === undefined ? "" : `&after=${last}`}`;
    const text = await call(client, "GET", "", query);
    const page = parseJsonWith(Watches, text, "internal", "watches").watches;
    watches.push(...page);
    more = page.length === PAGE;
  }
  print(output, watches);
  output.result({ watches });
}

export async function showWatch(
  output: Output,
  id: string,
  { client }: WatchOptions,
): Promise<void> {
  const text = await call(client, "GET", `/${watchId(id)}`);
  const watch = parseJsonWith(Watch, text, "internal", "watch");
  print(output, [watch]);
  output.result(watch);
}

export async function removeWatch(
  output: Output,
  id: string,
  { client }: WatchOptions,
): Promise<void> {
  await call(client, "DELETE", `/${watchId(id)}`);
  output.line(`${id} has ended`);
  output.result({ watch_id: id, removed: true });
}

function watchId(text: string): string {
  if (!z.uuid().safeParse(text).success) throw new WjfError("request-malformed", "a watch's id");
  return text;
}

/** @throws WjfError the gateway's code. */
async function call(client: string, method: string, path: string, query = ""): Promise<string> {
  const { home, gatewayUrl } = readSettings();
  const url = new URL(`${WATCHES_PATH}${path}`, gatewayUrl).href;
  const { signing } = readInstitutionKeys(home, client);
  const dpop = await signProof(signing, { htm: method, htu: url });
  const response = await fetch(`${url}${query}`, { method, headers: { dpop } });
  const text = await response.text();
  if (!response.ok) throw refusal(text);
  return text;
}

function print(output: Output, watches: readonly Watch[]): void {
  const rows = watches.map(({ watch_id: id, product, state, reason, evaluated, next, events }) => [
    id,
    product,
    reason === undefined ? state : `${state}: ${reason}`,
    evaluated ?? "-",
    next ?? "-",
    String(events),
  ]);
  output.line(table([["watch", "product", "state", "evaluated", "next", "events"], ...rows]));
}
