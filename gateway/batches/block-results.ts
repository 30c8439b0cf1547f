// The results of one block as they are kept, and as the institution gets them: one JSON object a line, with the line's
// number in what was sent. Receipts of one fan-out share their signed checkpoint, which is kept once and put back here.
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { z } from "zod";
import { type ErrorCode, isErrorCode } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { describeError } from "../problem.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

const Code = z.custom<ErrorCode>((value) => typeof value === "string" && isErrorCode(value));

const RowResult = z.union([
  z.object({
    line: z.int(),
    /** JSON of the answer without its receipt. */
    answer: z.string(),
    /** Without its checkpoint when that is `checkpoint`. */
    receipt: z.string(),
    own: z.boolean(),
  }),
  z.object({ line: z.int(), query_id: z.string(), sealed: z.string() }),
  z.object({
    line: z.int(),
    query_id: z.string().optional(),
    refusal: Code,
    detail: z.string().optional(),
  }),
]);
export type RowResult = z.infer<typeof RowResult>;

const BlockResults = z.object({ checkpoint: z.string(), rows: z.array(RowResult) });
export type BlockResults = z.infer<typeof BlockResults>;

export async function packResults(results: BlockResults): Promise<Buffer> {
  return await compress(JSON.stringify(results), FASTEST);
}

/** The lines as the institution gets them, newlines included. */
export async function resultLines(packed: Buffer): Promise<string> {
  const text = (await decompress(packed)).toString("utf8");
  const { rows, checkpoint } = parseJsonWith(BlockResults, text, "internal", "block results");
  return rows.map((row) => `${resultLine(row, checkpoint)}\n`).join("");
}

function resultLine(row: RowResult, checkpoint: string): string {
  if ("sealed" in row) return JSON.stringify(row);
  if ("refusal" in row) return JSON.stringify(refused(row));
  const receipt = row.own ? row.receipt : `${row.receipt}\n\n${checkpoint}`;
  // The answer is the authority's JSON, kept to the letter.
  return `{"line":${row.line},${row.answer.slice(1, -1)},"receipt":${JSON.stringify(receipt)}}`;
}

function refused({ line, query_id, refusal, detail }: Extract<RowResult, { refusal: unknown }>) {
  const error = describeError(refusal, detail);
  return { line, ...(query_id !== undefined && { query_id }), error };
}

export async function packLines(lines: Buffer): Promise<Buffer> {
  return await compress(lines, FASTEST);
}

export async function unpackLines(packed: Buffer): Promise<Buffer> {
  return await decompress(packed);
}
