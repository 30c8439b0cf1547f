// Rows that name a person instead of a token, in the sandbox: asks for each consent as `wjf ask` does, bound to the key that
// the batch will be signed with, and writes the rows as they will be sent. A file of tokens is sent as it is.
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { ProductRef, QueryId } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import { normaliseCnId, normaliseMsisdn } from "../crypto/index.ts";
import { type BatchRow, splitBlock, splitBlocks } from "../consent/index.ts";
import type { Institution, Subject } from "./institution.ts";
import type { Output } from "./output.ts";
import type { RefusedRow } from "./batch-refused.ts";
import { ofOneRow } from "./row-refusal.ts";

const PersonRow = z.strictObject({
  query_id: QueryId.optional(),
  product: ProductRef,
  phone: z.string().optional(),
  id_number: z.string().optional(),
  claims: z.unknown().optional(),
});

export interface ConsentedRows {
  /** Of the file to be sent. */
  readonly path: string;
  readonly refused: readonly RefusedRow[];
}

/** Rows with the consents that came of them, and which came of none. @throws WjfError what is not about one row. */
export async function consentedRows(
  file: string,
  institution: Institution,
  purpose: string,
  output: Output,
): Promise<ConsentedRows> {
  const people = await countPeople(file);
  if (people === 0) return { path: file, refused: [] };
  output.line(`Asking ${people} people for consent`);
  using progress = output.progress("consents", people);
  const path = `${file}.rows.ndjson`;
  const refused: RefusedRow[] = [];
  let asked = 0;
  const written = async function* (): AsyncGenerator<string> {
    for await (const { line, text } of readLines(file)) {
      if (!namesPerson(text)) {
        yield `${text}\n`;
        continue;
      }
      const row = await consentedRow(text, line, institution, purpose);
      // What is sent for a row that no consent came for is no row, so the gateway refuses its line.
      if ("refused" in row) refused.push(row);
      yield `${JSON.stringify(row)}\n`;
      progress.update(++asked);
    }
  };
  await pipeline(Readable.from(written()), createWriteStream(path, { mode: 0o600 }));
  return { path, refused };
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
): Promise<BatchRow | RefusedRow> {
  let query_id: RefusedRow["query_id"];
  try {
    const row = parseJsonWith(PersonRow, text, "request-malformed");
    ({ query_id } = row);
    return await consented(row, institution, purpose);
  } catch (error) {
    return { line, refused: ofOneRow(error).code, ...(query_id !== undefined && { query_id }) };
  }
}

async function consented(
  row: z.infer<typeof PersonRow>,
  institution: Institution,
  purpose: string,
): Promise<BatchRow> {
  const { kind } = await institution.product(row.product);
  const consent = await institution.consent({
    subject: subjectOf(row),
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

/** @throws WjfError `request-malformed`. */
export function subjectOf({
  phone,
  id_number,
}: Pick<z.infer<typeof PersonRow>, "phone" | "id_number">): Subject {
  if (phone !== undefined && id_number === undefined) {
    return { kind: "msisdn", value: normaliseMsisdn(phone) };
  }
  if (id_number !== undefined && phone === undefined) {
    return { kind: "cn-id", value: normaliseCnId(id_number) };
  }
  throw new WjfError("request-malformed", "phone or id_number, one of them");
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
