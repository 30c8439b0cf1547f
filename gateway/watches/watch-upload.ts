// Watches in bulk: NDJSON in, one signed request a line, NDJSON out, one result a line, told as the rows are taken. A row is what
// a request for one watch is, and stands or falls alone. Holds a block of lines, and the results that nobody has read yet.
import { Readable } from "node:stream";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { type RequestChecker, splitBlock, splitBlocks } from "../../consent/verifier.ts";
import { refusals } from "../metrics.ts";
import { describeError, toWjfError } from "../problem.ts";
import type { WatchState } from "./schema.ts";
import {
  type Creation,
  type CreationRules,
  type NewWatch,
  readNewWatch,
  requestChecker,
} from "./watch-creation.ts";
import { type UploadResult, UploadRow } from "./watch-schemas.ts";
import type { WatchStore } from "./watch-store.ts";

export interface UploadParts extends CreationRules {
  readonly store: WatchStore;
  readonly log: Logger;
  /** Of one upload. */
  readonly maxRows: number;
}

export const MAX_UPLOAD_ROWS = 100_000;
/** A row waits for its turn: as long as an upload may take. A proof that is used again makes no second watch. */
const MAX_PROOF_AGE_S = 3600;

/**
 * The results of an upload. It is read to its end whether they are read meanwhile or not, for many a client does not
 * read before it has sent all: what waits for it is at most a short line for each row.
 */
export function takeUpload(source: AsyncIterable<Uint8Array>, parts: UploadParts): Readable {
  return Readable.from(takeRows(source, parts), { highWaterMark: parts.maxRows });
}

async function* takeRows(
  source: AsyncIterable<Uint8Array>,
  parts: UploadParts,
): AsyncGenerator<string> {
  let before = 0;
  let known = false;
  try {
    for await (const block of splitBlocks(source)) {
      if (before + block.rows > parts.maxRows) {
        throw new WjfError("body-too-large", `at most ${parts.maxRows} rows`);
      }
      // Whoever has not shown a single request of an institution's is not listened to for longer.
      if (before > 0 && !known) {
        throw new WjfError("request-malformed", `no request that verifies in ${before} rows`);
      }
      const creations = await takeBlock(splitBlock(block.lines), parts);
      yield creations.map((creation, i) => text(result(creation, before + i + 1))).join("");
      before += block.rows;
      known ||= creations.some((creation) => !isNobodys(creation));
    }
  } catch (error) {
    // The status has gone out: this is told as the rows are.
    const { code, detail } = toWjfError(error);
    parts.log[code === "internal" ? "error" : "info"]({ err: error }, "an upload broke off");
    yield text({ error: problem(code, detail) });
  }
}

/** Anybody could have sent it. */
function isNobodys(creation: Creation): boolean {
  if (!("refusal" in creation)) return false;
  const { code } = creation.refusal;
  return code === "request-malformed" || code.startsWith("dpop-") || code.startsWith("token-");
}

/** All rows that may be created are so together, in one transaction. */
async function takeBlock(lines: readonly Buffer[], parts: UploadParts): Promise<Creation[]> {
  const checker = requestChecker(parts, MAX_PROOF_AGE_S);
  const read = lines.map((line) => readRow(line, checker, parts));
  const wanted = read.filter((row): row is NewWatch => !(row instanceof WjfError));
  const creations = (await parts.store.create(wanted)).values();
  return read.map((row) =>
    row instanceof WjfError ? { refusal: row } : (creations.next().value as Creation),
  );
}

function readRow(line: Buffer, checker: RequestChecker, rules: CreationRules): NewWatch | WjfError {
  try {
    const row = parseJsonWith(UploadRow, line.toString("utf8"), "request-malformed", "line");
    const { token, proof, body } = row;
    return readNewWatch({ token, proof, body: Buffer.from(body) }, checker, rules).watch;
  } catch (error) {
    if (error instanceof WjfError) return error;
    throw error;
  }
}

function result(creation: Creation, line: number): UploadResult {
  if ("refusal" in creation) {
    return { line, error: problem(creation.refusal.code, creation.refusal.detail) };
  }
  const { id, state } = creation.watch;
  return { line, watch_id: id, state: state as WatchState, created: creation.created };
}

function problem(code: ErrorCode, detail: string | undefined): UploadResult["error"] {
  refusals.inc({ code });
  return describeError(code, detail);
}

function text(line: UploadResult): string {
  return `${JSON.stringify(line)}\n`;
}
