// Takes a batch in: verifies its proof and that its key holds a consent token of a known institution, stores the blocks as
// they come, and accepts the batch only when what came is what was signed. Until then nothing of it can be asked.
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import {
  BATCH_LIFETIME_S,
  batchIdOf,
  type BatchProof,
  blockHash,
  BlockTree,
  type FederationView,
  type LineBlock,
  parseRow,
  splitBlock,
  splitBlocks,
  TokenChecker,
  verifyBatchProof,
} from "../../consent/verifier.ts";
import type { Batch, BatchStore, NewBlock } from "./batch-store.ts";
import { packLines } from "./block-results.ts";

export interface BatchLimits {
  readonly bytes: number;
  /** Batches that one institution may have open. */
  readonly openPerClient: number;
  readonly open: number;
}

export const BATCH_LIMITS: BatchLimits = { bytes: 16 * 2 ** 30, openPerClient: 8, open: 64 };

/** Oldest batch proof at the door: the institution has hashed the whole batch after signing time. */
const MAX_PROOF_AGE_S = 300;
/** Blocks in one transaction. */
const BLOCKS_PER_WRITE = 16;

export interface ReceiveParts {
  readonly store: BatchStore;
  readonly view: FederationView;
  readonly clock: Clock;
  readonly limits: BatchLimits;
}

/**
 * Idempotent: the same signed batch is the same batch, however often it is sent.
 * @throws WjfError `dpop-*`, `token-*`, `body-too-large`, `rate-limited`, `overloaded`.
 */
export async function receiveBatch(
  jws: string,
  body: AsyncIterable<Uint8Array>,
  parts: ReceiveParts,
): Promise<Batch> {
  const { store, view, clock } = parts;
  const { audience } = view.current().roster;
  const id = batchIdOf(jws);
  const known = await store.find(id);
  if (known !== undefined && known.state !== "receiving") return known;
  const proof = await verifyBatchProof(jws, audience, clock, MAX_PROOF_AGE_S);
  if ((await store.countOpen()) >= parts.limits.open) throw new WjfError("overloaded");
  const upload = new Upload(id, jws, proof, parts);
  try {
    for await (const block of splitBlocks(body)) await upload.add(block);
    await upload.complete();
  } catch (error) {
    await upload.discard();
    throw error;
  }
  const batch = await store.find(id);
  if (batch === undefined) throw new WjfError("federation-unavailable");
  return batch;
}

class Upload {
  readonly #id: string;
  readonly #jws: string;
  readonly #proof: BatchProof;
  readonly #parts: ReceiveParts;
  readonly #hashes: Buffer[] = [];
  #waiting: NewBlock[] = [];
  #rows = 0;
  #bytes = 0;
  #begun = false;

  constructor(id: string, jws: string, proof: BatchProof, parts: ReceiveParts) {
    this.#id = id;
    this.#jws = jws;
    this.#proof = proof;
    this.#parts = parts;
  }

  async add(block: LineBlock): Promise<void> {
    this.#rows += block.rows;
    this.#bytes += block.lines.length;
    if (this.#rows > this.#proof.rows) throw new WjfError("dpop-binding", "more rows than signed");
    if (this.#bytes > this.#parts.limits.bytes) throw new WjfError("body-too-large");
    if (!this.#begun) await this.#begin(block);
    const hash = blockHash(block.lines);
    const idx = this.#hashes.push(hash) - 1;
    this.#waiting.push({ idx, rows: block.rows, hash, lines: await packLines(block.lines) });
    if (this.#waiting.length >= BLOCKS_PER_WRITE) await this.#write();
  }

  async complete(): Promise<void> {
    if (this.#rows !== this.#proof.rows) throw new WjfError("dpop-binding", "rows: not as signed");
    if (!new BlockTree(this.#hashes).root().equals(this.#proof.root)) {
      throw new WjfError("dpop-binding", "root: not as signed");
    }
    await this.#write();
    await this.#parts.store.receive(this.#id, this.#bytes);
  }

  async discard(): Promise<void> {
    if (this.#begun) await this.#parts.store.remove(this.#id);
  }

  /** Whose batch it is: the first block must hold at least one token that the authority has bound to the batch's key. */
  async #begin({ lines }: LineBlock): Promise<void> {
    const { store, limits } = this.#parts;
    const clientId = this.#clientOf(splitBlock(lines));
    if ((await store.countOpen(clientId)) >= limits.openPerClient) {
      throw new WjfError("rate-limited", "open batches");
    }
    const { jkt, rows, sealed, issuedAt } = this.#proof;
    await store.begin({
      id: this.#id,
      client_id: clientId,
      jkt,
      proof: this.#jws,
      rows,
      sealed: sealed ? 1 : 0,
      deadline_at: Math.floor(issuedAt + BATCH_LIFETIME_S) * 1000,
    });
    this.#begun = true;
  }

  /** @throws WjfError what the first row is refused for, when no row of the block will do. */
  #clientOf(lines: readonly Buffer[]): string {
    const { view, clock } = this.#parts;
    const { roster, tokenKeys } = view.current();
    const { issuer, audience } = roster;
    const tokens = new TokenChecker({ issuer, audience, tokenKeys }, clock);
    let first: unknown;
    for (const line of lines) {
      try {
        const consent = tokens.open(parseRow(line).token);
        tokens.requireTimely(consent);
        if (consent.cnf.jkt !== this.#proof.jkt) throw new WjfError("dpop-key");
        return consent.client_id;
      } catch (error) {
        if (!(error instanceof WjfError)) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  async #write(): Promise<void> {
    const blocks = this.#waiting;
    this.#waiting = [];
    if (blocks.length > 0) await this.#parts.store.addBlocks(this.#id, blocks);
  }
}
