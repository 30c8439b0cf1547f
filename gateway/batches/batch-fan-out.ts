// Some blocks of a batch, once around: the authority admits their rows and signs a manifest, every province evaluates it in
// one call, their ciphertexts are added blind, the authority releases. A province that fails costs one more round without it,
// as for single questions (fan-out.ts). Asked again, blocks come to the same answers: the authority gives each row one, ever.
import { randomUUID, type KeyObject } from "node:crypto";
import type { Catalogue } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import {
  type HeScheme,
  type HeSum,
  type MergeCommitment,
  quorum,
  signStatement,
} from "../../crypto/index.ts";
import {
  digestBatchDescriptor,
  type DigestedBatchDescriptor,
  type EpochView,
  type FederationView,
  layOut,
  openManifest,
  parseRow,
  productsOf,
} from "../../consent/verifier.ts";
import type {
  AdmitBatchReply,
  AuthorityClient,
  EvaluateBatchReply,
  RowOutcome,
} from "../../proto/index.ts";
import { timeToAdd, verifyReply } from "../fan-out.ts";
import { heDurations, meterFanOut, rounds } from "../metrics.ts";
import type { ProvincePool } from "../province-pool.ts";

export interface BatchFanOutParts {
  readonly scheme: HeScheme;
  readonly view: FederationView;
  readonly provinces: ProvincePool;
  readonly authority: Pick<AuthorityClient, "admitBatch" | "admitWatches" | "releaseBatch">;
  readonly catalogue: Catalogue;
  readonly signingKey: KeyObject;
  readonly log: Logger;
}

/** One row's outcome with the checkpoint that its receipt leads to, unless it has its own. */
export interface CarriedRow {
  readonly outcome: RowOutcome["outcome"];
  readonly receipt: string;
  readonly checkpoint: string;
}

export interface Carried {
  /** How many of the blocks, from the first, were carried; the others are to be carried next. */
  readonly blocks: number;
  /** One for every row of those blocks, in order. */
  readonly rows: readonly CarriedRow[];
}

/** A fan-out of several ciphertexts takes as long as several; a busy machine longer. */
export const TIMEOUTS_MS = { admit: 30_000, evaluate: 30_000, release: 60_000 };

/** A block with its lines, whole and one by one, and its place in what the institution signed. */
export interface SignedBlock {
  readonly index: number;
  readonly lines: Buffer;
  readonly rows: readonly Buffer[];
  readonly path: Buffer[];
}

/**
 * @param proof the institution's, over the whole batch.
 * @throws WjfError `coverage-incomplete`, or the authority's code.
 */
export async function carryBlocks(
  proof: string,
  blocks: readonly SignedBlock[],
  parts: BatchFanOutParts,
): Promise<Carried> {
  const request = {
    proof,
    blocks: blocks.map(({ index, lines, path }) => ({ index, lines, path })),
  };
  const admitted = await parts.authority.admitBatch(request, TIMEOUTS_MS.admit);
  const lines = blocks.slice(0, admitted.blocks).flatMap((block) => block.rows);
  const claims = (row: number): string => parseRow(lines[row] as Buffer).claims ?? "";
  const rows = await carryAdmitted(admitted, { count: lines.length, claims }, parts);
  return { blocks: admitted.blocks, rows };
}

/**
 * What an admission has left open goes to the provinces and to the release. One outcome for every row, in order.
 * @param rows how many the admission is about, and each one's sealed claims, or "".
 */
export async function carryAdmitted(
  admitted: AdmitBatchReply,
  { count, claims }: { readonly count: number; readonly claims: (row: number) => string },
  parts: BatchFanOutParts,
): Promise<readonly CarriedRow[]> {
  const rows: (CarriedRow | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const row of admitted.settled) rows[row.row] = carried(row, admitted.checkpoint);
  const open = [...rows.keys()].filter((row) => rows[row] === undefined);
  if (admitted.manifest) {
    const fanOut = new BatchFanOut(admitted, admitted.manifest, parts);
    const outcomes = await meterFanOut("batch", () =>
      fanOut.run(open.length, (place) => claims(open[place] as number)),
    );
    for (const row of outcomes.rows) {
      const place = open[row.row];
      if (place !== undefined) rows[place] = carried(row, outcomes.checkpoint);
    }
  }
  if (!rows.every((row) => row !== undefined)) throw new WjfError("internal", "rows are missing");
  return rows;
}

function carried({ outcome, receipt }: RowOutcome, checkpoint: string): CarriedRow {
  return { outcome, receipt, checkpoint };
}

type Manifest = NonNullable<AdmitBatchReply["manifest"]>;

interface Merge {
  readonly digested: DigestedBatchDescriptor;
  readonly merged: Buffer;
  /** In the order of the descriptor's provinces. */
  readonly replies: readonly EvaluateBatchReply[];
}

/** One manifest's way to the provinces and to its release. */
class BatchFanOut {
  readonly #admitted: AdmitBatchReply;
  readonly #signed: Manifest;
  readonly #parts: BatchFanOutParts;

  constructor(admitted: AdmitBatchReply, signed: Manifest, parts: BatchFanOutParts) {
    this.#admitted = admitted;
    this.#signed = signed;
    this.#parts = parts;
  }

  async run(count: number, claimsOf: (place: number) => string) {
    const epoch = this.#parts.view.current();
    const manifest = openManifest(this.#signed, epoch.admissionKey);
    const products = productsOf(manifest);
    if (products.length !== count) throw new WjfError("internal", "rows are missing");
    const { ciphertexts } = layOut(products, this.#parts.catalogue);
    const claims = manifest.claims_sha256 === null ? [] : products.map((_, i) => claimsOf(i));
    const participants = this.#parts.provinces.participants(epoch);
    rounds.inc({ kind: "batch", round: "first" });
    const first = await this.#collect(participants, claims, ciphertexts, epoch);
    const merge =
      "merged" in first ? first : await this.#secondRound(first, claims, ciphertexts, epoch);
    return await this.#release(merge);
  }

  async #secondRound(
    answering: readonly ProvinceCode[],
    claims: readonly string[],
    ciphertexts: number,
    epoch: EpochView,
  ): Promise<Merge> {
    if (answering.length < quorum(epoch.roster.provinces.length))
      throw new WjfError("coverage-incomplete");
    rounds.inc({ kind: "batch", round: "second" });
    const second = await this.#collect(answering, claims, ciphertexts, epoch);
    if (!("merged" in second)) throw new WjfError("coverage-incomplete");
    return second;
  }

  /** The merge when all provinces have answered, otherwise those that have. */
  async #collect(
    provinces: readonly ProvinceCode[],
    claims: readonly string[],
    ciphertexts: number,
    epoch: EpochView,
  ): Promise<Merge | readonly ProvinceCode[]> {
    const digested = this.#describe(provinces, epoch);
    const { subjects } = this.#admitted;
    const manifest = this.#signed;
    const request = { descriptor: digested.bytes, manifest, subjects, claims: [...claims] };
    using sums = new Sums(ciphertexts, this.#parts.scheme);
    let mergeMs = 0;
    const settled = await Promise.allSettled(
      provinces.map(async (code) => {
        const { evaluate: timeoutMs } = TIMEOUTS_MS;
        const { provinces: pool } = this.#parts;
        return await pool.evaluateBatch(code, epoch, request, timeoutMs, (reply) => {
          verifyReply(code, reply, digested, epoch);
          mergeMs += timeToAdd(reply.ciphertext, sums);
        });
      }),
    );
    for (const [i, result] of settled.entries()) {
      if (result.status === "fulfilled") continue;
      const province = provinces[i];
      this.#parts.log.warn({ province, err: result.reason }, "a province did not answer a batch");
    }
    const replies = settled.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    if (replies.length === provinces.length) {
      heDurations.observe({ operation: "merge" }, mergeMs / 1000);
      return { digested, merged: sums.finish(), replies };
    }
    return provinces.filter((_, i) => settled[i]?.status === "fulfilled");
  }

  /** `provinces` ascending. */
  #describe(provinces: readonly ProvinceCode[], epoch: EpochView): DigestedBatchDescriptor {
    return digestBatchDescriptor({
      fan_out_id: randomUUID(),
      epoch: epoch.roster.epoch,
      roster_digest: epoch.rosterDigest.toString("hex"),
      provinces: [...provinces],
      manifest: sha256Hex(this.#signed.statement),
    });
  }

  async #release({ digested, merged, replies }: Merge) {
    const commitment: MergeCommitment = {
      descriptor: digested.digest.toString("hex"),
      merged: sha256Hex(merged),
    };
    const commit = {
      descriptor: digested.bytes,
      manifest: this.#signed,
      items: this.#admitted.items,
      merged,
      commitment: signStatement("merge", commitment, this.#parts.signingKey),
      receipts: replies.map(({ receipt }) => receipt),
    };
    const reveal = (): readonly Uint8Array[] => replies.map(({ ciphertext }) => ciphertext);
    return await this.#parts.authority.releaseBatch(commit, reveal, TIMEOUTS_MS.release);
  }
}

/** The running sums of a batch's ciphertexts. */
class Sums implements Disposable {
  readonly #sums: readonly HeSum[];
  readonly #bytes: number;

  constructor(ciphertexts: number, scheme: HeScheme) {
    this.#sums = Array.from({ length: ciphertexts }, () => scheme.sum());
    this.#bytes = scheme.ciphertextBytes;
  }

  /** @throws WjfError `ciphertext-invalid`. */
  add(ciphertexts: Buffer): void {
    if (ciphertexts.length !== this.#sums.length * this.#bytes) {
      throw new WjfError("ciphertext-invalid", "reply: length");
    }
    for (const [i, sum] of this.#sums.entries()) {
      sum.add(ciphertexts.subarray(i * this.#bytes, (i + 1) * this.#bytes));
    }
  }

  finish(): Buffer {
    return Buffer.concat(this.#sums.map((sum) => sum.finish()));
  }

  [Symbol.dispose](): void {
    for (const sum of this.#sums) sum[Symbol.dispose]();
  }
}
