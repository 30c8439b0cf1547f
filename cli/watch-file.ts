// `wjf watch add --from FILE`: watches of many people, a line each. Consents are asked for and conditions sealed first, into
// FILE.rows.ndjson (watch-rows.ts), which a later run finds and goes on with: nobody is asked twice, and the same rows are the same
// watches. A row that is refused holds up no other.
import { randomUUID } from "node:crypto";
import { appendFileSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";
import { readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { WATCHES_PATH } from "../consent/index.ts";
import { describeError } from "../gateway/problem.ts";
import { signProof } from "./batch-client.ts";
import { readLines, subjectOf } from "./batch-consents.ts";
import { type InstitutionKeys, readInstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";
import { Institution } from "./institution.ts";
import type { Output } from "./output.ts";
import { ofOneRow, printRefusals, type RowRefusal } from "./row-refusal.ts";
import { consentFor, watchBody, type WatchTerms } from "./watch-add.ts";
import { readConditions } from "./watch-conditions.ts";
import { type PreparedRow, WatchRows } from "./watch-rows.ts";

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

const Result = z.looseObject({
  line: z.int().optional(),
  created: z.boolean().optional(),
  error: z
    .looseObject({ code: z.string(), detail: z.string().optional(), retryable: z.boolean() })
    .optional(),
});
type Result = z.infer<typeof Result>;

/** Rows in one request; far below what the gateway takes, so that they can be sent again. */
const ROWS_AT_ONCE = 1000;
const ATTEMPTS = 5;
const RETRY_MS = 1000;

export async function addWatches(output: Output, options: WatchFileOptions): Promise<void> {
  const rows = await WatchRows.open(`${options.from}.rows.ndjson`);
  const results = `${options.from}.results.ndjson`;
  const total = await prepare(rows, options, output);
  const counts = { created: 0, present: 0, refused: 0 };
  const refusals: RowRefusal[] = [];
  rmSync(results, { force: true });
  using progress = output.progress("watches", total);
  for await (const result of told(rows, options)) {
    const { line = 0, created, error } = result;
    if (error !== undefined) refusals.push({ line, code: error.code, detail: error.detail });
    counts[error !== undefined ? "refused" : created === true ? "created" : "present"]++;
    appendFileSync(results, `${JSON.stringify(result)}\n`, { mode: 0o600 });
    progress.update(counts.created + counts.present + counts.refused);
  }
  output.line(
    `${counts.created} of ${total} watches created, ${counts.present} were there, ${counts.refused} refused`,
  );
  printRefusals(output, refusals);
  output.line(`Results, one line a row: ${results}. Run again, this goes on with ${rows.path}.`);
  const byCode = Map.groupBy(refusals, ({ code }) => code);
  const counted = [...byCode].map(([code, some]) => [code, some.length] as const);
  output.result({ rows: total, ...counts, refusals: Object.fromEntries(counted), results });
}

/** What became of each row: of those that were sent in their order, then of those that could not be. */
async function* told(rows: WatchRows, { client }: WatchFileOptions): AsyncGenerator<Result> {
  const { home, gatewayUrl } = readSettings();
  const sender = new Sender(gatewayUrl, readInstitutionKeys(home, client));
  for await (const part of parts(rows.prepared())) yield* await sender.send(part);
  for (const { line, refused, detail } of rows.refused) {
    yield { line, error: describeError(refused, detail) };
  }
}

/** Adds to the prepared rows what is missing of them. @returns how many lines there are. */
async function prepare(
  rows: WatchRows,
  options: WatchFileOptions,
  output: Output,
): Promise<number> {
  const settings = readSettings();
  const institution = new Institution(settings, readInstitutionKeys(settings.home, options.client));
  const total = await countLines(options.from);
  if (rows.lines > total) {
    throw new WjfError("data-invalid", `${rows.path}: of another file; remove it`);
  }
  const left = total - rows.lines;
  if (left > 0) output.line(`Preparing ${left} rows: consents, sealed conditions`);
  using progress = output.progress("rows", total);
  let seal = await institution.claimsSealer();
  for await (const { line, text } of readLines(options.from)) {
    if (rows.isDone(line, text)) continue;
    // Once in a while the keys may be others.
    if (line % ROWS_AT_ONCE === 0) seal = await institution.claimsSealer();
    try {
      rows.prepare({
        line,
        ...(await preparedRow(text, { settings, institution, options, seal })),
      });
    } catch (error) {
      const { code, detail } = ofOneRow(error);
      rows.refuse(line, text, code, detail);
    }
    progress.update(line);
  }
  return total;
}

interface Preparing {
  readonly settings: Settings;
  readonly institution: Institution;
  readonly options: WatchFileOptions;
  readonly seal: (claims: unknown) => Promise<string>;
}

async function preparedRow(
  text: string,
  { settings, institution, options, seal }: Preparing,
): Promise<{ token: string; body: string }> {
  const row = parseJsonWith(FileRow, text, "request-malformed");
  const { watch_id: id = randomUUID(), sink = options.sink } = row;
  if (sink === undefined) throw new WjfError("request-malformed", "sink, or --sink");
  const wanted = readConditions(row.conditions);
  const asked = () => consentFor(settings, { subject: subjectOf(row), wanted, terms: options });
  const token = row.token ?? (await institution.consent(asked())).token;
  return { token, body: await watchBody({ id, wanted, sink, terms: options }, seal) };
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const { line } of readLines(file)) lines = line;
  return lines;
}

async function* parts(rows: AsyncIterable<PreparedRow>): AsyncGenerator<PreparedRow[]> {
  let part: PreparedRow[] = [];
  for await (const row of rows) {
    part.push(row);
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
  async send(rows: readonly PreparedRow[]): Promise<Result[]> {
    const results = new Map<number, Result>();
    let left = rows;
    for (let attempt = 0; left.length > 0 && attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await pause(RETRY_MS);
      for (const [i, result] of await this.#sendOnce(left)) {
        const { line } = left[i] as PreparedRow;
        results.set(line, { ...result, line });
      }
      left = left.filter(({ line }) => results.get(line)?.error?.retryable ?? !results.has(line));
    }
    const untold = { error: describeError("federation-unavailable") };
    return rows.map(({ line }) => results.get(line) ?? { line, ...untold });
  }

  /** Results by the row's place. @throws WjfError the gateway's code. */
  async #sendOnce(rows: readonly PreparedRow[]): Promise<Map<number, Result>> {
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

  async #sign({ token, body }: PreparedRow): Promise<string> {
    const proof = await signProof(this.#keys.signing, {
      htm: "POST",
      htu: this.#url,
      ath: sha256Base64url(token),
      "camara:bh": sha256Base64url(body),
    });
    return `${JSON.stringify({ token, proof, body })}\n`;
  }
}
