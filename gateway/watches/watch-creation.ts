// Watches as they come in: what an institution signed is verified and read, then stored with the event that tells of it. One, or
// as many as came together in an upload (watch-upload.ts): each is new, or there already, or refused, whatever the others are.
import { type Catalogue, requireProduct } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { chunks } from "../../core/database.ts";
import { WjfError } from "../../core/errors.ts";
import {
  type FederationView,
  periodSeconds,
  RequestChecker,
  requestRules,
  type SignedRequest,
  type StandingWatch,
  verifyWatch,
  WATCHES_PATH,
} from "../../consent/verifier.ts";
import { parseSink, type SinkPolicy } from "../alerts/sink.ts";
import type { GatewayTx } from "../database.ts";
import { tell } from "./watch-endings.ts";
import { startedEvent } from "./watch-events.ts";
import type { Watch } from "./watch-store.ts";

export interface CreationRules {
  readonly view: FederationView;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly sinks: SinkPolicy;
}

export type NewWatch = Omit<
  Watch,
  | "asked"
  | "failures"
  | "next_at"
  | "evaluated_at"
  | "events"
  | "state"
  | "reason"
  | "created_at"
  | "ended_at"
  | "lease_owner"
  | "lease_until"
>;

export type Creation =
  { readonly watch: Watch; readonly created: boolean } | { readonly refusal: WjfError };

/** One consent carries this many watches at once. */
const PER_CONSENT = 24;

/** @param maxProofAgeS oldest proof that is taken, in seconds. */
export function requestChecker(
  { view, catalogue, clock }: CreationRules,
  maxProofAgeS: number,
): RequestChecker {
  const rules = requestRules(view.current(), catalogue, maxProofAgeS, WATCHES_PATH);
  return new RequestChecker(rules, clock);
}

/**
 * Whether the proof was used before is the caller's.
 * @throws WjfError `token-*`, `dpop-*`, `request-malformed`, `product-*`, `consent-*`, `sink-refused`, `watch-frequency`,
 * `watch-expired`.
 */
export function readNewWatch(
  credentials: SignedRequest,
  checker: RequestChecker,
  { view, catalogue, clock, sinks }: CreationRules,
): { readonly watch: NewWatch; readonly proofId: string } {
  const standing = verifyWatch(credentials, checker);
  const { consent, body, id, everyS, startsS, expiresS, proofId } = standing;
  if (requireProduct(catalogue, body.product).rule.type !== "watch") {
    throw new WjfError("product-unknown", "not a product to watch");
  }
  requireAllowed(standing);
  if (expiresS !== undefined && expiresS <= nowSeconds(clock)) throw new WjfError("watch-expired");
  const sink = parseSink(body.sink.url, sinks);
  view.requireActive(consent.status);
  const { status_list: status } = consent.status;
  const watch: NewWatch = {
    id,
    client_id: consent.client_id,
    jkt: consent.cnf.jkt,
    consent_id: consent.grant_id,
    status_uri: status.uri,
    status_idx: status.idx,
    product: body.product,
    token: credentials.token,
    proof: credentials.proof,
    body: Buffer.from(credentials.body).toString("utf8"),
    body_sha256: sha256Hex(credentials.body),
    sealed: body.sealed ? 1 : 0,
    sink: sink.href,
    every_s: everyS,
    due_at: startsS,
    expires_at: expiresS ?? null,
    max_events: body.max_events ?? null,
  };
  return { watch, proofId };
}

/** @throws WjfError `watch-frequency` when the schedule alone would use more than the consent's frequency. */
function requireAllowed({ consent, everyS }: StandingWatch): void {
  const [{ frequency }] = consent.authorization_details;
  if (frequency === undefined) return;
  const unitS = periodSeconds({ unit: frequency.unit, value: 1 });
  if (everyS * frequency.value < unitS) throw new WjfError("watch-frequency");
}

/**
 * The same request again is the same watch. One result for each, in order.
 * A refusal is `query-conflict` for another request under an id that is taken, or `rate-limited`.
 */
export async function createWatches(
  tx: GatewayTx,
  wanted: readonly NewWatch[],
  clock: Clock,
): Promise<Creation[]> {
  const known = await readWatches(
    tx,
    wanted.map(({ id }) => id),
  );
  const standing = await countStanding(tx, wanted);
  const now = clock.nowMs();
  const rows = new Map<string, Watch>();
  const creations = wanted.map((watch): Creation => {
    const before = known.get(watch.id) ?? rows.get(watch.id);
    if (before !== undefined) return sameAs(before, watch);
    const others = standing.get(watch.consent_id) ?? 0;
    if (others >= PER_CONSENT) {
      return { refusal: new WjfError("rate-limited", "watches of one consent") };
    }
    standing.set(watch.consent_id, others + 1);
    const row = beginning(watch, now);
    rows.set(row.id, row);
    return { watch: row, created: true };
  });
  const inserted = await insert(tx, [...rows.values()]);
  await tell(
    tx,
    [...rows.values()]
      .filter(({ id }) => inserted.has(id))
      .map((watch) => ({ watch, events: [startedEvent(watch, nowSeconds(clock))] })),
  );
  if (inserted.size === rows.size) return creations;
  // Another replica was faster with the same ids.
  const faster = await readWatches(
    tx,
    [...rows.keys()].filter((id) => !inserted.has(id)),
  );
  return creations.map((creation, i) => {
    const other = faster.get((wanted[i] as NewWatch).id);
    return other === undefined ? creation : sameAs(other, wanted[i] as NewWatch);
  });
}

function beginning(watch: NewWatch, now: number): Watch {
  return {
    ...watch,
    asked: 0,
    failures: 0,
    next_at: watch.due_at * 1000,
    evaluated_at: null,
    events: 0,
    state: "active",
    reason: null,
    created_at: now,
    ended_at: null,
    lease_owner: null,
    lease_until: 0,
  };
}

function sameAs(known: Watch, { jkt, body_sha256 }: NewWatch): Creation {
  return known.jkt === jkt && known.body_sha256 === body_sha256
    ? { watch: known, created: false }
    : { refusal: new WjfError("query-conflict") };
}

async function readWatches(tx: GatewayTx, ids: readonly string[]): Promise<Map<string, Watch>> {
  const found = new Map<string, Watch>();
  for (const chunk of chunks(ids)) {
    const rows = await tx.selectFrom("watch").selectAll().where("id", "in", chunk).execute();
    for (const row of rows) found.set(row.id, row);
  }
  return found;
}

/** Watches of each consent that have not ended. */
async function countStanding(
  tx: GatewayTx,
  wanted: readonly NewWatch[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const ids of chunks([...new Set(wanted.map(({ consent_id }) => consent_id))])) {
    const rows = await tx
      .selectFrom("watch")
      .select("consent_id")
      .select((eb) => eb.fn.countAll<number>().as("standing"))
      .where("consent_id", "in", ids)
      .where("state", "!=", "ended")
      .groupBy("consent_id")
      .execute();
    for (const { consent_id, standing } of rows) counts.set(consent_id, standing);
  }
  return counts;
}

/** The ids that were free. */
async function insert(tx: GatewayTx, rows: readonly Watch[]): Promise<Set<string>> {
  const inserted = new Set<string>();
  for (const chunk of chunks(rows)) {
    const added = await tx
      .insertInto("watch")
      .values(chunk)
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning("id")
      .execute();
    for (const { id } of added) inserted.add(id);
  }
  return inserted;
}
