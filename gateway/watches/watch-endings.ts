// How a watch ends or pauses, once, with its institution told in the same transaction, whoever found out and however often.
import type { Selectable } from "kysely";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { type AlertEvent, enqueue } from "../alerts/outbox.ts";
import type { AlertTable } from "../alerts/schema.ts";
import type { GatewayTx } from "../database.ts";
import type { WatchTable } from "./schema.ts";
import { endedEvent, updatedEvent } from "./watch-events.ts";

/** For good: the signed request is destroyed, and a lease with it, so what an evaluation under way finds is not told. */
export async function endWatch(
  tx: GatewayTx,
  id: string,
  reason: string,
  clock: Clock,
): Promise<void> {
  const ended = await tx
    .updateTable("watch")
    .set({
      state: "ended",
      reason,
      ended_at: clock.nowMs(),
      token: null,
      proof: null,
      body: null,
      lease_owner: null,
      lease_until: 0,
    })
    .where("id", "=", id)
    .where("state", "!=", "ended")
    .returningAll()
    .executeTakeFirst();
  if (ended !== undefined) await tell(tx, ended, [endedEvent(ended, nowSeconds(clock), reason)]);
}

/** Its sink has answered 410: the institution wants no more of it. One that tells another sink by now goes on. */
export async function endUnwanted(
  tx: GatewayTx,
  { client_id, subject, sink }: Pick<Selectable<AlertTable>, "client_id" | "subject" | "sink">,
  clock: Clock,
): Promise<void> {
  const watch = await tx
    .selectFrom("watch")
    .select("id")
    .where("id", "=", subject)
    .where("client_id", "=", client_id)
    .where("sink", "=", sink)
    .executeTakeFirst();
  if (watch !== undefined) await endWatch(tx, watch.id, "sink-gone", clock);
}

/** @param reason null: it goes on. */
export async function pauseWatch(
  tx: GatewayTx,
  id: string,
  reason: string | null,
  clock: Clock,
): Promise<void> {
  const [from, to] = reason === null ? ["paused", "active"] : ["active", "paused"];
  const watch = await tx
    .updateTable("watch")
    .set({ state: to, reason })
    .where("id", "=", id)
    .where("state", "=", from)
    .returningAll()
    .executeTakeFirst();
  if (watch === undefined) return;
  const change = { state: to, ...(reason !== null && { reason }) };
  const nth = `${to}.${clock.nowMs()}`;
  await tell(tx, watch, [updatedEvent(watch, nowSeconds(clock), nth, change)]);
}

export async function tell(
  tx: GatewayTx,
  watch: Pick<Selectable<WatchTable>, "client_id" | "sink">,
  events: readonly AlertEvent[],
): Promise<void> {
  await enqueue(tx, { clientId: watch.client_id, sink: watch.sink }, events);
}
