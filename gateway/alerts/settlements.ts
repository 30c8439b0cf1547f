// What came of attempts, written down: conditional on the lease under which each was made, together with what follows from it.
// A settled alert is delivered or dead; what only would be told the same by its sink is given up with it.
import type { Selectable } from "kysely";
import type { Clock } from "../../core/clock.ts";
import { chunks } from "../../core/database.ts";
import type { GatewayTx } from "../database.ts";
import { GIVE_UP_MS } from "./retry.ts";
import type { AlertOutcome, AlertState, AlertTable } from "./schema.ts";

type Alert = Selectable<AlertTable>;

export interface Settlement {
  readonly alert: Alert;
  readonly outcome: AlertOutcome;
  readonly status: number | undefined;
  readonly tookMs: number;
  readonly state: AlertState;
  /** When to try again; of a pending one. */
  readonly dueAtMs: number;
}

export type OnGone = (
  tx: GatewayTx,
  alert: Pick<Alert, "client_id" | "subject" | "sink">,
) => Promise<void>;

/** Whose leases they are. */
interface Holder {
  readonly owner: string;
  readonly clock: Clock;
  readonly onGone: OnGone | undefined;
}

/** @returns for each, how many alerts it gave up. */
export async function recordSettlements(
  tx: GatewayTx,
  settlements: readonly Settlement[],
  holder: Holder,
): Promise<number[]> {
  await settleDelivered(tx, settlements.filter(isDelivered), holder);
  const givenUp: number[] = [];
  for (const settlement of settlements) {
    givenUp.push(isDelivered(settlement) ? 0 : await settle(tx, settlement, holder));
  }
  return givenUp;
}

function isDelivered({ outcome }: Settlement): boolean {
  return outcome === "delivered";
}

/** Most are: those of one institution that were tried as often, in one statement. */
async function settleDelivered(
  tx: GatewayTx,
  settlements: readonly Settlement[],
  { owner, clock }: Holder,
): Promise<void> {
  const now = clock.nowMs();
  const alike = Map.groupBy(settlements, ({ alert }) => `${alert.client_id} ${alert.attempts}`);
  for (const chunk of [...alike.values()].flatMap((some) => chunks(some))) {
    const [{ alert }] = chunk as [Settlement];
    const { client_id, attempts } = alert;
    const bySeq = new Map(chunk.map((settlement) => [settlement.alert.seq, settlement]));
    const kept = await tx
      .updateTable("alert")
      .set({ state: "delivered", outcome: "delivered", due_at: now })
      .set({ lease_owner: null, settled_at: now })
      .where("client_id", "=", client_id)
      .where("seq", "in", [...bySeq.keys()])
      .where("state", "=", "pending")
      .where("lease_owner", "=", owner)
      .where("attempts", "=", attempts)
      .returning("seq")
      .execute();
    const rows = kept.map(({ seq }) => {
      const { outcome, status = null, tookMs: took_ms } = bySeq.get(seq) as Settlement;
      return { client_id, seq, attempt: attempts, at: now, outcome, status, took_ms };
    });
    if (rows.length > 0) await tx.insertInto("alert_attempt").values(rows).execute();
  }
}

async function settle(
  tx: GatewayTx,
  { alert, ...result }: Settlement,
  { owner, clock, onGone }: Holder,
): Promise<number> {
  const now = clock.nowMs();
  const { client_id, seq, attempts } = alert;
  const { numUpdatedRows } = await tx
    .updateTable("alert")
    .set({
      state: result.state,
      outcome: result.outcome,
      due_at: result.dueAtMs,
      lease_owner: null,
      settled_at: result.state === "pending" ? null : now,
    })
    .where("client_id", "=", client_id)
    .where("seq", "=", seq)
    .where("state", "=", "pending")
    .where("lease_owner", "=", owner)
    .where("attempts", "=", attempts)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return 0;
  const { outcome, status = null, tookMs: took_ms } = result;
  await tx
    .insertInto("alert_attempt")
    .values({ client_id, seq, attempt: attempts, at: now, outcome, status, took_ms })
    .execute();
  // First: what it has still to tell is not to be sent to who wants no more, and is given up with the rest.
  if (outcome === "gone") await onGone?.(tx, alert);
  return result.state === "dead" ? 1 + (await giveUpWith(tx, alert, outcome, now)) : 0;
}

/**
 * What would only be told the same by this sink: after 410 all that waits for this watch; otherwise all that it has not
 * taken for as long, or a backlog would be given up at the pace at which a dead sink is tried.
 */
async function giveUpWith(
  tx: GatewayTx,
  alert: Alert,
  outcome: AlertOutcome,
  now: number,
): Promise<number> {
  const waiting = tx
    .updateTable("alert")
    .set({ state: "dead", outcome, lease_owner: null, settled_at: now })
    .where("client_id", "=", alert.client_id)
    .where("sink", "=", alert.sink)
    .where("state", "=", "pending");
  const { numUpdatedRows } = await (
    outcome === "gone"
      ? waiting.where("subject", "=", alert.subject)
      : waiting.where("since", "<=", now - GIVE_UP_MS)
  ).executeTakeFirst();
  return Number(numUpdatedRows);
}
