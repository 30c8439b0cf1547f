// The batch messages of weijifen.proto as zod schemas: type and check in one, as in wire.ts.
import { z } from "zod";
import { bytes, ItemCredentials, ReleaseOutcome, SignedStatementMessage } from "./wire.ts";

const Descriptor = bytes(16 * 1024);
const Ciphertexts = bytes(1024 * 1024);
const Receipt = z.string().max(64 * 1024);

export const EvaluateBatchRequest = z.object({
  descriptor: Descriptor,
  manifest: SignedStatementMessage,
  subjects: bytes(256 * 1024),
  claims: z.array(z.string().max(48 * 1024)).max(4096),
});
export type EvaluateBatchRequest = z.infer<typeof EvaluateBatchRequest>;

export const EvaluateBatchReply = z.object({
  ciphertext: Ciphertexts,
  receipt: SignedStatementMessage,
});
export type EvaluateBatchReply = z.infer<typeof EvaluateBatchReply>;

export const AdmitBatchRequest = z.object({
  proof: z.string().max(8 * 1024),
  blocks: z
    .array(
      z.object({
        index: z.int().min(0),
        lines: bytes(8 * 1024 * 1024),
        path: z.array(bytes(32)).max(32),
      }),
    )
    .min(1)
    .max(64),
});
export type AdmitBatchRequest = z.infer<typeof AdmitBatchRequest>;

/** Watches of one admission: their credentials stay below half of the largest message. */
export const MAX_ADMITTED_WATCHES = 1024;

export const AdmitWatchesRequest = z.object({
  watches: z
    .array(z.object({ credentials: ItemCredentials, due: z.int().min(0) }))
    .min(1)
    .max(MAX_ADMITTED_WATCHES),
});
export type AdmitWatchesRequest = z.infer<typeof AdmitWatchesRequest>;

export const RowOutcome = z.object({
  row: z.int().min(0),
  outcome: ReleaseOutcome,
  /** Without its checkpoint when that is the message's; complete otherwise; empty with a refusal or a sealed answer. */
  receipt: Receipt,
});
export type RowOutcome = z.infer<typeof RowOutcome>;

export const AdmitBatchReply = z.object({
  manifest: SignedStatementMessage.nullish(),
  subjects: bytes(256 * 1024),
  items: bytes(4 * 1024 * 1024),
  settled: z.array(RowOutcome).max(8192),
  checkpoint: Receipt,
  blocks: z.int().min(1),
});
export type AdmitBatchReply = z.infer<typeof AdmitBatchReply>;

export const BatchCommit = z.object({
  descriptor: Descriptor,
  manifest: SignedStatementMessage,
  items: bytes(4 * 1024 * 1024),
  merged: Ciphertexts,
  commitment: SignedStatementMessage,
  receipts: z.array(SignedStatementMessage).min(1).max(64),
});
export type BatchCommit = z.infer<typeof BatchCommit>;

export const ReleaseBatchRequest = z.discriminatedUnion("step", [
  z.object({ step: z.literal("commit"), commit: BatchCommit }),
  z.object({
    step: z.literal("reveal"),
    reveal: z.object({ ciphertexts: z.array(Ciphertexts).min(1).max(64) }),
  }),
]);
export type ReleaseBatchRequest = z.infer<typeof ReleaseBatchRequest>;

export const BatchOutcomes = z.object({
  rows: z.array(RowOutcome).max(4096),
  checkpoint: Receipt,
});
export type BatchOutcomes = z.infer<typeof BatchOutcomes>;

export const ReleaseBatchReply = z.discriminatedUnion("step", [
  z.object({ step: z.literal("challenge"), challenge: z.object({}) }),
  z.object({ step: z.literal("outcomes"), outcomes: BatchOutcomes }),
]);
export type ReleaseBatchReply = z.infer<typeof ReleaseBatchReply>;
