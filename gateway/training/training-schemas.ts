// What the training routes take and give, as zod schemas: OpenAPI is generated from these.
import { z } from "zod";
import { ProvinceCode } from "../../core/ids.ts";
import { LabelBody, StepBody, TrainingWish } from "../../consent/verifier.ts";
import { PROVINCE_TRAINING_STATES } from "../../proto/index.ts";
import { ALL_PROBLEMS } from "../schemas.ts";

export const TrainingParams = z.object({ id: z.uuid() });

export const LabelParams = z.object({
  id: z.uuid(),
  province: ProvinceCode,
  block: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,4})$/)
    .transform(Number),
});

const TrainingSchema = z
  .object({
    id: z.uuid(),
    state: z
      .enum(["waiting", "approved", "refused", "expired", "ended"])
      .describe("approved: by every province; refused: by one of them, or by the release rules"),
    expires: z.iso.datetime(),
    provinces: z.array(
      z.object({
        code: z.string(),
        state: z.enum([...PROVINCE_TRAINING_STATES, "unreachable"]),
        note: z.string().optional().describe("Why, in the operator's words"),
        blocks: z.int().describe("Label blocks received"),
        of: z.int(),
      }),
    ),
  })
  .meta({ id: "TrainingJob" });
export type TrainingSchemaOut = z.input<typeof TrainingSchema>;

const security: { [scheme: string]: string[] }[] = [];
const tags = ["training"];

export const trainingSchemas = {
  create: {
    summary: "Begin a training job",
    description:
      "The job, its lawful basis, how many people each province is sent, the rounds wanted; the `DPoP` proof is signed with a " +
      "registered key of the institution, over the body (`camara:bh`). Admitted by the authority, shown to every province's " +
      "operator. The same job sent again is the same job.",
    tags,
    security,
    body: TrainingWish,
    response: { 201: TrainingSchema, ...ALL_PROBLEMS },
  },
  read: {
    summary: "A training job's state, province by province",
    tags,
    security,
    response: { 200: TrainingSchema, ...ALL_PROBLEMS },
  },
  admission: {
    summary: "The job as the authority signed it, and its homomorphic public key",
    tags,
    security,
    response: {
      200: z.object({ statement: z.base64(), signature: z.base64(), public_key: z.base64() }),
      ...ALL_PROBLEMS,
    },
  },
  labels: {
    summary: "Send one block of people and encrypted labels, sealed to the province",
    description: "In order, from block 0, once every province has approved.",
    tags,
    security,
    body: LabelBody,
    response: { 200: z.object({ blocks: z.int() }), ...ALL_PROBLEMS },
  },
  step: {
    summary: "Ask the authority the next question about the job",
    description:
      "Sealed to the job's key, answered sealed to the institution. 202: it takes longer; send the same bytes again. " +
      "One question of a job at a time: 503 (`overloaded`) to another one.",
    tags,
    security,
    body: StepBody,
    response: {
      200: z.object({ sealed: z.string() }),
      202: z.object({ state: z.literal("running") }),
      ...ALL_PROBLEMS,
    },
  },
  remove: {
    summary: "End a training job, and destroy its key and labels",
    description: "503: a province that keeps labels could not be told so yet; send it again.",
    tags,
    security,
    response: { 204: z.null(), ...ALL_PROBLEMS },
  },
};
