// What came of evaluations, written down once: the watch's next moment and the events it gave, in one transaction, conditional on
// the lease under which it was asked.
import type { Clock } from "../../core/clock.ts";
import { chunks } from "../../core/database.ts";
import type { AlertEvent } from "../alerts/outbox.ts";
import type { GatewayTx } from "../database.ts";
import { endWatch, pauseWatch, tell, type Told } from "./watch-endings.ts";
import type { Watch } from "./watch-store.ts";

export type Outcome =
  /** Evaluated: these are its news. */
  | Evaluated
  | { readonly watch: Watch; readonly ends: string }
  /** Not evaluated, for a reason that passes; asked again then. */
  | { readonly watch: Watch; readonly againAt: number; readonly failed: boolean }
  | { readonly watch: Watch; readonly pauses: string };

interface Evaluated {
  readonly watch: Watch;
  readonly events: readonly AlertEvent[];
}

/** Whose leases they are. */
interface Holder {
  readonly owner: string;
  readonly clock: Clock;
}

export async function recordOutcomes(
  tx: GatewayTx,
  outcomes: readonly Outcome[],
  holder: Holder,
): Promise<void> {
  // The outbox locks each institution's stream: in one order, everywhere.
  const byClient = [...Map.groupBy(outcomes, ({ watch }) => watch.client_id)];
  for (const [, ofClient] of byClient.toSorted(([a], [b]) => compare(a, b))) {
    await recordEvaluated(
      tx,
      ofClient.filter((outcome) => "events" in outcome),
      holder,
    );
    for (const outcome of ofClient) {
      if (!("events" in outcome)) await recordOther(tx, outcome, holder);
    }
  }
}

/** Those with as many news, most of them none, in one statement. */
async function recordEvaluated(
  tx: GatewayTx,
  evaluated: readonly Evaluated[],
  { owner, clock }: Holder,
): Promise<void> {
  const told: Told[] = [];
  const enough: string[] = [];
  for (const [changes, some] of Map.groupBy(evaluated, ({ events }) => events.length)) {
    const events = new Map(some.map((each) => [each.watch.id, each.events]));
    for (const ids of chunks([...events.keys()])) {
      const kept = await tx
        .updateTable("watch")
        .set((eb) => ({
          asked: 0,
          failures: 0,
          lease_owner: null,
          lease_until: 0,
          evaluated_at: eb.ref("due_at"),
          due_at: eb("due_at", "+", eb.ref("every_s")),
          next_at: eb(eb.parens("due_at", "+", eb.ref("every_s")), "*", 1000),
          events: eb("events", "+", changes),
        }))
        .where("id", "in", ids)
        .where("lease_owner", "=", owner)
        .where("state", "!=", "ended")
        .returning(["id", "client_id", "sink", "events", "max_events"])
        .execute();
      if (changes === 0) continue;
      for (const watch of kept) {
        told.push({ watch, events: events.get(watch.id) ?? [] });
        if (watch.max_events !== null && watch.events >= watch.max_events) enough.push(watch.id);
      }
    }
  }
  await tell(tx, told);
  for (const id of enough) await endWatch(tx, id, "max-events", clock);
}

async function recordOther(
  tx: GatewayTx,
  outcome: Exclude<Outcome, Evaluated>,
  { owner, clock }: Holder,
): Promise<void> {
  const { watch } = outcome;
  const again =
    "againAt" in outcome
      ? { failures: watch.failures + (outcome.failed ? 1 : 0), next_at: outcome.againAt }
      : {};
  const { numUpdatedRows } = await tx
    .updateTable("watch")
    .set({ ...again, asked: 0, lease_owner: null, lease_until: 0 })
    .where("id", "=", watch.id)
    .where("lease_owner", "=", owner)
    .where("state", "!=", "ended")
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return;
  if ("ends" in outcome) await endWatch(tx, watch.id, outcome.ends, clock);
  if ("pauses" in outcome) await pauseWatch(tx, watch.id, outcome.pauses, clock);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
