// `wjf batch`: sends a file of rows, shows the progress, writes the results, and says what was refused and why.
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { importPrivate, openJson } from "../crypto/index.ts";
import { describeError } from "../gateway/problem.ts";
import { BatchClient, type BatchState, hashFile } from "./batch-client.ts";
import { consentedRows } from "./batch-consents.ts";
import { keepRefused, readRefused, type RefusedRow } from "./batch-refused.ts";
import { type InstitutionKeys, readInstitutionKeys } from "./demo-institution.ts";
import { Institution } from "./institution.ts";
import { type Output, table } from "./output.ts";

export interface BatchOptions {
  readonly out?: string;
  readonly resume?: string;
  readonly client: string;
  readonly purpose: string;
  readonly sealed?: boolean;
}

const ResultLine = z.looseObject({
  line: z.int(),
  sealed: z.string().optional(),
  error: z.looseObject({ code: z.string() }).optional(),
});

export async function batch(
  output: Output,
  file: string | undefined,
  options: BatchOptions,
): Promise<void> {
  const settings = readSettings();
  const keys = readInstitutionKeys(settings.home, options.client);
  const client = new BatchClient(settings.gatewayUrl, keys);
  const out = outFile(file, options);
  const startedMs = performance.now();
  const id =
    options.resume ??
    (await send(client, new Institution(settings, keys), requireFile(file), options, output));
  const withoutConsent = readRefused({ home: settings.home, client: options.client }, id);
  const state = await follow(client, id, output);
  const seconds = (performance.now() - startedMs) / 1000;
  const refusals = await writeResults({ client, id, out, keys, withoutConsent });
  print({ state, out, seconds, refusals }, output);
  output.result({
    id,
    rows: state.rows,
    answered: state.answered,
    refused: state.refused,
    refusals: Object.fromEntries(refusals),
    results: out,
    seconds,
  });
}

function requireFile(file: string | undefined): string {
  if (file === undefined) throw new WjfError("request-malformed", "give FILE, or --resume ID");
  return file;
}

function outFile(file: string | undefined, { out, resume }: BatchOptions): string {
  return out ?? `${file ?? resume ?? "batch"}.results.ndjson`;
}

async function send(
  client: BatchClient,
  institution: Institution,
  file: string,
  { client: clientId, purpose, sealed }: BatchOptions,
  output: Output,
): Promise<string> {
  const { path, refused } = await consentedRows(file, institution, purpose, output);
  const hashed = await hashFile(path);
  output.line(`Sending ${hashed.rows} rows`);
  const { id } = await client.send(hashed, sealed === true);
  keepRefused({ home: readSettings().home, client: clientId }, id, refused);
  output.line(`Taken as batch ${id}. If this is interrupted: wjf batch --resume ${id}`);
  return id;
}

async function follow(client: BatchClient, id: string, output: Output): Promise<BatchState> {
  let last: BatchState | undefined;
  let progress: ReturnType<Output["progress"]> | undefined;
  try {
    for await (const state of client.follow(id)) {
      progress ??= output.progress("people", state.rows);
      progress.update(state.done);
      last = state;
    }
  } finally {
    progress?.[Symbol.dispose]();
  }
  if (last === undefined) throw new WjfError("internal", "the batch told nothing");
  return last;
}

interface Results {
  readonly client: BatchClient;
  readonly id: string;
  readonly out: string;
  readonly keys: InstitutionKeys;
  /** Rows that no consent came for: the gateway knows of them only that they are no rows. */
  readonly withoutConsent: ReadonlyMap<number, RefusedRow>;
}

/** Writes the results and counts refusals by code. */
async function writeResults(results: Results): Promise<ReadonlyMap<string, number>> {
  const { client, id, out, keys, withoutConsent } = results;
  const refusals = new Map<string, number>();
  const lines = createInterface({ input: await client.results(id) });
  const opened = async function* (): AsyncGenerator<string> {
    for await (const told of lines) {
      const row = parseJsonWith(ResultLine, told, "internal", "result");
      const before = row.error === undefined ? undefined : withoutConsent.get(row.line);
      const code = before?.refused ?? row.error?.code;
      if (code !== undefined) refusals.set(code, (refusals.get(code) ?? 0) + 1);
      if (row.sealed !== undefined) yield `${await open(row.line, row.sealed, keys)}\n`;
      else yield before === undefined ? `${told}\n` : `${JSON.stringify(refusedAs(row, before))}\n`;
    }
  };
  // Answers are about people: nobody but this user reads them.
  await pipeline(Readable.from(opened()), createWriteStream(out, { mode: 0o600 }));
  return refusals;
}

function refusedAs(row: object, { refused, query_id }: RefusedRow): object {
  return { ...row, ...(query_id !== undefined && { query_id }), error: describeError(refused) };
}

async function open(line: number, sealed: string, keys: InstitutionKeys): Promise<string> {
  const answer = await openJson(sealed, importPrivate(keys.encryption), "internal");
  return JSON.stringify({ line, ...(answer as object) });
}

interface Summary {
  readonly state: BatchState;
  readonly out: string;
  readonly seconds: number;
  readonly refusals: ReadonlyMap<string, number>;
}

function print({ state, out, seconds, refusals }: Summary, output: Output): void {
  const rate = Math.round(state.rows / seconds);
  output.line(
    `${state.answered} of ${state.rows} rows answered, ${state.refused} refused, ` +
      `${seconds.toFixed(1)} s (${rate} people/s)`,
  );
  if (refusals.size > 0) {
    const rows = [...refusals].map(([code, count]) => [code, String(count)]);
    output.line(table([["refused because", "rows"], ...rows]));
  }
  output.line(`Results, one line a row: ${out}`);
}
