// `wjf watch add --from FILE`: watches of many people, a line each. Consents are asked for and conditions sealed first, into
// FILE.rows.ndjson, which a later run finds and goes on with: nobody is asked twice, and the same rows are the same watches.
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { WATCHES_PATH } from "../consent/index.ts";
import { signProof } from "./batch-client.ts";
import { readLines, subjectOf } from "./batch-consents.ts";
import { type InstitutionKeys, readInstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";
import { Institution } from "./institution.ts";
import { type Output, table } from "./output.ts";
import { consentFor, watchBody, type WatchTerms } from "./watch-add.ts";
import { readConditions } from "./watch-conditions.ts";

export interface WatchFileOptions extends WatchTerms {
  readonly from: string;
  readonly sink?: string;
}

const FileRow = z.strictObject({
  watch_id: z.uuid().optional(),
  token: z.string().optional(),
  phone: z.string().optional(),
  id_number: z.string().optional(),
  conditions: z.array(z.string()).min(1).max(8),
  sink: z.string().optional(),
});

/** A line of FILE.rows.ndjson: all that is signed when it is sent. */
const PreparedRow = z.strictObject({ token: z.string(), body: z.string() });

const Result = z.looseObject({
  line: z.int().optional(),
  created: z.boolean().optional(),
  error: z.looseObject({ code: z.string(), retryable: z.boolean() }).optional(),
});
type Result = z.infer<typeof Result>;

type Row = z.infer<typeof PreparedRow> & { readonly line: number };

/** Rows in one request; far below what the gateway takes, so that they can be sent again. */
const ROWS_AT_ONCE = 1000;
const ATTEMPTS = 5;
const RETRY_MS = 1000;

export async function addWatches(output: Output, options: WatchFileOptions): Promise<void> {
  const rows = `${options.from}.rows.ndjson`;
  const results = `${options.from}.results.ndjson`;
  const total = await prepare(rows, options, output);
  const counts = { created: 0, present: 0, refused: 0 };
  const refusals = new Map<string, number>();
  const { home, gatewayUrl } = readSettings();
  const sender = new Sender(gatewayUrl, readInstitutionKeys(home, options.client));
  using progress = output.progress("watches", total);
  rmSync(results, { force: true });
  for await (const part of parts(rows)) {
    for (const result of await sender.send(part)) {
      const code = result.error?.code;
      if (code !== undefined) refusals.set(code, (refusals.get(code) ?? 0) + 1);
      counts[code !== undefined ? "refused" : result.created === true ? "created" : "present"]++;
      appendFileSync(results, `${JSON.stringify(result)}\n`, { mode: 0o600 });
    }
    progress.update(counts.created + counts.present + counts.refused);
  }
  output.line(
    `${counts.created} of ${total} watches created, ${counts.present} were there, ${counts.refused} refused`,
  );
  if (refusals.size > 0) {
    const listed = [...refusals].map(([code, count]) => [code, String(count)]);
    output.line(table([["refused because", "rows"], ...listed]));
  }
  output.line(`Results, one line a row: ${results}. Run again, this goes on with ${rows}.`);
  output.result({ rows: total, ...counts, refusals: Object.fromEntries(refusals), results });
}

/** Adds to the prepared rows what is missing of them. @returns how many there are. */
async function prepare(rows: string, options: WatchFileOptions, output: Output): Promise<number> {
  const settings = readSettings();
  const institution = new Institution(settings, readInstitutionKeys(settings.home, options.client));
  const total = await countLines(options.from);
  const ready = existsSync(rows) ? await countLines(rows) : 0;
  if (ready > total) throw new WjfError("data-invalid", `${rows}: of another file; remove it`);
  if (ready < total) output.line(`Preparing ${total - ready} rows: consents, sealed conditions`);
  using progress = output.progress("rows", total);
  let seal = await institution.claimsSealer();
  for await (const { line, text } of readLines(options.from)) {
    if (line <= ready) continue;
    // Once in a while the keys may be others.
    if (line % ROWS_AT_ONCE === 0) seal = await institution.claimsSealer();
    const row = parseJsonWith(FileRow, text, "data-invalid", `line ${line}`);
    const { watch_id: id = randomUUID(), sink = options.sink } = row;
    if (sink === undefined) throw new WjfError("data-invalid", `line ${line}: sink, or --sink`);
    const wanted = readConditions(row.conditions);
    const token =
      row.token ??
      (
        await institution.consent(
          consentFor(settings, { subject: subjectOf(row, line), wanted, terms: options }),
        )
      ).token;
    const body = await watchBody({ id, wanted, sink, terms: options }, seal);
    const prepared: z.input<typeof PreparedRow> = { token, body };
    appendFileSync(rows, `${JSON.stringify(prepared)}\n`, { mode: 0o600 });
    progress.update(line);
  }
  return total;
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const { line } of readLines(file)) lines = line;
  return lines;
}

async function* parts(rows: string): AsyncGenerator<Row[]> {
  let part: Row[] = [];
  for await (const { line, text } of readLines(rows)) {
    part.push({
      line,
      ...parseJsonWith(PreparedRow, text, "data-invalid", `${rows}: line ${line}`),
    });
    if (part.length < ROWS_AT_ONCE) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

class Sender {
  readonly #url: string;
  readonly #keys: Pick<InstitutionKeys, "signing">;

  constructor(gatewayUrl: string, keys: Pick<InstitutionKeys, "signing">) {
    this.#url = new URL(WATCHES_PATH, gatewayUrl).href;
    this.#keys = keys;
  }

  /** A result for each, in order; what is refused for a reason that passes is sent again first. */
  async send(rows: readonly Row[]): Promise<Result[]> {
    const results = new Map<number, Result>();
    let left = rows;
    for (let attempt = 0; left.length > 0 && attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await pause(RETRY_MS);
      for (const [i, result] of await this.#sendOnce(left)) {
        const { line } = left[i] as Row;
        results.set(line, { ...result, line });
      }
      left = left.filter(({ line }) => results.get(line)?.error?.retryable ?? !results.has(line));
    }
    const untold = { error: { code: "federation-unavailable", retryable: true } };
    return rows.map(({ line }) => results.get(line) ?? { line, ...untold });
  }

  /** Results by the row's place. @throws WjfError the gateway's code. */
  async #sendOnce(rows: readonly Row[]): Promise<Map<number, Result>> {
    const signed = await Promise.all(rows.map((row) => this.#sign(row)));
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: signed.join(""),
    });
    const text = await response.text();
    if (!response.ok) throw refusal(text);
    const results = new Map<number, Result>();
    for (const each of text.split("\n").filter(Boolean)) {
      const result = parseJsonWith(Result, each, "internal", "result");
      if (result.line !== undefined) results.set(result.line - 1, result);
    }
    return results;
  }

  async #sign({ token, body }: Row): Promise<string> {
    const proof = await signProof(this.#keys.signing, {
      htm: "POST",
      htu: this.#url,
      ath: sha256Base64url(token),
      "camara:bh": sha256Base64url(body),
    });
    return `${JSON.stringify({ token, proof, body })}\n`;
  }
}
