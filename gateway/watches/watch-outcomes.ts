// What came of evaluations, written down once: the watch's next moment and the events it gave, in one transaction, conditional on
// the lease under which it was asked.
import type { Updateable } from "kysely";
import type { Clock } from "../../core/clock.ts";
import type { AlertEvent } from "../alerts/outbox.ts";
import type { GatewayTx } from "../database.ts";
import type { WatchTable } from "./schema.ts";
import { endWatch, pauseWatch, tell } from "./watch-endings.ts";
import type { Watch } from "./watch-store.ts";

export type Outcome =
  /** Evaluated: these are its news. */
  | { readonly watch: Watch; readonly events: readonly AlertEvent[] }
  | { readonly watch: Watch; readonly ends: string }
  /** Not evaluated, for a reason that passes; asked again then. */
  | { readonly watch: Watch; readonly againAt: number; readonly failed: boolean }
  | { readonly watch: Watch; readonly pauses: string };

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
  const isQuiet = (outcome: Outcome): boolean => "events" in outcome && outcome.events.length === 0;
  const quiet = outcomes.filter(isQuiet).map(({ watch }) => watch.id);
  // The outbox locks each institution's stream: in one order, everywhere.
  const others = outcomes
    .filter((outcome) => !isQuiet(outcome))
    .toSorted((a, b) => compare(a.watch.client_id, b.watch.client_id));
  await recordQuiet(tx, quiet, holder);
  for (const outcome of others) await recordOne(tx, outcome, holder);
}

/** Most evaluations: nothing has changed. */
async function recordQuiet(
  tx: GatewayTx,
  ids: readonly string[],
  { owner }: Holder,
): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .updateTable("watch")
    .set((eb) => ({
      asked: 0,
      failures: 0,
      lease_owner: null,
      lease_until: 0,
      evaluated_at: eb.ref("due_at"),
      due_at: eb("due_at", "+", eb.ref("every_s")),
      next_at: eb(eb.parens("due_at", "+", eb.ref("every_s")), "*", 1000),
    }))
    .where("id", "in", [...ids])
    .where("lease_owner", "=", owner)
    .where("state", "!=", "ended")
    .execute();
}

async function recordOne(tx: GatewayTx, outcome: Outcome, { owner, clock }: Holder): Promise<void> {
  const { watch } = outcome;
  const kept = await tx
    .updateTable("watch")
    .set({ ...settled(outcome), lease_owner: null, lease_until: 0 })
    .where("id", "=", watch.id)
    .where("lease_owner", "=", owner)
    .where("state", "!=", "ended")
    .returningAll()
    .executeTakeFirst();
  if (kept === undefined) return;
  if ("ends" in outcome) return await endWatch(tx, watch.id, outcome.ends, clock);
  if ("pauses" in outcome) return await pauseWatch(tx, watch.id, outcome.pauses, clock);
  if (!("events" in outcome)) return;
  await tell(tx, kept, outcome.events);
  if (kept.max_events !== null && kept.events >= kept.max_events) {
    await endWatch(tx, watch.id, "max-events", clock);
  }
}

function settled(outcome: Outcome): Updateable<WatchTable> {
  const { watch } = outcome;
  if ("againAt" in outcome) {
    const failures = watch.failures + (outcome.failed ? 1 : 0);
    return { asked: 0, failures, next_at: outcome.againAt };
  }
  if (!("events" in outcome)) return { asked: 0 };
  const due = watch.due_at + watch.every_s;
  return {
    asked: 0,
    failures: 0,
    due_at: due,
    next_at: due * 1000,
    evaluated_at: watch.due_at,
    events: watch.events + outcome.events.length,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
