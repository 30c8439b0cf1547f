// What the batch routes take and give, as zod schemas: OpenAPI is generated from these.
import { z } from "zod";
import { problems, PROVEN_PROBLEMS } from "../schemas.ts";
import { BATCH_STATES } from "./schema.ts";

export const BatchSchema = z
  .object({
    id: z.uuid(),
    state: z.enum(BATCH_STATES),
    rows: z.int(),
    done: z.int(),
    answered: z.int(),
    refused: z.int(),
    sealed: z.boolean(),
    created: z.iso.datetime(),
    deadline: z.iso.datetime().describe("Rows still open then are refused"),
    finished: z.iso.datetime().optional(),
    expires: z.iso.datetime().optional().describe("Results are destroyed then"),
  })
  .meta({ id: "Batch" });
export type BatchSchemaOut = z.input<typeof BatchSchema>;

const security: { [scheme: string]: string[] }[] = [];
const tags = ["batches"];

export const batchSchemas = {
  create: {
    summary: "Ask many questions at once",
    description:
      'NDJSON, one row a line: `{"query_id"?, "product", "token", "claims"?}`. The `DPoP` proof carries `wjf:rows`: ' +
      "`count`, `root` (RFC 6962 Merkle root over blocks of 93 lines, each line with its newline) and `sealed`; it is " +
      "signed with the key that every row's token is bound to. The same signed batch sent again is the same batch.",
    consumes: ["application/x-ndjson"],
    tags,
    security,
    response: { 202: BatchSchema, ...PROVEN_PROBLEMS, ...problems(409, 429) },
  },
  read: {
    summary: "A batch's state",
    tags,
    security,
    response: { 200: BatchSchema, ...PROVEN_PROBLEMS },
  },
  results: {
    summary: "A batch's results so far, NDJSON",
    description:
      "Each line has `line`, the row's place in what was sent from 1, and an answer with its receipt, or `sealed`, or " +
      "`error`. Whole blocks appear as they are done; when the batch is finished, every line is there once.",
    tags,
    security,
    response: { 200: z.string(), ...PROVEN_PROBLEMS },
  },
  events: {
    summary: "A batch's progress, server-sent events",
    tags,
    security,
    response: { 200: z.string(), ...PROVEN_PROBLEMS },
  },
  remove: {
    summary: "Stop a batch and destroy its lines and results",
    tags,
    security,
    response: { 204: z.null(), ...PROVEN_PROBLEMS },
  },
};
