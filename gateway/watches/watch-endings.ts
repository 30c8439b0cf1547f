// How a watch ends or pauses, once, with its institution told in the same transaction, whoever found out and however often.
import type { Selectable } from "kysely";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { type AlertEvent, enqueue } from "../alerts/outbox.ts";
import type { AlertTable } from "../alerts/schema.ts";
import type { GatewayTx } from "../database.ts";
import type { WatchTable } from "./schema.ts";
import { endedEvent, updatedEvent } from "./watch-events.ts";

/** What no later evaluation can mend: the watch ends with it as the reason. */
const ENDING = new Set<ErrorCode>([
  "consent-revoked",
  "consent-expired",
  "consent-consumed",
  "consent-unknown",
  "token-malformed",
  "token-algorithm",
  "token-signature",
  "token-claims",
  "token-expired",
  "token-audience",
  "token-issuer",
  "dpop-malformed",
  "dpop-key",
  "dpop-signature",
  "dpop-binding",
  "client-unknown",
  "client-sealed-only",
  "product-not-consented",
  "product-unknown",
  "request-malformed",
  "claims-invalid",
  "query-conflict",
  "watch-expired",
  "watch-only",
]);

export function endsWatch(refusal: ErrorCode): boolean {
  return ENDING.has(refusal);
}

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
  if (ended === undefined) return;
  await tell(tx, [{ watch: ended, events: [endedEvent(ended, nowSeconds(clock), reason)] }]);
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
  await tell(tx, [{ watch, events: [updatedEvent(watch, nowSeconds(clock), nth, change)] }]);
}

/** What there is to tell of one watch. */
export interface Told {
  readonly watch: Pick<Selectable<WatchTable>, "client_id" | "sink">;
  readonly events: readonly AlertEvent[];
}

export async function tell(tx: GatewayTx, told: readonly Told[]): Promise<void> {
  const to = ({ client_id, sink }: Told["watch"]): string => `${client_id} ${sink}`;
  // By institution, ascending, as the outbox wants its locks to be taken.
  const bySink = [...Map.groupBy(told, ({ watch }) => to(watch))].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  for (const [, some] of bySink) {
    const [{ watch }] = some as [Told];
    const destination = { clientId: watch.client_id, sink: watch.sink };
    await enqueue(
      tx,
      destination,
      some.flatMap(({ events }) => events),
    );
  }
}
