// Carries one batch to its end under its lease: takes its open blocks, a few fan-outs at a time, stores results, and comes
// back to blocks whose rows wait for a province or for the authority. What has a result is never asked again.
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { inSpan } from "../../core/tracing.ts";
import {
  BLOCK_ROWS,
  BlockTree,
  parseRow,
  queryIdOfRow,
  rowsInBlock,
  splitBlock,
} from "../../consent/verifier.ts";
import {
  type BatchFanOutParts,
  type CarriedRow,
  carryBlocks,
  type SignedBlock,
} from "./batch-fan-out.ts";
import type { Batch, BatchStore, BlockResult } from "./batch-store.ts";
import { batchRows } from "../metrics.ts";
import { packResults, type RowResult, unpackLines } from "./block-results.ts";

export interface BatchRunParts extends BatchFanOutParts {
  readonly store: BatchStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Blocks in one admission: 1,116 rows, six ciphertexts of credit scores. */
const BLOCKS_AT_ONCE = 12;
/** An admission's lines stay below half of the largest message. */
const MAX_BYTES = 7 * 1024 * 1024;
/** While one fan-out is with the provinces, another is with the authority. */
const IN_FLIGHT = 2;

const BACKOFF_MS = { first: 250, longest: 15_000 };
/** After so many tries in vain a row keeps its refusal. */
const ATTEMPTS = 8;

/** What may hold for a row now and not in a moment. */
const PASSING = new Set<ErrorCode>([
  "coverage-incomplete",
  "federation-unavailable",
  "deadline-exceeded",
  "overloaded",
  "epoch-unknown",
  "masks-uncancelled",
]);

export class BatchRun {
  readonly #batch: Batch;
  readonly #parts: BatchRunParts;
  readonly #signal: AbortSignal;
  readonly #tree: BlockTree;
  /** Blocks to be carried, the next one first. */
  readonly #open: number[];
  readonly #attempts = new Map<number, number>();
  #blocksAtOnce = BLOCKS_AT_ONCE;

  private constructor(
    batch: Batch,
    blocks: { hashes: Buffer[]; open: number[] },
    parts: BatchRunParts,
    signal: AbortSignal,
  ) {
    this.#batch = batch;
    this.#parts = parts;
    this.#signal = signal;
    this.#tree = new BlockTree(blocks.hashes);
    this.#open = blocks.open;
  }

  /** Resolves when every block has its result, or rejects when the signal aborts or the lease is lost. */
  static async carry(batch: Batch, parts: BatchRunParts, signal: AbortSignal): Promise<void> {
    const run = new BatchRun(batch, await parts.store.blocks(batch.id), parts, signal);
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => run.#work()));
  }

  async #work(): Promise<void> {
    let pauseMs: number = BACKOFF_MS.first;
    while (this.#open.length > 0) {
      this.#signal.throwIfAborted();
      if (this.#parts.clock.nowMs() > this.#batch.deadline_at) return await this.#refuseOpen();
      const taken = this.#open.splice(0, this.#blocksAtOnce);
      try {
        const again = await this.#carry(await this.#load(taken));
        pauseMs = again ? await this.#pause(pauseMs) : BACKOFF_MS.first;
      } catch (error) {
        if (!(error instanceof WjfError)) throw error;
        const { id } = this.#batch;
        this.#parts.log.warn({ batch: id, refusal: error.code, err: error }, "blocks come again");
        this.#putBack(taken);
        pauseMs = await this.#pause(pauseMs);
      }
    }
  }

  async #pause(ms: number): Promise<number> {
    await delay(ms, undefined, { signal: this.#signal });
    return Math.min(ms * 2, BACKOFF_MS.longest);
  }

  #putBack(blocks: readonly number[]): void {
    this.#open.unshift(...blocks);
    this.#open.sort((a, b) => a - b);
  }

  /** Fewer than asked for when their lines are long; the rest is put back. */
  async #load(taken: readonly number[]): Promise<readonly SignedBlock[]> {
    const stored = await this.#parts.store.lines(this.#batch.id, taken);
    const loaded: SignedBlock[] = [];
    let bytes = 0;
    for (const [i, index] of taken.entries()) {
      const packed = stored.get(index);
      // Another replica has answered it: the lease is lost, as the next write will find.
      if (packed === undefined) continue;
      const lines = await unpackLines(packed);
      bytes += lines.length;
      if (bytes > MAX_BYTES && loaded.length > 0) {
        this.#putBack(taken.slice(i));
        break;
      }
      loaded.push({ index, lines, rows: splitBlock(lines), path: this.#tree.path(index) });
    }
    return loaded;
  }

  /** True when some of the blocks have to come again. */
  async #carry(blocks: readonly SignedBlock[]): Promise<boolean> {
    if (blocks.length === 0) return false;
    const carry = () => carryBlocks(this.#batch.proof, blocks, this.#parts);
    const carried = await inSpan("batch fan-out", carry, { parent: "none" });
    // The authority says how many blocks one fan-out takes; the next request is not much longer than that.
    this.#blocksAtOnce = Math.min(BLOCKS_AT_ONCE, carried.blocks + 1);
    this.#putBack(blocks.slice(carried.blocks).map(({ index }) => index));
    const done: BlockResult[] = [];
    const again: number[] = [];
    let at = 0;
    for (const block of blocks.slice(0, carried.blocks)) {
      const rows = carried.rows.slice(at, (at += block.rows.length));
      if (this.#mustComeAgain(block.index, rows)) again.push(block.index);
      else done.push(await this.#result(block, rows));
    }
    if (done.length > 0) await this.#store(done);
    this.#putBack(again);
    return again.length > 0;
  }

  #mustComeAgain(index: number, rows: readonly CarriedRow[]): boolean {
    const passing = rows.some(
      ({ outcome }) => outcome.result === "refusal" && PASSING.has(outcome.refusal),
    );
    const attempts = (this.#attempts.get(index) ?? 0) + 1;
    this.#attempts.set(index, attempts);
    return passing && attempts < ATTEMPTS;
  }

  async #result(block: SignedBlock, rows: readonly CarriedRow[]): Promise<BlockResult> {
    const first = block.index * BLOCK_ROWS + 1;
    const checkpoint = rows.find((row) => row.checkpoint !== "")?.checkpoint ?? "";
    const results = rows.map((row, i) =>
      rowResult(row, first + i, block.rows[i] as Buffer, checkpoint, this.#batch.id),
    );
    const refused = results.filter((result) => "refusal" in result).length;
    return {
      idx: block.index,
      result: await packResults({ checkpoint, rows: results }),
      answered: results.length - refused,
      refused,
    };
  }

  /** The batch's time is over: what is open is refused, without asking. */
  async #refuseOpen(): Promise<void> {
    for (const index of this.#open.splice(0)) {
      const rows = rowsInBlock(index, this.#batch.rows);
      const first = index * BLOCK_ROWS + 1;
      const results = Array.from({ length: rows }, (_, i): RowResult => ({
        line: first + i,
        refusal: "deadline-exceeded",
      }));
      const result = await packResults({ checkpoint: "", rows: results });
      await this.#store([{ idx: index, result, answered: 0, refused: rows }]);
    }
  }

  async #store(results: readonly BlockResult[]): Promise<void> {
    await this.#parts.store.store(this.#batch.id, results);
    for (const { answered, refused } of results) {
      batchRows.inc({ result: "answer" }, answered);
      batchRows.inc({ result: "refusal" }, refused);
    }
  }
}

function rowResult(
  { outcome, receipt, checkpoint }: CarriedRow,
  line: number,
  text: Buffer,
  shared: string,
  batchId: string,
): RowResult {
  switch (outcome.result) {
    case "answer":
      return receipt.includes("\n\n") || checkpoint === shared
        ? { line, answer: outcome.answer, receipt, own: receipt.includes("\n\n") }
        : { line, answer: outcome.answer, receipt: `${receipt}\n\n${checkpoint}`, own: true };
    case "sealed":
      return { line, query_id: queryIdOf(text, line, batchId), sealed: outcome.sealed };
    case "refusal":
      return {
        line,
        query_id: queryIdOf(text, line, batchId),
        refusal: outcome.refusal,
        ...detailOf(text, outcome.refusal),
      };
  }
}

function queryIdOf(text: Buffer, line: number, batchId: string): string {
  try {
    return parseRow(text).query_id ?? queryIdOfRow(batchId, line);
  } catch {
    return queryIdOfRow(batchId, line);
  }
}

/** Which field, for a line that is not a row at all: the code alone would not help to find it. */
function detailOf(text: Buffer, refusal: ErrorCode): { detail?: string } {
  if (refusal !== "request-malformed") return {};
  try {
    parseRow(text);
    return {};
  } catch (error) {
    const detail = error instanceof WjfError ? error.detail : undefined;
    return detail === undefined ? {} : { detail };
  }
}
