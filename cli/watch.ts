// What `wjf watch …` does: see cli/watch-commands.ts. A watch is signed with the institution's own key, under a consent that is
// bound to it, so that this key alone sees it and ends it (docs/decisions/071-watches.md).
import { z } from "zod";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { WATCHES_PATH } from "../consent/index.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { type Output, table } from "./output.ts";
import { sendProven } from "./proven-request.ts";

export interface WatchOptions {
  readonly client: string;
}

export interface WatchSetOptions extends WatchOptions {
  readonly sink?: string;
  readonly expires?: string;
  readonly maxEvents?: number;
}

export const Watch = z.looseObject({
  watch_id: z.string(),
  state: z.string(),
  reason: z.string().optional(),
  product: z.string(),
  next: z.string().optional(),
  evaluated: z.string().optional(),
  events: z.int(),
});
export type Watch = z.infer<typeof Watch>;
const Watches = z.looseObject({ watches: z.array(Watch) });

const PAGE = 1000;
export async function listWatches(output: Output, { client }: WatchOptions): Promise<void> {
  const watches: Watch[] = [];
  for (let more = true; more;) {
    const last = watches.at(-1)?.watch_id;
    const query = `?limit=${PAGE}${last === undefined ? "" : `&after=${last}`}`;
    const text = await call(client, "GET", "", { query });
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

export async function setWatch(
  output: Output,
  id: string,
  { client, sink, expires, maxEvents }: WatchSetOptions,
): Promise<void> {
  const change = {
    ...(sink !== undefined && { sink: { url: sink } }),
    ...(expires !== undefined && { expires }),
    ...(maxEvents !== undefined && { max_events: maxEvents }),
  };
  const body = JSON.stringify(change);
  const text = await call(client, "PATCH", `/${watchId(id)}`, { body });
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

interface Call {
  readonly query?: string;
  readonly body?: string;
}

/** @throws WjfError the gateway's code. */
async function call(
  client: string,
  method: string,
  path: string,
  { query = "", body }: Call = {},
): Promise<string> {
  const { home, gatewayUrl } = readSettings();
  const url = new URL(`${WATCHES_PATH}${path}`, gatewayUrl).href;
  const { signing } = readInstitutionKeys(home, client);
  return await sendProven(signing, { method, url, query, body });
}

export function print(output: Output, watches: readonly Watch[]): void {
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
