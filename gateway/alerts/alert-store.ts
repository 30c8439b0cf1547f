// The alerts on the storage layer, and the leases by which replicas share them: who claims an alert has it until its lease runs
// out, and every write of a holder is conditional on it. Transactions and queries only; when to try again is retry.ts's business.
import type { ExpressionBuilder, Selectable } from "kysely";
import type { Clock } from "../../core/clock.ts";
import { chunks } from "../../core/database.ts";
import type { GatewayDb, GatewaySchema, GatewayTx } from "../database.ts";
import { type Destination, lockStream } from "./outbox.ts";
import type { AlertAttemptTable, AlertState, AlertTable } from "./schema.ts";
import { type OnGone, recordSettlements, type Settlement } from "./settlements.ts";
import { bringAllForward, bringForward, bringMissed, putOff } from "./sink-moments.ts";

export type Alert = Selectable<AlertTable>;
export type AlertAttempt = Selectable<AlertAttemptTable>;

/** Longer than an attempt may take (send.ts): a lease that runs out belongs to a process that has died. */
export const LEASE_MS = 60_000;

/** How long an alert can be replayed, and its id is known, after it was delivered or given up. */
const RETENTION_MS = 30 * 86_400_000;

export interface AlertStoreOptions {
  readonly db: GatewayDb;
  readonly clock: Clock;
  /** This process, among replicas. */
  readonly owner: string;
  /** What follows from a 410, in the transaction that records it. */
  readonly onGone?: OnGone;
}

/** At most so many of what one institution is to be told at one sink. */
export interface Claim extends Destination {
  readonly limit: number;
  /** Milliseconds: the sink is left alone until then, whatever is due, unless something new comes for it. */
  readonly restUntilMs?: number;
}

export interface Reader {
  readonly clientId: string;
  /** Thumbprint of the key that proves it, where nothing else does: then only what is told of the watches that it signed. */
  readonly jkt?: string;
}

export class AlertStore {
  readonly #db: GatewayDb;
  readonly #clock: Clock;
  readonly #owner: string;
  readonly #onGone: OnGone | undefined;

  constructor({ db, clock, owner, onGone }: AlertStoreOptions) {
    this.#db = db;
    this.#clock = clock;
    this.#owner = owner;
    this.#onGone = onGone;
  }

  /** Where something is due: sinks, each of one institution; those first that have waited longest. */
  async waiting(): Promise<Destination[]> {
    return await this.#db
      .selectFrom("alert_sink")
      .select(["client_id as clientId", "sink"])
      .where("next_at", "<=", this.#clock.nowMs())
      .orderBy("next_at")
      .execute();
  }

  /** Leases what has been due longest. Of two replicas that see the same alert one gets it. */
  async claim(claim: Claim): Promise<Alert[]> {
    return (await this.turn([], claim)).claimed;
  }

  /**
   * Records attempts, together. One whose lease is lost records nothing: its holder does.
   * @returns for each, how many alerts it gave up.
   */
  async settle(settlements: readonly Settlement[]): Promise<number[]> {
    return (await this.turn(settlements)).givenUp;
  }

  /** What has been tried is settled, and what is to be tried next claimed, in one transaction: its way to the disk costs most. */
  async turn(
    settlements: readonly Settlement[],
    claim?: Claim,
  ): Promise<{ readonly givenUp: number[]; readonly claimed: Alert[] }> {
    const isClaiming = claim !== undefined && claim.limit > 0;
    if (settlements.length === 0 && !isClaiming) return { givenUp: [], claimed: [] };
    return await this.#db.transaction().execute(async (tx) => {
      const holder = { owner: this.#owner, clock: this.#clock, onGone: this.#onGone };
      const givenUp = await recordSettlements(tx, settlements, holder);
      const claimed = isClaiming ? await this.#claim(tx, claim) : [];
      const touched = settlements.map(({ alert }) => destinationOf(alert));
      if (claim !== undefined) touched.push(claim);
      // Last: it is the rows as they are now that say when something is due.
      for (const to of distinct(touched)) {
        await putOff(tx, this.#db.engine, to, claim?.restUntilMs ?? 0);
      }
      return { givenUp, claimed };
    });
  }

  async #claim(tx: GatewayTx, { clientId, sink, limit }: Claim): Promise<Alert[]> {
    const now = this.#clock.nowMs();
    const due = await tx
      .selectFrom("alert")
      .select("seq")
      .where("client_id", "=", clientId)
      .where("sink", "=", sink)
      .where("state", "=", "pending")
      .where("due_at", "<=", now)
      // As the index has them: many are due in one second, and to sort those each time costs more than all the rest.
      .orderBy("due_at")
      .limit(limit)
      // What another replica is claiming is not waited for. SQLite has one writer, and no row locks.
      .$if(this.#db.engine === "postgres", (query) => query.forUpdate().skipLocked())
      .execute();
    const claimed: Alert[] = [];
    for (const chunk of chunks(due)) {
      const leased = await tx
        .updateTable("alert")
        .set((eb) => ({
          attempts: eb("attempts", "+", 1),
          due_at: now + LEASE_MS,
          lease_owner: this.#owner,
        }))
        .where("client_id", "=", clientId)
        .where(
          "seq",
          "in",
          chunk.map(({ seq }) => seq),
        )
        .where("state", "=", "pending")
        .where("due_at", "<=", now)
        .returningAll()
        .execute();
      claimed.push(...leased);
    }
    return claimed;
  }

  /** Gives back what was not tried, or not to the end. It goes before what has come since, as if it had not been claimed. */
  async release(alerts: readonly Alert[]): Promise<void> {
    if (alerts.length === 0) return;
    const alike = Map.groupBy(alerts, ({ client_id, attempts }) => `${client_id} ${attempts}`);
    const earliest = Math.min(...alerts.map(({ since }) => since));
    await this.#db.transaction().execute(async (tx) => {
      for (const to of distinct(alerts.map(destinationOf))) await bringForward(tx, to, earliest);
      for (const chunk of [...alike.values()].flatMap((some) => chunks(some))) {
        const [{ client_id, attempts }] = chunk as [Alert];
        await tx
          .updateTable("alert")
          // It was due: any moment that is past will do, and one that was tried before has waited its time.
          .set((eb) => ({ attempts: attempts - 1, due_at: eb.ref("since"), lease_owner: null }))
          .where("client_id", "=", client_id)
          .where(
            "seq",
            "in",
            chunk.map(({ seq }) => seq),
          )
          .where("state", "=", "pending")
          .where("lease_owner", "=", this.#owner)
          .where("attempts", "=", attempts)
          .execute();
      }
    });
  }

  /** The institution that a key alone speaks for; none, if watches of several were signed with it, or of nobody. */
  async readerBy(jkt: string): Promise<Reader | undefined> {
    const ofKey = this.#db.selectFrom("watch").select("client_id").where("jkt", "=", jkt).limit(1);
    const first = await ofKey.orderBy("client_id").executeTakeFirst();
    const last = await ofKey.orderBy("client_id", "desc").executeTakeFirst();
    if (first === undefined || first.client_id !== last?.client_id) return undefined;
    return { clientId: first.client_id, jkt };
  }

  /** An institution's alerts after a cursor, in their order. */
  async read(reader: Reader, after: number, limit: number, state?: AlertState): Promise<Alert[]> {
    let query = this.#db
      .selectFrom("alert")
      .selectAll()
      .where((eb) => isOwn(eb, reader))
      .where("seq", ">", after);
    if (state !== undefined) query = query.where("state", "=", state);
    return await query.orderBy("seq").limit(limit).execute();
  }

  /** What became of one alert, attempt by attempt; the newest first. */
  async attempts(reader: Reader, seq: number, limit: number): Promise<AlertAttempt[]> {
    return await this.#db
      .selectFrom("alert")
      .innerJoin("alert_attempt", (join) =>
        join
          .onRef("alert_attempt.client_id", "=", "alert.client_id")
          .onRef("alert_attempt.seq", "=", "alert.seq"),
      )
      .selectAll("alert_attempt")
      .where((eb) => isOwn(eb, reader))
      .where("alert.seq", "=", seq)
      .orderBy("alert_attempt.attempt", "desc")
      .limit(limit)
      .execute();
  }

  /** Dead letters become due again, all of an institution's or one. @returns how many. */
  async redeliver(reader: Reader, seq?: number): Promise<number> {
    const now = this.#clock.nowMs();
    return await this.#db.transaction().execute(async (tx) => {
      await lockStream(tx, reader.clientId);
      let query = tx
        .updateTable("alert")
        .set({ state: "pending", due_at: now, since: now, settled_at: null })
        .where((eb) => isOwn(eb, reader))
        .where("state", "=", "dead");
      if (seq !== undefined) query = query.where("seq", "=", seq);
      const { numUpdatedRows } = await query.executeTakeFirst();
      if (numUpdatedRows > 0n) await bringAllForward(tx, reader.clientId, now);
      return Number(numUpdatedRows);
    });
  }

  async countPending(): Promise<number> {
    const { pending } = await this.#db
      .selectFrom("alert")
      .select((eb) => eb.fn.countAll<number>().as("pending"))
      .where("settled_at", "is", null)
      .executeTakeFirstOrThrow();
    return pending;
  }

  /** Finds what nobody looks for: sinks whose moment was not written. */
  async findMissed(): Promise<void> {
    await bringMissed(this.#db);
  }

  /** Destroys what was settled long ago. */
  async purge(): Promise<void> {
    const before = this.#clock.nowMs() - RETENTION_MS;
    const gone = await this.#db.transaction().execute(async (tx) => {
      await tx
        .deleteFrom("alert_attempt")
        .where((eb) =>
          eb.exists(
            eb
              .selectFrom("alert")
              .select("alert.seq")
              .whereRef("alert.client_id", "=", "alert_attempt.client_id")
              .whereRef("alert.seq", "=", "alert_attempt.seq")
              .where("alert.settled_at", "<=", before),
          ),
        )
        .execute();
      return await tx.deleteFrom("alert").where("settled_at", "<=", before).executeTakeFirst();
    });
    if (gone.numDeletedRows > 0n) await this.#db.scrub("alert");
  }
}

function isOwn(eb: ExpressionBuilder<GatewaySchema, "alert">, { clientId, jkt }: Reader) {
  const ofClient = eb("alert.client_id", "=", clientId);
  if (jkt === undefined) return ofClient;
  const watch = eb.selectFrom("watch").select("watch.id").where("watch.jkt", "=", jkt);
  return eb.and([ofClient, eb.exists(watch.whereRef("watch.id", "=", "alert.subject"))]);
}

function destinationOf({ client_id: clientId, sink }: Alert): Destination {
  return { clientId, sink };
}

function distinct(destinations: readonly Destination[]): Iterable<Destination> {
  return new Map(destinations.map((to) => [`${to.clientId} ${to.sink}`, to])).values();
}
