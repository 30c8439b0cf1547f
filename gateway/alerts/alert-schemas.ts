// What the alert routes take and give, as zod schemas: OpenAPI is generated from these.
import { z } from "zod";
import { PROVEN_PROBLEMS } from "../schemas.ts";
import { CloudEvent } from "./envelope.ts";
import { ALERT_STATES, FAILURES } from "./schema.ts";

/** Counts on without gaps, and no institution gets this far. */
const Cursor = z.coerce.number().pipe(z.int().min(0).max(Number.MAX_SAFE_INTEGER));

export const AlertPage = z.strictObject({
  after: Cursor.default(0).describe(
    "The cursor of the last alert that is known; 0: from the start",
  ),
  limit: z.coerce.number().pipe(z.int().min(1).max(1000)).default(100),
});

export const AlertParams = z.strictObject({ cursor: Cursor });

const Outcome = z.enum(["delivered", ...FAILURES]);

export const AlertsSchema = z
  .object({
    alerts: z.array(
      z.object({
        cursor: z.int(),
        event: CloudEvent,
        state: z.enum(ALERT_STATES),
        attempts: z.int(),
        outcome: Outcome.nullable().describe("Of the last attempt"),
      }),
    ),
    next: z.int().describe("To go on from"),
  })
  .meta({ id: "Alerts" });
export type AlertsOut = z.input<typeof AlertsSchema>;

export const AttemptsSchema = z
  .object({
    attempts: z.array(
      z.object({
        attempt: z.int(),
        at: z.iso.datetime(),
        outcome: Outcome,
        status: z.int().nullable(),
        took_ms: z.int(),
      }),
    ),
  })
  .meta({ id: "AlertAttempts" });
export type AttemptsOut = z.input<typeof AttemptsSchema>;

const security: { [scheme: string]: string[] }[] = [];
const tags = ["alerts"];
const redelivered = z.object({ redelivered: z.int() });

export const alertSchemas = {
  list: {
    summary: "One's own alerts from a cursor on",
    description:
      "`Authorization: DPoP <token>` with any consent token that was issued to this institution and has not expired, " +
      "whatever has become of its consent, and a `DPoP` proof with `ath`. Or a `DPoP` proof alone, by the key that signed the watches: " +
      "then those that tell of these watches. Kept for 30 days after they were delivered or given up.",
    tags,
    security,
    querystring: AlertPage,
    response: { 200: AlertsSchema, ...PROVEN_PROBLEMS },
  },
  dead: {
    summary: "Alerts that were given up",
    tags,
    security,
    querystring: AlertPage,
    response: { 200: AlertsSchema, ...PROVEN_PROBLEMS },
  },
  attempts: {
    summary: "The deliveries of one alert, the newest first",
    tags,
    security,
    params: AlertParams,
    response: { 200: AttemptsSchema, ...PROVEN_PROBLEMS },
  },
  redeliver: {
    summary: "Deliver one dead letter after all",
    tags,
    security,
    params: AlertParams,
    response: { 200: redelivered, ...PROVEN_PROBLEMS },
  },
  redeliverAll: {
    summary: "Deliver all dead letters after all",
    tags,
    security,
    response: { 200: redelivered, ...PROVEN_PROBLEMS },
  },
};
