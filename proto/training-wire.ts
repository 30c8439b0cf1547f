// The training messages of weijifen.proto as zod schemas: type and check in one, as in wire.ts. Ciphertexts are 393 KB each and
// travel one to a message, so that a round of any width fits the limit on messages.
import { z } from "zod";
import { bytes, SignedStatementMessage } from "./wire.ts";

const JobId = z.uuid();
const Proof = z.string().max(8 * 1024);
const PublicKey = bytes(1024 * 1024);
const Part = bytes(512 * 1024);
const Sealed = z.string().max(12 * 1024 * 1024);

/** Of an upload's block and of a question: two JWEs, or one. */
export const MAX_TRAINING_BODY_BYTES = 9 * 1024 * 1024;

export const OfferTrainingRequest = z.object({
  admission: SignedStatementMessage,
  he_public_key: PublicKey,
  ended: z.boolean(),
});
export type OfferTrainingRequest = z.infer<typeof OfferTrainingRequest>;

export const PROVINCE_TRAINING_STATES = [
  "pending",
  "approved",
  "refused",
  "expired",
  "ended",
] as const;

export const ProvinceTraining = z.object({
  state: z.enum(PROVINCE_TRAINING_STATES),
  note: z.string().max(1024),
  has_key: z.boolean(),
  blocks: z.int().min(0),
});
export type ProvinceTraining = z.infer<typeof ProvinceTraining>;

export const PutTrainingLabelsRequest = z.object({
  job_id: JobId,
  block: z.int().min(0).max(100_000),
  proof: Proof,
  body: bytes(MAX_TRAINING_BODY_BYTES),
});
export type PutTrainingLabelsRequest = z.infer<typeof PutTrainingLabelsRequest>;

export const TrainingRoundRequest = z.object({
  job_id: JobId,
  order: SignedStatementMessage,
  request: Sealed,
});
export type TrainingRoundRequest = z.infer<typeof TrainingRoundRequest>;

export const TrainingPart = z.object({ part: Part });

export const AdmitTrainingRequest = z.object({ proof: Proof, body: bytes(64 * 1024) });
export type AdmitTrainingRequest = z.infer<typeof AdmitTrainingRequest>;

export const FindTrainingRequest = z.object({ job_id: JobId });

export const TRAINING_JOB_STATES = ["open", "refused", "expired", "ended"] as const;

export const AdmittedTraining = z.object({
  admission: SignedStatementMessage,
  he_public_key: PublicKey,
  state: z.enum(TRAINING_JOB_STATES),
});
export type AdmittedTraining = z.infer<typeof AdmittedTraining>;

export const TrainAsk = z.object({
  job_id: JobId,
  proof: Proof,
  body: bytes(MAX_TRAINING_BODY_BYTES),
});
export type TrainAsk = z.infer<typeof TrainAsk>;

export const TrainRequest = z.discriminatedUnion("step", [
  z.object({ step: z.literal("ask"), ask: TrainAsk }),
  z.object({ step: z.literal("part"), part: Part }),
]);

export const TrainRound = z.object({
  order: SignedStatementMessage,
  request: Sealed,
  parts: z.int().min(1).max(4096),
});
export type TrainRound = z.infer<typeof TrainRound>;

export const TrainReply = z.discriminatedUnion("step", [
  z.object({ step: z.literal("round"), round: TrainRound }),
  z.object({ step: z.literal("told"), told: Sealed }),
]);

export const EndTrainingRequest = z.object({ job_id: JobId, proof: Proof });
export type EndTrainingRequest = z.infer<typeof EndTrainingRequest>;
