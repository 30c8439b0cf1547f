// A batch as its institution writes and signs it: NDJSON lines in blocks of 93, and the RFC 6962 tree over the blocks whose
// root the institution signs. So any block can be checked alone, and nobody on the way can add a row, change or move one.
// docs/decisions/052-batches.md. Shape and hashing only; who signed what is batch-proof.ts's.
import { z } from "zod";
import { uuid8 } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef, QueryId } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import {
  EMPTY_ROOT,
  leafHash,
  type Nodes,
  nodeHash,
  rootFromInclusion,
  Tree,
} from "../crypto/merkle.ts";
import { QueryBody, signedPart } from "./signed-request.ts";

/** Two blocks of credit scores, 11 slots each, fill the 2,047 slots of one ciphertext. */
export const BLOCK_ROWS = 93;
/** Longest line, in bytes: a token and claims as large as a single question may have. */
export const MAX_LINE_BYTES = 64 * 1024;
export const MAX_BATCH_ROWS = 4_000_000;

export const BatchRow = z.strictObject({
  query_id: QueryId.optional(),
  product: ProductRef,
  /** Consent token, JWS compact. */
  token: z.string().max(16 * 1024),
  claims: QueryBody.shape.claims,
});
export type BatchRow = z.infer<typeof BatchRow>;

/** @throws WjfError `request-malformed`, naming the field. */
export function parseRow(line: Uint8Array): BatchRow {
  if (line.length > MAX_LINE_BYTES) throw new WjfError("request-malformed", "line: too long");
  return parseJsonWith(BatchRow, Buffer.from(line).toString("utf8"), "request-malformed");
}

/** How many blocks hold this many rows. */
export function blockCount(rows: number): number {
  return Math.ceil(rows / BLOCK_ROWS);
}

/** Rows in one block of a batch. */
export function rowsInBlock(index: number, rows: number): number {
  return Math.min(BLOCK_ROWS, rows - index * BLOCK_ROWS);
}

/** The lines of a block: each ends in one newline. */
export function splitBlock(block: Uint8Array): Buffer[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) throw new WjfError("request-malformed", "block: the last line has no end");
    lines.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return lines;
}

export function blockHash(block: Uint8Array): Buffer {
  return leafHash(block);
}

/** The tree over a batch's blocks. */
export class BlockTree implements Nodes {
  readonly #levels: Buffer[][];
  readonly #tree: Tree;

  constructor(hashes: readonly Buffer[]) {
    this.#levels = [[...hashes]];
    for (let below = this.#levels[0] as Buffer[]; below.length > 1;) {
      const level: Buffer[] = [];
      for (let i = 0; i + 1 < below.length; i += 2) {
        level.push(nodeHash(below[i] as Buffer, below[i + 1] as Buffer));
      }
      this.#levels.push(level);
      below = level;
    }
    this.#tree = new Tree(hashes.length, this);
  }

  node(height: number, index: number): Buffer {
    return this.#levels[height]?.[index] ?? EMPTY_ROOT;
  }

  root(): Buffer {
    return this.#tree.root();
  }

  path(index: number): Buffer[] {
    return this.#tree.inclusionProof(index);
  }
}

/** @throws WjfError `dpop-binding` when the block is not the one that was signed at this place. */
export function requireSignedBlock(
  block: { readonly index: number; readonly lines: Uint8Array; readonly path: readonly Buffer[] },
  signed: { readonly rows: number; readonly root: Buffer },
): void {
  const size = blockCount(signed.rows);
  const root = rootFromInclusion(blockHash(block.lines), block.index, size, block.path);
  if (root === undefined || !root.equals(signed.root)) {
    throw new WjfError("dpop-binding", `block ${block.index}`);
  }
}

/**
 * The id of a row that was sent without one: derived from the batch's signature, so that nobody on the way can turn one row
 * into two queries. UUIDv8, RFC 9562 §5.8.
 */
export function queryIdOfRow(batchId: string, line: number): QueryId {
  return uuid8(`weijifen/batch-row\n${batchId}\n${line}`) as QueryId;
}

/** The same signed batch is the same batch, however often it is sent. */
export function batchIdOf(proof: string): string {
  return uuid8(`weijifen/batch\n${signedPart(proof)}`);
}
