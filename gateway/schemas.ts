// What the HTTP API takes and gives, as zod schemas: OpenAPI is generated from these.
import { z } from "zod";
import { QueryBody } from "../consent/verifier.ts";

export const NDJSON = "application/x-ndjson";

export const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    next: z.string(),
    retryable: z.boolean(),
    instance: z.string(),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem details" });

/** Responses of refusals, by status. */
export function problems<const S extends number>(...statuses: readonly S[]) {
  const entries = statuses.map((status) => [status, ProblemSchema]);
  return Object.fromEntries(entries) as Readonly<Record<S, typeof ProblemSchema>>;
}

/** Any route's: a path or a field that does not fit, a content coding, a fault of ours. */
export const ROUTE_PROBLEMS = problems(400, 415, 500);

/** Where a proof is taken, and something looked up by who has signed it. */
export const PROVEN_PROBLEMS = { ...ROUTE_PROBLEMS, ...problems(401, 404, 413, 503) };

/** Where authority and provinces have a say: every status of the error catalogue. */
export const ALL_PROBLEMS = problems(
  ...([400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 500, 502, 503, 504] as const),
);

const ScoreAnswer = z.object({
  kind: z.literal("score"),
  value: z.int().nullable(),
  band: z.string().optional(),
  dimensions: z.record(z.string(), z.int()).optional(),
  reasons: z.array(z.unknown()).optional(),
});
const YesNoAnswer = z.object({
  kind: z.literal("yes_no"),
  value: z.enum(["yes", "no", "unknown"]),
});
const TagsAnswer = z.object({ kind: z.literal("tags"), tags: z.array(z.string()) });

export const AnswerSchema = z
  .object({
    query_id: z.uuid(),
    product: z.string(),
    answer: z.union([ScoreAnswer, YesNoAnswer, TagsAnswer]),
    coverage: z.object({ answered: z.int(), of: z.int() }),
    model: z.object({ id: z.string(), version: z.string() }).nullable(),
    receipt: z.string().describe("c2sp.org/tlog-proof@v1: offline-verifiable inclusion proof"),
  })
  .meta({ id: "Answer" });

export const queryRouteSchema = {
  summary: "Ask one question about one consenting person",
  description:
    "`Authorization: DPoP <consent token>` and a `DPoP` proof (RFC 9449) whose payload also carries `camara:bh`, the " +
    "base64url SHA-256 of this body. `Accept: application/jose` gets the answer as a JWE.",
  tags: ["queries"],
  security: [],
  body: QueryBody,
  response: {
    200: AnswerSchema,
    ...ALL_PROBLEMS,
  },
};

export const ProductsSchema = z.object({
  products: z.array(
    z.object({
      product: z.string(),
      title: z.object({ zh: z.string(), en: z.string() }),
      description: z.object({ zh: z.string(), en: z.string() }),
      kind: z.enum(["yes_no", "score", "tags", "alerts"]),
      subjects: z.array(z.string()),
      claims: z.enum(["required", "optional", "none"]),
      claims_schema: z.unknown().optional(),
    }),
  ),
});

export const FederationSchema = z.object({
  epoch: z.int(),
  not_after: z.int(),
  roster: z.string().describe("JWS compact, signed by the authority: verify before sealing claims"),
  roster_digest: z.string(),
  group_key: z.unknown(),
  provinces: z.array(
    z.object({ code: z.string(), zh: z.string(), en: z.string(), state: z.string() }),
  ),
});
