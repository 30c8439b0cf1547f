// The audit log (DESIGN §6) as its users see it: append with receipts, prove, read, commit to personal data, erase it.
// Leaves are written by consent/log/sequencer.ts only; what outsiders fetch is served from `read` (consent/log/serve.ts).
import type { Transaction } from "kysely";
import { chunks, type Database } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import * as commitment from "./commitment.ts";
import type { LeafDraft } from "./leaf.ts";
import * as store from "./log-store.ts";
import { databaseReader } from "./database-reader.ts";
import { formatReceipt } from "./receipt.ts";
import type { LogSchema } from "./schema.ts";
import {
  type Receipt,
  type Sequenced,
  Sequencer,
  type SequencerOptions,
  type Work,
} from "./sequencer.ts";
import { tilesForProofs, TileTree } from "./tile-tree.ts";

export interface AuditLogOptions<S extends LogSchema> extends SequencerOptions<S> {
  readonly random?: Random;
}

export type ErasureReason = Extract<LeafDraft, { type: "erasure" }>["reason"];

/**
 * One log over one database, written by any number of processes. Contract of writing (atomicity, durability,
 * concurrency, retries): see `Sequencer`. Reading sees committed state only.
 */
export class AuditLog<S extends LogSchema> implements AsyncDisposable {
  readonly origin: string;
  readonly verifierKeys: readonly string[];
  readonly #options: AuditLogOptions<S>;
  readonly #db: Database<LogSchema>;
  readonly #sequencer: Sequencer<S>;

  private constructor(options: AuditLogOptions<S>) {
    this.origin = options.origin;
    this.verifierKeys = options.signers.map((signer) => signer.verifierKey);
    this.#options = options;
    // Kysely is invariant in its schema; this one has at least the log's tables.
    this.#db = options.db as unknown as Database<LogSchema>;
    this.#sequencer = new Sequencer(options);
  }

  /**
   * Opens the log in a database that has `logMigrations`, or begins it there.
   * @throws WjfError `config-invalid` when the database holds another log or the keys do not fit; `log-invalid` when what
   * is stored contradicts itself.
   */
  static async open<S extends LogSchema>(options: AuditLogOptions<S>): Promise<AuditLog<S>> {
    if (!options.signers.some((signer) => signer.name === options.origin)) {
      throw new WjfError(
        "config-invalid",
        "audit log: no signing key has the log's origin as its name",
      );
    }
    const log = new AuditLog(options);
    await log.#sequencer.adopt();
    return log;
  }

  /** Runs the work and commits its rows with its leaves: see `Sequencer`. */
  async sequence<T>(work: Work<S, T>): Promise<Sequenced<T>> {
    return this.#sequencer.run(work, false) as Promise<Sequenced<T>>;
  }

  /** Appends leaves that have no rows beside them. */
  async append(leaves: readonly LeafDraft[]): Promise<readonly Receipt[]> {
    return (await this.#sequencer.run(async () => ({ leaves, value: undefined }), true)).receipts;
  }

  /** A receipt for any leaf, old or new, against the latest checkpoint. @throws WjfError `route-unknown`. */
  async receipt(index: number): Promise<Receipt> {
    return (await this.receipts([index]))[0] as Receipt;
  }

  /** One for each of these leaves, in order: what they share of the tree is read and hashed once. @throws as `receipt`. */
  async receipts(indexes: readonly number[]): Promise<readonly Receipt[]> {
    if (indexes.length === 0) return [];
    const { size, checkpoint } = await store.readHead(this.#db);
    const receipts: Receipt[] = [];
    // Some at a time: leaves that lie far apart share little, and a tile in memory takes a hundred kilobytes.
    for (const some of chunks(indexes)) {
      const leaves = await store.readLeaves(this.#db, some);
      const known = some.filter((index) => index < size && leaves.has(index));
      if (known.length < some.length) throw new WjfError("route-unknown", "no such leaf");
      const tiles = await store.loadTiles(this.#db, tilesForProofs(some, size));
      const tree = new TileTree(size, tiles).tree();
      for (const index of some) {
        const leaf = leaves.get(index) as string;
        const path = tree.inclusionProof(index);
        receipts.push({ index, leaf, text: formatReceipt({ leaf, index, path, checkpoint }) });
      }
    }
    return receipts;
  }

  /**
   * What stands at a path under the log's prefix (`checkpoint`, `tile/…`, `keys`), or nothing. Only committed state is
   * seen, and only what a signed checkpoint covers.
   */
  async read(path: string): Promise<Buffer | undefined> {
    if (path === "keys") return Buffer.from(`${this.verifierKeys.join("\n")}\n`);
    return databaseReader(this.#db).read(path);
  }

  /** Inside a work: keeps a payload outside the log and gives the commitment to put into a leaf. */
  async commit(tx: Transaction<S>, payload: unknown): Promise<string> {
    const { clock, random = systemRandom } = this.#options;
    const logTx = tx as unknown as Transaction<LogSchema>;
    return commitment.keep(logTx, payload, random, clock.nowMs());
  }

  /** Inside a work: destroys payloads and salts. The work logs an erasure leaf; afterwards `scrubPayloads`. */
  async destroy(tx: Transaction<S>, commitments: readonly string[]): Promise<void> {
    await commitment.destroy(tx as unknown as Transaction<LogSchema>, commitments);
  }

  /** Removes what the engine still keeps of destroyed payloads. */
  async scrubPayloads(): Promise<void> {
    await this.#db.scrub("log_payload");
  }

  /** What a commitment commits to, while it is kept. */
  async reveal(of: string): Promise<commitment.Opening | undefined> {
    return commitment.reveal(this.#db, of);
  }

  /**
   * Destroys the payloads and salts of commitments, and logs that. The leaves stay, and commit to nothing that anybody
   * can still find. Resolves when the engine's own remains are gone too.
   */
  async erase(commitments: readonly string[], reason: ErasureReason): Promise<readonly Receipt[]> {
    const { receipts } = await this.sequence(async (tx) => {
      await this.destroy(tx, commitments);
      return {
        leaves: [{ type: "erasure", commitments: [...commitments], reason }],
        value: undefined,
      };
    });
    await this.scrubPayloads();
    return receipts;
  }

  /** Settles what was taken, then takes no more. The database stays open: it is its owner's. */
  async close(): Promise<void> {
    await this.#sequencer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
