// What the watch routes take and give, as zod schemas: OpenAPI is generated from these.
import { z } from "zod";
import { WatchBody } from "../../consent/verifier.ts";
import { NDJSON, problems, ProblemSchema, PROVEN_PROBLEMS } from "../schemas.ts";
import { WATCH_STATES } from "./schema.ts";

export const WatchSchema = z
  .object({
    watch_id: z.uuid(),
    state: z.enum(WATCH_STATES),
    reason: z.string().optional().describe("Why it has ended or is paused: a code"),
    product: z.string(),
    sink: z.object({ url: z.string() }),
    sealed: z.boolean(),
    created: z.iso.datetime(),
    next: z.iso.datetime().optional().describe("The moment of the schedule that is evaluated next"),
    evaluated: z.iso.datetime().optional().describe("The newest moment that was evaluated"),
    expires: z.iso.datetime().optional(),
    events: z.int().describe("Changes told so far"),
    max_events: z.int().optional(),
    ended: z.iso.datetime().optional(),
  })
  .meta({ id: "Watch" });
export type WatchSchemaOut = z.input<typeof WatchSchema>;

/** What may be changed without signing another watch. */
export const WatchPatch = z
  .strictObject({
    sink: WatchBody.shape.sink.optional(),
    expires: z.iso.datetime().optional().describe("Sooner only"),
    max_events: WatchBody.shape.max_events,
  })
  .refine((patch) => Object.keys(patch).length > 0, "at least one field");

export const WatchParams = z.object({ id: z.uuid() });

export const WatchQuery = z.object({
  after: z.uuid().optional().describe("The last `watch_id` of the page before"),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** One line of an upload: what a request for one watch has in its headers, and its body. */
export const UploadRow = z
  .strictObject({
    token: z
      .string()
      .max(16 * 1024)
      .describe("Consent token, JWS compact"),
    proof: z
      .string()
      .max(8 * 1024)
      .describe("DPoP proof over token and body"),
    body: z
      .string()
      .describe("The JSON of one watch as a string: the very text that the proof signs"),
  })
  .meta({ id: "WatchUploadRow" });

export const UploadResult = z
  .object({
    line: z.int().describe("From 1; without one: the upload broke off, and no later row was taken"),
    watch_id: z.uuid(),
    state: z.enum(WATCH_STATES),
    created: z.boolean().describe("false: it was there already"),
    error: ProblemSchema.omit({ instance: true }).describe("Instead of a watch"),
  })
  .partial()
  .meta({ id: "WatchUploadResult" });
export type UploadResult = z.infer<typeof UploadResult>;

const security: { [scheme: string]: string[] }[] = [];
const tags = ["watches"];
const ofKey =
  "`DPoP`: a proof (RFC 9449) by the key that signed the watch, for this method and URL";

export const watchSchemas = {
  create: {
    summary: "Watch one consenting person",
    description:
      "Signed as a question is: `Authorization: DPoP <consent token>` of a PERIODIC consent, and a `DPoP` proof for this " +
      "URL with `camara:bh`. The request stands for every moment of its schedule. `claims` are sealed to the provinces: " +
      '`{"conditions": [{"indicator", "params"?, "claim"?}]}` as in the product\'s `claims_schema`; `conditions` says how ' +
      "many they are. Changes go to `sink`: crossed, back, or unknown. The same request again is the same watch.\n\n" +
      "**In bulk**: NDJSON, one `WatchUploadRow` a line, 100,000 at most, without those two headers: each row has its own " +
      "token and proof, for this same URL, up to an hour old. The answer is 200 and NDJSON, a `WatchUploadResult` for each " +
      "row, in order, while the upload goes on. A row stands or falls alone; one without a result has to be sent again.",
    consumes: ["application/json", NDJSON],
    tags,
    security,
    body: WatchBody,
    response: {
      200: {
        description: "It was there already; or the results of an upload",
        content: {
          "application/json": { schema: WatchSchema },
          [NDJSON]: { schema: UploadResult },
        },
      },
      201: WatchSchema,
      ...PROVEN_PROBLEMS,
      ...problems(403, 409, 422, 429),
    },
  },
  list: {
    summary: "The watches of one key, by id",
    description: ofKey,
    tags,
    security,
    querystring: WatchQuery,
    response: { 200: z.object({ watches: z.array(WatchSchema) }), ...PROVEN_PROBLEMS },
  },
  read: {
    summary: "One watch",
    description: ofKey,
    tags,
    security,
    response: { 200: WatchSchema, ...PROVEN_PROBLEMS },
  },
  change: {
    summary: "Change where a watch tells, or let it end sooner",
    description: `${ofKey}, with \`camara:bh\`. Conditions and schedule are signed: another watch has others.`,
    tags,
    security,
    body: WatchPatch,
    response: { 200: WatchSchema, ...PROVEN_PROBLEMS },
  },
  remove: {
    summary: "End a watch",
    description: ofKey,
    tags,
    security,
    response: { 204: z.null(), ...PROVEN_PROBLEMS },
  },
};
