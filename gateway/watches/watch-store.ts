// The watches on the storage layer: leases by which replicas share what is due, and outcomes that are recorded together with
// the events they give, once. Every write about an evaluation is conditional on its lease, so a process that lost it without
// noticing records nothing and tells nothing. Transactions and queries only; what a refusal means is the runner's.
import { type Selectable, sql } from "kysely";
import type { Clock } from "../../core/clock.ts";
import { nowSeconds } from "../../core/clock.ts";
import type { GatewayDb } from "../database.ts";
import type { WatchTable } from "./schema.ts";
import { type Creation, createWatches, type NewWatch } from "./watch-creation.ts";
import { endWatch, pauseWatch, tell } from "./watch-endings.ts";
import { updatedEvent } from "./watch-events.ts";
import { type Outcome, recordOutcomes } from "./watch-outcomes.ts";

export type Watch = Selectable<WatchTable>;

/** How long a lease lasts; its holder renews it three times as often. */
export const LEASE_MS = 30_000;

/** At least, and as long as there is an alert of it: its key is what alerts are read by. Most are gone by then (3 days and 30). */
const KEPT_MS = 34 * 86_400_000;

/** What its institution may change while it stands. */
export type WatchChange = Partial<Pick<Watch, "sink" | "expires_at" | "max_events">>;

export class WatchStore {
  readonly #db: GatewayDb;
  readonly #clock: Clock;
  readonly #owner: string;

  /** @param owner this process, among replicas. */
  constructor(db: GatewayDb, clock: Clock, owner: string) {
    this.#db = db;
    this.#clock = clock;
    this.#owner = owner;
  }

  async find(id: string): Promise<Watch | undefined> {
    return await this.#db.selectFrom("watch").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** Of one key, by id. */
  async list(jkt: string, after: string, limit: number): Promise<Watch[]> {
    return await this.#db
      .selectFrom("watch")
      .selectAll()
      .where("jkt", "=", jkt)
      .where("id", ">", after)
      .orderBy("id")
      .limit(limit)
      .execute();
  }

  /** Each is new, there already, or refused: see `createWatches`. */
  async create(wanted: readonly NewWatch[]): Promise<Creation[]> {
    if (wanted.length === 0) return [];
    return await this.#db
      .transaction()
      .execute(async (tx) => await createWatches(tx, wanted, this.#clock));
  }

  /** @param nth tells this change from others. */
  async change(id: string, change: WatchChange, nth: string): Promise<Watch | undefined> {
    return await this.#db.transaction().execute(async (tx) => {
      const watch = await tx
        .updateTable("watch")
        .set(change)
        .where("id", "=", id)
        .where("state", "!=", "ended")
        .returningAll()
        .executeTakeFirst();
      if (watch === undefined) return undefined;
      const event = updatedEvent(watch, nowSeconds(this.#clock), nth, { state: watch.state });
      await tell(tx, [{ watch, events: [event] }]);
      return watch;
    });
  }

  /** Ends it whoever evaluates it now: that one's lease is gone, and what it finds is not told. */
  async end(id: string, reason: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => await endWatch(tx, id, reason, this.#clock));
  }

  /** Because its consent is paused, or is so no more. */
  async setPaused(id: string, reason: string | null): Promise<void> {
    await this.#db
      .transaction()
      .execute(async (tx) => await pauseWatch(tx, id, reason, this.#clock));
  }

  /** Takes the lease of watches that are due, the longest waiting first; all of them sealed or none. */
  async lease(limit: number): Promise<Watch[]> {
    const now = this.#clock.nowMs();
    return await this.#db.transaction().execute(async (tx) => {
      const first = await tx
        .selectFrom("watch")
        .select("sealed")
        .where("state", "=", "active")
        .where("next_at", "<=", now)
        .where("lease_until", "<", now)
        .orderBy("next_at")
        .limit(1)
        .executeTakeFirst();
      if (first === undefined) return [];
      const { sealed } = first;
      return await tx
        .updateTable("watch")
        .set({ lease_owner: this.#owner, lease_until: now + LEASE_MS })
        // Moments that passed unasked are skipped, the one that was asked for is not. Written before it is asked.
        .set({ due_at: latestUnasked(nowSeconds(this.#clock)), asked: 1 })
        .where("id", "in", (eb) =>
          eb
            .selectFrom("watch")
            .select("watch.id")
            .where("watch.state", "=", "active")
            .where("watch.sealed", "=", sealed)
            .where("watch.next_at", "<=", now)
            .where("watch.lease_until", "<", now)
            .orderBy("watch.next_at")
            .limit(limit),
        )
        // Once more, outside: a replica that was faster has changed the row that was found.
        .where("lease_until", "<", now)
        .returningAll()
        .execute();
    });
  }

  /** Keeps what this process has taken. */
  async renew(watches: readonly Watch[]): Promise<void> {
    await this.#db
      .updateTable("watch")
      .set({ lease_until: this.#clock.nowMs() + LEASE_MS })
      .where("id", "in", idsOf(watches))
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  /** Lets go of what was taken and not asked for. */
  async release(watches: readonly Watch[]): Promise<void> {
    if (watches.length === 0) return;
    await this.#db
      .updateTable("watch")
      .set({ lease_owner: null, lease_until: 0 })
      .where("id", "in", idsOf(watches))
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  /** Lets go of what was asked for in vain: the same moment is asked for again, not before this. */
  async postpone(watches: readonly Watch[], againAt: number): Promise<void> {
    if (watches.length === 0) return;
    await this.#db
      .updateTable("watch")
      .set({ lease_owner: null, lease_until: 0, next_at: againAt })
      .where("id", "in", idsOf(watches))
      .where("lease_owner", "=", this.#owner)
      .execute();
  }

  /** Records outcomes and their events, all or none; those whose lease is lost are somebody else's, and left out. */
  async record(outcomes: readonly Outcome[]): Promise<void> {
    const holder = { owner: this.#owner, clock: this.#clock };
    await this.#db.transaction().execute(async (tx) => await recordOutcomes(tx, outcomes, holder));
  }

  /** Watches that stand, by id, a page at a time. */
  async standing(after: string, limit: number) {
    return await this.#db
      .selectFrom("watch")
      .select(["id", "state", "asked", "status_uri", "status_idx", "expires_at"])
      .where("state", "in", ["active", "paused"])
      .where("id", ">", after)
      .orderBy("id")
      .limit(limit)
      .execute();
  }

  /** Destroys what ended long ago and of which nothing is left to be read. */
  async purge(): Promise<void> {
    await this.#db
      .deleteFrom("watch")
      .where("ended_at", "<", this.#clock.nowMs() - KEPT_MS)
      .where((eb) => {
        const alert = eb.selectFrom("alert").select("alert.seq");
        return eb.not(eb.exists(alert.whereRef("alert.subject", "=", "watch.id")));
      })
      .execute();
  }
}

function idsOf(watches: readonly Watch[]): string[] {
  return watches.map(({ id }) => id);
}

/** Integer division, on both engines. */
function latestUnasked(nowS: number) {
  return sql<number>`case when asked = 0 then due_at + ((${sql.lit(nowS)} - due_at) / every_s) * every_s else due_at end`;
}
