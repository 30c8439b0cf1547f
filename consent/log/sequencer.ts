// The writer of the audit log: it commits callers' own rows and the leaves that account for them in one transaction, many
// callers at a time, signs the new head under the lock on the old one, and lets a signature or a receipt out only after
// the commit (c2sp.org/tlog-checkpoint "Signatures": never two inconsistent checkpoints). It judges no consent: that is
// the work that callers pass in.
import type { Transaction } from "kysely";
import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import { openCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { GroupQueue } from "./group-queue.ts";
import { encodeLeaf, type LeafDraft } from "./leaf.ts";
import { countLeaves } from "./leaf-metrics.ts";
import * as store from "./log-store.ts";
import { leafHash } from "../../crypto/merkle.ts";
import type { NoteSigner } from "./note.ts";
import { formatReceipt } from "./receipt.ts";
import type { LogSchema } from "./schema.ts";
import type { TileTree } from "./tile-tree.ts";

export interface SequencerOptions<S extends LogSchema> {
  readonly db: Database<S>;
  /** The checkpoint's first line: the log's address without scheme, and the name of its keys. */
  readonly origin: string;
  /** An Ed25519 key, and an ML-DSA-44 key beside it if there is one; both named as the origin. */
  readonly signers: readonly NoteSigner[];
  readonly clock: Clock;
  /** Callers in one commit, at most. */
  readonly groupSize?: number;
  /** Callers waiting, at most. */
  readonly queueLimit?: number;
}

/** What the log fixes before the work decides: decide by this time and not by a clock, so that the leaf agrees. */
export interface Sequencing {
  /** RFC 3339, the `time` that every leaf of this work gets. Never earlier than any leaf before. */
  readonly time: string;
  readonly timeMs: number;
  /** The index that the first leaf of this work will have. */
  readonly nextIndex: number;
}

export type Work<S, T> = (
  tx: Transaction<S>,
  at: Sequencing,
) => Promise<{ readonly leaves: readonly LeafDraft[]; readonly value: T }>;

export interface Receipt {
  readonly index: number;
  /** The canonical JSON that was hashed. */
  readonly leaf: string;
  /** The `.tlog-proof`, complete and verifiable offline. */
  readonly text: string;
}

export interface Sequenced<T> {
  readonly value: T;
  /** One for each leaf, in order. */
  readonly receipts: readonly Receipt[];
}

interface Job<S> {
  readonly work: Work<S, unknown>;
  /** Has no rows of its own, so there is nothing to roll back to. */
  readonly appendOnly: boolean;
  readonly resolve: (result: Sequenced<unknown>) => void;
  readonly reject: (reason: unknown) => void;
}

interface Written {
  readonly value: unknown;
  readonly drafts: readonly LeafDraft[];
  readonly leaves: readonly string[];
  /** Of the first of them. */
  readonly index: number;
}

interface Settled<S> {
  readonly job: Job<S>;
  readonly outcome: Written | { error: unknown };
}

interface Group<S> {
  readonly settled: readonly Settled<S>[];
  readonly tree: TileTree;
  readonly checkpoint: string;
}

const ATTEMPTS = 3;

/**
 * One writer of the log. Contract:
 * - Atomicity: a work's rows and its leaves become durable together or not at all. Works of one group share a
 *   transaction, each under its own savepoint: one that throws loses its own rows only, and its caller gets its error.
 * - Durability: when `sequence` resolves, rows, leaves, tiles and signed checkpoint have been committed (SQLite
 *   synchronous=FULL, PostgreSQL synchronous_commit). Nothing about them has left this class before.
 * - Concurrency: works run one at a time, in the order of their calls, across every process on this database: the lock on
 *   the log's head is held throughout. So a work may read, decide and write without locks of its own, provided that all
 *   writers of those rows go through `sequence`. Works must therefore be short, and await nothing but `tx`: another query
 *   on the database, or another `sequence`, inside a work waits for itself.
 * - Retries: a work may run again, after its earlier effects were rolled back, when the engine asks for it (deadlock,
 *   busy); so it has no effects but on `tx`. All else is the caller's to retry. After an error that came from
 *   the commit itself the outcome is unknown: retry with the same query id, under a unique key in your own rows.
 */
export class Sequencer<S extends LogSchema> {
  readonly #options: SequencerOptions<S>;
  readonly #verifierKeys: readonly string[];
  readonly #queue: GroupQueue<Job<S>>;
  /** The right edge as of the last commit seen here; undefined when that is not known. */
  #tree: TileTree | undefined;

  constructor(options: SequencerOptions<S>) {
    this.#options = options;
    this.#verifierKeys = options.signers.map((signer) => signer.verifierKey);
    this.#queue = new GroupQueue({
      flush: (group) => this.#flush(group),
      groupSize: options.groupSize ?? 256,
      queueLimit: options.queueLimit ?? 8192,
    });
  }

  async run(work: Work<S, unknown>, appendOnly: boolean): Promise<Sequenced<unknown>> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, appendOnly, resolve, reject });
    });
  }

  /** Settles what was taken, then takes no more. */
  async close(): Promise<void> {
    await this.#queue.close();
  }

  /** The first transaction here: fixes the origin, checks the tree, signs a head that these keys have not signed. */
  async adopt(): Promise<void> {
    const { db, origin } = this.#options;
    await db.transaction().execute(async (callerTx) => {
      const tx = callerTx as unknown as Transaction<LogSchema>;
      const head = await store.lockHead(tx, db.engine);
      if (head.origin !== origin && head.size > 0) {
        throw new WjfError("config-invalid", "audit log: the database holds another origin's log");
      }
      const tree = await store.loadTree(tx, head);
      if (!this.#isSigned(head.checkpoint)) {
        await store.saveHead(tx, this.#signedHead(tree, head.time_ms));
      }
    });
  }

  #isSigned(checkpoint: string): boolean {
    try {
      const { signedBy, origin } = openCheckpoint(checkpoint, this.#verifierKeys);
      return origin === this.#options.origin && signedBy.length === this.#verifierKeys.length;
    } catch {
      return false;
    }
  }

  #signedHead(tree: TileTree, timeMs: number): Omit<store.Head, "id"> {
    const { origin, signers, clock } = this.#options;
    const body = { origin, size: tree.size, root: tree.tree().root() };
    const checkpoint = signCheckpoint(body, signers, Math.max(timeMs, clock.nowMs()));
    return { ...body, time_ms: timeMs, checkpoint };
  }

  async #flush(group: readonly Job<S>[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const committed = await this.#options.db
          .transaction()
          .execute((tx) => this.#writeGroup(group, tx));
        this.#answer(committed);
        return;
      } catch (error) {
        // What the tree has grown to here, the database may not have.
        this.#tree = undefined;
        if (attempt < ATTEMPTS && store.isTransient(error)) continue;
        const reason =
          error instanceof WjfError
            ? error
            : new WjfError("federation-unavailable", "audit log: not committed", { cause: error });
        for (const job of group) job.reject(reason);
        return;
      }
    }
  }

  /** Everything of one group that has to commit together. */
  async #writeGroup(group: readonly Job<S>[], callerTx: Transaction<S>): Promise<Group<S>> {
    const tx = callerTx as unknown as Transaction<LogSchema>;
    const head = await store.lockHead(tx, this.#options.db.engine);
    const tree = await this.#treeOf(tx, head);
    const timeMs = Math.max(this.#options.clock.nowMs(), head.time_ms);
    const settled: Settled<S>[] = [];
    const leaves: string[] = [];
    for (const job of group) {
      const outcome = await this.#runJob(job, callerTx, timeMs, head.size + leaves.length);
      if ("leaves" in outcome) leaves.push(...outcome.leaves);
      settled.push({ job, outcome });
    }
    if (leaves.length === 0) return { settled, tree, checkpoint: head.checkpoint };
    for (const leaf of leaves) tree.append(leafHash(leaf));
    const next = this.#signedHead(tree, timeMs);
    await store.insertLeaves(tx, head.size, leaves);
    await store.saveTiles(tx, tree.touched());
    await store.saveHead(tx, next);
    return { settled, tree, checkpoint: next.checkpoint };
  }

  /** The tree as the locked head has it: the one from our last commit, unless another replica has moved on. */
  async #treeOf(tx: Transaction<LogSchema>, head: store.Head): Promise<TileTree> {
    const kept = this.#tree;
    // Until the commit nobody knows which of the two trees is the log.
    this.#tree = undefined;
    const current = kept?.size === head.size && kept.tree().root().equals(head.root);
    return current ? kept : store.loadTree(tx, head);
  }

  /** Under its own savepoint, so that a caller's failure costs nobody else anything. */
  async #runJob(
    job: Job<S>,
    tx: Transaction<S>,
    timeMs: number,
    index: number,
  ): Promise<Settled<S>["outcome"]> {
    const time = new Date(timeMs).toISOString();
    if (!job.appendOnly) await tx.executeQuery(store.SAVEPOINT.set);
    let outcome: Settled<S>["outcome"];
    try {
      const { leaves, value } = await job.work(tx, { time, timeMs, nextIndex: index });
      const encoded = leaves.map((draft) => encodeLeaf(draft, time));
      outcome = { value, drafts: leaves, leaves: encoded, index };
    } catch (error) {
      if (store.isTransient(error)) throw error;
      outcome = { error };
      if (!job.appendOnly) await tx.executeQuery(store.SAVEPOINT.rollback);
    }
    if (!job.appendOnly) await tx.executeQuery(store.SAVEPOINT.release);
    return outcome;
  }

  /** After the commit: the receipts of the whole group are proofs in one tree, under one checkpoint. */
  #answer({ settled, tree, checkpoint }: Group<S>): void {
    const proofs = tree.tree();
    for (const { job, outcome } of settled) {
      if ("error" in outcome) {
        job.reject(outcome.error);
        continue;
      }
      const receipts = outcome.leaves.map((leaf, i) => {
        const index = outcome.index + i;
        const path = proofs.inclusionProof(index);
        return { index, leaf, text: formatReceipt({ leaf, index, path, checkpoint }) };
      });
      countLeaves(outcome.drafts);
      job.resolve({ value: outcome.value, receipts });
    }
    tree.settle();
    this.#tree = tree;
  }
}
