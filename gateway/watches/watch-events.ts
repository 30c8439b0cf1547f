// What institutions are told of their watches, as events for the outbox: each change once, and the life of the watch itself
// (CAMARA event subscriptions: started, updated, ended with a termination reason). An event's id follows from what it tells.
import { z } from "zod";
import { parseJsonWith } from "../../core/parse.ts";
import { evaluationIdOf } from "../../consent/verifier.ts";
import type { RowOutcome } from "../../proto/index.ts";
import type { AlertEvent } from "../alerts/outbox.ts";
import type { Watch } from "./watch-store.ts";

const TYPE = "org.weijifen.watch";

/** Why a watch ended that no refusal ended: it was deleted, its time is over, it has told enough, its sink answers 410. */
export const END_REASONS = ["deleted", "watch-expired", "max-events", "sink-gone"] as const;

const TERMINATION: Readonly<Record<string, string>> = {
  deleted: "SUBSCRIPTION_DELETED",
  "sink-gone": "SUBSCRIPTION_DELETED",
  "watch-expired": "SUBSCRIPTION_EXPIRED",
  "max-events": "MAX_EVENTS_REACHED",
  "token-expired": "ACCESS_TOKEN_EXPIRED",
  "consent-expired": "ACCESS_TOKEN_EXPIRED",
};

type About = Pick<Watch, "id" | "client_id" | "product">;

/** The part of an answer that is told; the authority's JSON, parsed. */
const ToldAnswer = z.object({
  query_id: z.uuid(),
  answer: z.object({
    kind: z.literal("alerts"),
    changes: z.array(
      z.object({ condition: z.int(), state: z.enum(["crossed", "back", "unknown"]) }),
    ),
  }),
  coverage: z.object({ answered: z.int(), of: z.int() }),
});

type Told = Exclude<RowOutcome["outcome"], { result: "refusal" }>;

/** One event per change, or one that tells nothing but that there are some; none when nothing has changed. */
export function changeEvents(
  watch: About,
  due: number,
  outcome: Told,
  receipt: string,
): AlertEvent[] {
  const about = { subject: watch.id, time: due };
  if (outcome.result === "sealed") {
    const id = evaluationIdOf(watch.client_id, watch.id, due);
    return [{ ...about, id, type: `${TYPE}.changed`, data: { jwe: outcome.sealed } }];
  }
  const told = parseJsonWith(ToldAnswer, outcome.answer, "receipt-invalid", "answer");
  const { query_id, coverage, answer } = told;
  return answer.changes.map(({ condition, state }) => ({
    ...about,
    id: `${query_id}.${condition}`,
    type: `${TYPE}.${state}`,
    data: { product: watch.product, query_id, condition, state, coverage, receipt },
  }));
}

export function startedEvent({ id, product }: About, now: number): AlertEvent {
  return {
    id: `${id}.started`,
    type: `${TYPE}.subscription-started`,
    subject: id,
    time: now,
    data: { product },
  };
}

/** @param nth tells this change of the watch from others. */
export function updatedEvent(
  { id, product }: About,
  now: number,
  nth: string,
  change: { readonly state: string; readonly reason?: string },
): AlertEvent {
  return {
    id: `${id}.updated.${nth}`,
    type: `${TYPE}.subscription-updated`,
    subject: id,
    time: now,
    data: { product, ...change },
  };
}

export function endedEvent({ id, product }: About, now: number, reason: string): AlertEvent {
  return {
    id: `${id}.ended`,
    type: `${TYPE}.subscription-ended`,
    subject: id,
    time: now,
    data: { product, reason, termination_reason: TERMINATION[reason] ?? "NETWORK_TERMINATED" },
  };
}
