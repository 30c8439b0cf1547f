// Rows that name a person instead of a token, in the sandbox: asks for each consent as `wjf ask` does, bound to the key that
// the batch will be signed with, and writes the rows as they will be sent. A file of tokens is sent as it is.
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { type ErrorCode, isErrorCode, WjfError } from "../core/errors.ts";
import { ProductRef, QueryId } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import { normaliseCnId, normaliseMsisdn } from "../crypto/index.ts";
import { type BatchRow, splitBlock, splitBlocks } from "../consent/index.ts";
import type { Institution, Subject } from "./institution.ts";
import type { Output } from "./output.ts";

const PersonRow = z.strictObject({
  query_id: QueryId.optional(),
  product: ProductRef,
  phone: z.string().optional(),
  id_number: z.string().optional(),
  claims: z.unknown().optional(),
});

/** What is sent for a row that no consent came for: no row, so the gateway refuses its line. The code is for the results. */
const RefusedRow = z.strictObject({
  refused: z.custom<ErrorCode>((value) => typeof value === "string" && isErrorCode(value)),
  query_id: QueryId.optional(),
});
export type RefusedRow = z.infer<typeof RefusedRow>;

/** Refusals that are about one row. Any other would be every row's. */
const OF_A_ROW: readonly ErrorCode[] = [
  "consent-refused",
  "person-unknown",
  "product-unknown",
  "rate-limited",
  "request-malformed",
  "scope-refused",
];

/** The path of the file to be sent. @throws WjfError `data-invalid`, naming the line. */
export async function consentedRows(
  file: string,
  institution: Institution,
  purpose: string,
  output: Output,
): Promise<string> {
  const people = await countPeople(file);
  if (people === 0) return file;
  output.line(`Asking ${people} people for consent`);
  using progress = output.progress("consents", people);
  const rows = rowsFile(file);
  let asked = 0;
  const written = async function* (): AsyncGenerator<string> {
    for await (const { line, text } of readLines(file)) {
      if (!namesPerson(text)) {
        yield `${text}\n`;
        continue;
      }
      yield `${await consentedRow(text, line, institution, purpose)}\n`;
      progress.update(++asked);
    }
  };
  await pipeline(Readable.from(written()), createWriteStream(rows, { mode: 0o600 }));
  return rows;
}

function rowsFile(file: string): string {
  return `${file}.rows.ndjson`;
}

/** Of the rows that were made from this file, those that no consent came for, by line. */
export async function refusedRows(file: string): Promise<ReadonlyMap<number, RefusedRow>> {
  const refused = new Map<number, RefusedRow>();
  if (![file, rowsFile(file)].every((path) => existsSync(path))) return refused;
  if ((await countPeople(file)) === 0) return refused;
  for await (const { line, text } of readLines(rowsFile(file))) {
    if (!text.startsWith('{"refused":')) continue;
    refused.set(line, parseJsonWith(RefusedRow, text, "data-invalid", `line ${line}`));
  }
  return refused;
}

async function countPeople(file: string): Promise<number> {
  let people = 0;
  for await (const { text } of readLines(file)) if (namesPerson(text)) people++;
  return people;
}

/** Whatever is no row at all is the gateway's to refuse, by its line. */
function namesPerson(text: string): boolean {
  try {
    const row = JSON.parse(text) as unknown;
    return typeof row === "object" && row !== null && ("phone" in row || "id_number" in row);
  } catch {
    return false;
  }
}

async function consentedRow(
  text: string,
  line: number,
  institution: Institution,
  purpose: string,
): Promise<string> {
  const row = parseJsonWith(PersonRow, text, "data-invalid", `line ${line}`);
  try {
    return JSON.stringify(await consented(row, line, institution, purpose));
  } catch (error) {
    if (!(error instanceof WjfError) || !OF_A_ROW.includes(error.code)) throw error;
    const refused: RefusedRow = { refused: error.code, query_id: row.query_id };
    return JSON.stringify(refused);
  }
}

async function consented(
  row: z.infer<typeof PersonRow>,
  line: number,
  institution: Institution,
  purpose: string,
): Promise<BatchRow> {
  const { kind } = await institution.product(row.product);
  const consent = await institution.consent({
    subject: subjectOf(row, line),
    products: [row.product],
    purpose,
    result: kind === "yes_no" || kind === "alerts" ? "boolean" : kind,
    maxUses: 1,
    sandboxApproves: true,
    boundToOwnKey: true,
  });
  return {
    query_id: row.query_id,
    product: row.product,
    token: consent.token,
    ...(row.claims !== undefined && { claims: await institution.sealClaims(row.claims) }),
  };
}

/** @throws WjfError `data-invalid`. */
export function subjectOf(
  { phone, id_number }: Pick<z.infer<typeof PersonRow>, "phone" | "id_number">,
  line: number,
): Subject {
  if (phone !== undefined && id_number === undefined) {
    return { kind: "msisdn", value: normaliseMsisdn(phone) };
  }
  if (id_number !== undefined && phone === undefined) {
    return { kind: "cn-id", value: normaliseCnId(id_number) };
  }
  throw new WjfError("data-invalid", `line ${line}: phone or id_number, one of them`);
}

/** From 1. */
export async function* readLines(file: string): AsyncGenerator<{ line: number; text: string }> {
  let line = 0;
  for await (const block of splitBlocks(createReadStream(file))) {
    for (const bytes of splitBlock(block.lines)) {
      yield { line: ++line, text: bytes.toString("utf8") };
    }
  }
}
