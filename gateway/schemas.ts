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
    400: ProblemSchema,
    401: ProblemSchema,
    403: ProblemSchema,
    404: ProblemSchema,
    409: ProblemSchema,
    413: ProblemSchema,
    422: ProblemSchema,
    429: ProblemSchema,
    503: ProblemSchema,
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
