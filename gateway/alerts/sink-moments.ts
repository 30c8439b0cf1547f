// When each sink is to be looked at next: one row for each that something is pending for, written in the transactions that change its
// alerts. Too early costs a look in vain; too late would be an alert that nobody looks for. So who brings a moment forward waits
// for the row, and who puts it off leaves that to another time where somebody else has it; and where there is no row, one is made
// within the hour. docs/decisions/072-alerts.md.
import { expressionBuilder, type OnConflictBuilder } from "kysely";
import type { Engine } from "../../core/database.ts";
import type { GatewayDb, GatewaySchema, GatewayTx } from "../database.ts";
import type { Destination } from "./outbox.ts";

/** Something of this sink is due at this moment, in milliseconds. Holds the row until the transaction ends, whatever it says already. */
export async function bringForward(
  tx: GatewayTx,
  { clientId, sink }: Destination,
  atMs: number,
): Promise<void> {
  await tx
    .insertInto("alert_sink")
    .values({ client_id: clientId, sink, next_at: atMs })
    .onConflict(sooner)
    .execute();
}

/** As `bringForward`, of all that an institution has due by now. Its stream is locked, or two of these could wait for each other. */
export async function bringAllForward(
  tx: GatewayTx,
  clientId: string,
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto("alert_sink")
    .columns(["client_id", "sink", "next_at"])
    .expression(
      firstOfEachSink()
        .where("client_id", "=", clientId)
        .where("state", "=", "pending")
        .where("due_at", "<=", nowMs),
    )
    .onConflict(sooner)
    .execute();
}

/**
 * A row for each sink that has none and for which something is pending: whoever wrote that was of a version before these rows, as
 * a replica that still runs may be, or forgot. A sink that has one is looked at when it says, and from then on as its alerts say.
 */
export async function bringMissed(db: GatewayDb): Promise<void> {
  await db
    .insertInto("alert_sink")
    .columns(["client_id", "sink", "next_at"])
    .expression(
      firstOfEachSink()
        // The pending ones, by an index of all institutions.
        .where("settled_at", "is", null)
        .where((eb) => {
          const row = eb.selectFrom("alert_sink").select("next_at");
          const ofClient = row.whereRef("alert_sink.client_id", "=", "alert.client_id");
          return eb.not(eb.exists(ofClient.whereRef("alert_sink.sink", "=", "alert.sink")));
        }),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function firstOfEachSink() {
  return expressionBuilder<GatewaySchema>()
    .selectFrom("alert")
    .select(({ fn }) => ["client_id", "sink", fn.min<number>("due_at").as("next_at")])
    .groupBy(["client_id", "sink"]);
}

function sooner(conflict: OnConflictBuilder<GatewaySchema, "alert_sink">) {
  return conflict
    .columns(["client_id", "sink"])
    .doUpdateSet((eb) => ({ next_at: eb.ref("excluded.next_at") }))
    .whereRef("alert_sink.next_at", ">", "excluded.next_at");
}

/**
 * To when the first of what is pending is due, and not before `restUntilMs`; with nothing pending there is no row. After all
 * else that `tx` does: what it finds has to be what it leaves behind.
 */
export async function putOff(
  tx: GatewayTx,
  engine: Engine,
  { clientId, sink }: Destination,
  restUntilMs: number,
): Promise<void> {
  if (engine === "postgres") {
    // Before the alerts are looked at: what somebody enqueues from now on waits for this row, and then finds it put off.
    const held = await tx
      .selectFrom("alert_sink")
      .select("next_at")
      .where("client_id", "=", clientId)
      .where("sink", "=", sink)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (held === undefined) return;
  }
  const { first } = await tx
    .selectFrom("alert")
    .select((eb) => eb.fn.min<number | null>("due_at").as("first"))
    .where("client_id", "=", clientId)
    .where("state", "=", "pending")
    .where("sink", "=", sink)
    .executeTakeFirstOrThrow();
  if (first === null) {
    await tx
      .deleteFrom("alert_sink")
      .where("client_id", "=", clientId)
      .where("sink", "=", sink)
      .execute();
    return;
  }
  await tx
    .updateTable("alert_sink")
    .set({ next_at: Math.max(first, restUntilMs) })
    .where("client_id", "=", clientId)
    .where("sink", "=", sink)
    .execute();
}
