// The batches on the storage layer, and the leases by which replicas share them: whoever holds a batch's lease carries it
// on, and when its holder falls silent anybody may. Every write of a lease holder is conditional on the lease, so a process
// that lost it without noticing writes nothing. Transactions and queries only; what a batch means is the runner's.
import type { Selectable } from "kysely";
import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import type { BatchBlockTable, BatchSchema, BatchTable } from "./schema.ts";

export type Batch = Selectable<BatchTable>;

/** How long a lease lasts; its holder renews it three times as often. */
export const LEASE_MS = 15_000;

/** An upload that has sent nothing for this long past its lease has broken off. */
const UPLOAD_PAUSE_MS = 60_000;

export type NewBatch = Pick<
  Batch,
  "id" | "client_id" | "jkt" | "proof" | "rows" | "sealed" | "deadline_at"
>;

export type NewBlock = Pick<BatchBlockTable, "idx" | "rows" | "hash"> & { readonly lines: Buffer };

export interface BlockResult {
  readonly idx: number;
  readonly result: Buffer;
  readonly answered: number;
  readonly refused: number;
}

export interface BatchStoreOptions {
  readonly db: Database<BatchSchema>;
  readonly clock: Clock;
  /** This process, among replicas. */
  readonly owner: string;
}

export class BatchStore {
  readonly #db: Database<BatchSchema>;
  readonly #clock: Clock;
  readonly #owner: string;

  constructor({ db, clock, owner }: BatchStoreOptions) {
    this.#db = db;
    this.#clock = clock;
    this.#owner = owner;
  }

  async find(id: string): Promise<Batch | undefined> {
    return await this.#db.selectFrom("batch").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** Batches that are received or run, of one institution or of all. */
  async countOpen(clientId?: string): Promise<number> {
    let query = this.#db
      .selectFrom("batch")
      .select((eb) => eb.fn.countAll<number>().as("open"))
      .where("state", "in", ["receiving", "running"]);
    if (clientId !== undefined) query = query.where("client_id", "=", clientId);
    return (await query.executeTakeFirstOrThrow()).open;
  }

  /** Begins to receive, under this process's lease. @throws WjfError `query-conflict` when it is there already. */
  async begin(batch: NewBatch): Promise<void> {
    const now = this.#clock.nowMs();
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto("batch")
      .values({
        ...batch,
        bytes: 0,
        state: "receiving",
        answered: 0,
        refused: 0,
        created_at: now,
        finished_at: null,
        expires_at: null,
        lease_owner: this.#owner,
        lease_until: now + LEASE_MS,
      })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n) {
      throw new WjfError("query-conflict", "this batch is being received");
    }
  }

  /** @throws WjfError `federation-unavailable` when the lease is lost. */
  async addBlocks(id: string, blocks: readonly NewBlock[]): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable("batch")
        .set({ lease_until: this.#clock.nowMs() + LEASE_MS })
        .where("id", "=", id)
        .where("lease_owner", "=", this.#owner)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw leaseLost();
      for (const block of blocks) {
        await tx
          .insertInto("batch_block")
          .values({ batch_id: id, ...block, result: null })
          .execute();
      }
    });
  }

  /** All of it is here: anybody may carry it on. */
  async receive(id: string, bytes: number): Promise<void> {
    await this.#db
      .updateTable("batch")
      .set({ state: "running", bytes, lease_owner: null, lease_until: 0 })
      .where("id", "=", id)
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await tx.deleteFrom("batch_block").where("batch_id", "=", id).execute();
      await tx.deleteFrom("batch").where("id", "=", id).execute();
    });
  }

  /** Takes the lease of the oldest batch that nobody carries on. */
  async lease(): Promise<Batch | undefined> {
    const now = this.#clock.nowMs();
    const free = await this.#db
      .selectFrom("batch")
      .select("id")
      .where("state", "=", "running")
      .where("lease_until", "<", now)
      .orderBy("created_at")
      .executeTakeFirst();
    if (free === undefined) return undefined;
    // Another replica may have been faster: then nothing is updated, and this one looks again later.
    return await this.#db
      .updateTable("batch")
      .set({ lease_owner: this.#owner, lease_until: now + LEASE_MS })
      .where("id", "=", free.id)
      .where("state", "=", "running")
      .where("lease_until", "<", now)
      .returningAll()
      .executeTakeFirst();
  }

  /** False when the lease is lost, or the batch gone. */
  async renew(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("batch")
      .set({ lease_until: this.#clock.nowMs() + LEASE_MS })
      .where("id", "=", id)
      .where("lease_owner", "=", this.#owner)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  async release(id: string): Promise<void> {
    await this.#db
      .updateTable("batch")
      .set({ lease_owner: null, lease_until: 0 })
      .where("id", "=", id)
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  /** Every block's hash, and which are still to be answered. */
  async blocks(id: string): Promise<{ hashes: Buffer[]; open: number[] }> {
    const rows = await this.#db
      .selectFrom("batch_block")
      .select(["idx", "hash"])
      .select((eb) => eb("result", "is", null).as("open"))
      .where("batch_id", "=", id)
      .orderBy("idx")
      .execute();
    return {
      hashes: rows.map(({ hash }) => hash),
      open: rows.filter(({ open }) => Boolean(open)).map(({ idx }) => idx),
    };
  }

  async lines(id: string, idxs: readonly number[]): Promise<Map<number, Buffer>> {
    const rows = await this.#db
      .selectFrom("batch_block")
      .select(["idx", "lines"])
      .where("batch_id", "=", id)
      .where("idx", "in", [...idxs])
      .execute();
    return new Map(rows.flatMap(({ idx, lines }) => (lines === null ? [] : [[idx, lines]])));
  }

  /**
   * Stores results and destroys the lines they answer, once: a block that has its result keeps it.
   * @throws WjfError `federation-unavailable` when the lease is lost; nothing is stored then.
   */
  async store(id: string, results: readonly BlockResult[]): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      let [answered, refused] = [0, 0];
      for (const block of results) {
        const { numUpdatedRows } = await tx
          .updateTable("batch_block")
          .set({ result: block.result, lines: null })
          .where("batch_id", "=", id)
          .where("idx", "=", block.idx)
          .where("result", "is", null)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) continue;
        answered += block.answered;
        refused += block.refused;
      }
      const { numUpdatedRows } = await tx
        .updateTable("batch")
        .set((eb) => ({
          answered: eb("answered", "+", answered),
          refused: eb("refused", "+", refused),
          lease_until: this.#clock.nowMs() + LEASE_MS,
        }))
        .where("id", "=", id)
        .where("lease_owner", "=", this.#owner)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw leaseLost();
    });
  }

  async finish(id: string, retentionMs: number): Promise<void> {
    const now = this.#clock.nowMs();
    await this.#db
      .updateTable("batch")
      .set({
        state: "finished",
        finished_at: now,
        expires_at: now + retentionMs,
        lease_owner: null,
        lease_until: 0,
      })
      .where("id", "=", id)
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  /** The results from one block on, in order, a few at a time. */
  async results(id: string, from: number, limit: number) {
    const rows = await this.#db
      .selectFrom("batch_block")
      .select(["idx", "result"])
      .where("batch_id", "=", id)
      .where("idx", ">=", from)
      .where("result", "is not", null)
      .orderBy("idx")
      .limit(limit)
      .execute();
    return rows.map(({ idx, result }) => ({ idx, result: result as Buffer }));
  }

  /** Destroys what has expired, and uploads that broke off. Returns how many. */
  async purge(): Promise<number> {
    const now = this.#clock.nowMs();
    const gone = await this.#db
      .selectFrom("batch")
      .select("id")
      .where((eb) =>
        eb.or([
          eb("expires_at", "<=", now),
          eb.and([eb("state", "=", "receiving"), eb("lease_until", "<", now - UPLOAD_PAUSE_MS)]),
        ]),
      )
      .execute();
    for (const { id } of gone) await this.remove(id);
    if (gone.length > 0) await this.#db.scrub("batch_block");
    return gone.length;
  }
}

function leaseLost(): WjfError {
  return new WjfError("federation-unavailable", "another process carries this batch on");
}
