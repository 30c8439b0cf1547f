// NDJSON as it streams in → blocks of lines, each line ending in one newline. Holds one block at most, whatever is sent; the
// reader waits while a block is dealt with, and that is what holds the sender back. Institution and gateway cut alike.
import { WjfError } from "../core/errors.ts";
import { BLOCK_ROWS, MAX_LINE_BYTES } from "./batch-rows.ts";

const NEWLINE = 0x0a;

export interface LineBlock {
  readonly lines: Buffer;
  readonly rows: number;
}

/** @throws WjfError `body-too-large`, naming the line. */
export async function* splitBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<LineBlock> {
  let rest: Buffer = Buffer.alloc(0);
  let linesBefore = 0;
  for await (const chunk of source) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    for (let block = takeBlock(rest, linesBefore); block; block = takeBlock(rest, linesBefore)) {
      rest = rest.subarray(block.lines.length);
      linesBefore += block.rows;
      yield block;
    }
  }
  if (rest.length === 0) return;
  const complete = rest.at(-1) === NEWLINE ? rest : Buffer.concat([rest, Buffer.from("\n")]);
  yield { lines: complete, rows: countLines(complete) };
}

/** A whole block from the start of the bytes, if there is one. */
function takeBlock(bytes: Buffer, linesBefore: number): LineBlock | undefined {
  let end = 0;
  for (let rows = 0; rows < BLOCK_ROWS; rows++) {
    const at = bytes.indexOf(NEWLINE, end);
    const length = (at === -1 ? bytes.length : at) - end;
    if (length > MAX_LINE_BYTES) {
      throw new WjfError("body-too-large", `line ${linesBefore + rows + 1}`);
    }
    if (at === -1) return undefined;
    end = at + 1;
  }
  return { lines: bytes.subarray(0, end), rows: BLOCK_ROWS };
}

function countLines(bytes: Buffer): number {
  let rows = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) rows++;
  return rows;
}
