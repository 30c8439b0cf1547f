// The outbox: whoever has something to tell an institution puts it here, in the transaction in which it happened. What has been
// committed is delivered at least once (delivery.ts); the event's id is what the institution drops duplicates by.
import { canonicalJson } from "../../core/canonical.ts";
import { chunks } from "../../core/database.ts";
import type { GatewayTx } from "../database.ts";
import { bringForward } from "./sink-moments.ts";

export type JsonObject = { readonly [name: string]: unknown };

export interface AlertEvent {
  /** Deterministic: the same happening has the same id, whoever finds it and however often. */
  readonly id: string;
  /** CloudEvents `type`: "org.weijifen.watch.crossed". */
  readonly type: string;
  /** The watch's id. */
  readonly subject: string;
  /** NumericDate of what happened. */
  readonly time: number;
  /**
   * For a sealed-only institution, `{"jwe": …}` as the authority sealed it (type `weijifen-alert+jwe`), under a `type` that tells
   * nothing: neither the gateway nor the outbox may know what it says.
   */
  readonly data: JsonObject;
}

export interface Destination {
  readonly clientId: string;
  /** As `parseSink` gave it back. It is checked again whenever it is connected to. */
  readonly sink: string;
}

/**
 * Adds events to an institution's stream. An id that its stream has (or had within the retention) is not added again.
 * Locks the stream until the transaction ends: whoever enqueues for several institutions in one goes by `clientId`, ascending.
 */
export async function enqueue(
  tx: GatewayTx,
  { clientId, sink }: Destination,
  events: readonly AlertEvent[],
): Promise<void> {
  if (events.length === 0) return;
  // The lock comes first, and makes the numbers follow the commits: a cursor that has read n misses nothing below it.
  const last = await lockStream(tx, clientId);
  const fresh = await withoutKnown(tx, clientId, events);
  const rows = fresh.map(({ id, type, subject, time, data }, i) => ({
    client_id: clientId,
    seq: last + 1 + i,
    id,
    sink,
    type,
    subject,
    time,
    data: canonicalJson(data),
    state: "pending",
    attempts: 0,
    since: time * 1000,
    due_at: time * 1000,
    lease_owner: null,
    settled_at: null,
    outcome: null,
  }));
  if (rows.length === 0) return;
  for (const chunk of chunks(rows)) await tx.insertInto("alert").values(chunk).execute();
  await bringForward(tx, { clientId, sink }, Math.min(...rows.map(({ due_at }) => due_at)));
  await tx
    .updateTable("alert_stream")
    .set({ last: last + fresh.length })
    .where("client_id", "=", clientId)
    .execute();
}

/** Until the transaction ends. @returns the number of the institution's last alert. */
export async function lockStream(tx: GatewayTx, clientId: string): Promise<number> {
  const { last } = await tx
    .insertInto("alert_stream")
    .values({ client_id: clientId, last: 0 })
    .onConflict((conflict) =>
      conflict.column("client_id").doUpdateSet((eb) => ({ last: eb.ref("alert_stream.last") })),
    )
    .returning("last")
    .executeTakeFirstOrThrow();
  return last;
}

async function withoutKnown(
  tx: GatewayTx,
  clientId: string,
  events: readonly AlertEvent[],
): Promise<AlertEvent[]> {
  const byId = new Map(events.map((event) => [event.id, event]));
  for (const ids of chunks([...byId.keys()])) {
    const known = await tx
      .selectFrom("alert")
      .select("id")
      .where("client_id", "=", clientId)
      .where("id", "in", ids)
      .execute();
    for (const { id } of known) byId.delete(id);
  }
  return [...byId.values()];
}
