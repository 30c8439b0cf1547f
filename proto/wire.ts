// weijifen.proto as TypeScript: service definitions for gRPC, and for every message a zod schema that is both its type
// and its check. Whoever receives a message parses it first; sizes are capped here.
import { fileURLToPath } from "node:url";
import {
  loadPackageDefinition,
  type MethodDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { z } from "zod";
import { type ErrorCode, isErrorCode } from "../core/errors.ts";

const definition = loadSync(fileURLToPath(new URL("./weijifen.proto", import.meta.url)), {
  keepCase: true,
  defaults: true,
  oneofs: true,
});

/**
 * One message goes to 31 provinces, and is written once: 1.7 µs for each watch and province otherwise.
 * Nobody may change a request that has been sent.
 */
function writeOnce(method: MethodDefinition<object, unknown>): void {
  const write = method.requestSerialize;
  const written = new WeakMap<object, Buffer>();
  method.requestSerialize = (message) => written.getOrInsertComputed(message, write);
}

const provinceNode = definition["weijifen.v1.ProvinceNode"] as unknown as Record<
  "Evaluate" | "EvaluateBatch",
  MethodDefinition<object, unknown>
>;
writeOnce(provinceNode.Evaluate);
writeOnce(provinceNode.EvaluateBatch);

interface Loaded {
  weijifen: {
    v1: { ProvinceNode: ServiceClientConstructor; Authority: ServiceClientConstructor };
  };
}
const loaded = loadPackageDefinition(definition) as unknown as Loaded;

export const ProvinceNodeStub = loaded.weijifen.v1.ProvinceNode;
export const AuthorityStub = loaded.weijifen.v1.Authority;

/** Largest gRPC message on any link: 64 ciphertexts of 33 KB, with room for 1,024 items' credentials. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Largest request body of one query, which travels on to the nodes. */
export const MAX_BODY_BYTES = 64 * 1024;

export const bytes = (max: number) =>
  z.custom<Buffer>(
    (value) => Buffer.isBuffer(value) && value.length <= max,
    `at most ${max} bytes`,
  );
const Ciphertext = bytes(64 * 1024);

export const SignedStatementMessage = z.object({
  statement: bytes(256 * 1024),
  signature: bytes(64),
});

export const ItemCredentials = z.object({
  token: z.string().max(16 * 1024),
  proof: z.string().max(8 * 1024),
  body: bytes(MAX_BODY_BYTES),
});
export type ItemCredentials = z.infer<typeof ItemCredentials>;

export const EvaluateRequest = z.object({
  descriptor: bytes(1024 * 1024),
  credentials: z.array(ItemCredentials).min(1).max(1024),
  admission: SignedStatementMessage.nullish(),
});
export type EvaluateRequest = z.infer<typeof EvaluateRequest>;

export const EvaluateReply = z.object({ ciphertext: Ciphertext, receipt: SignedStatementMessage });
export type EvaluateReply = z.infer<typeof EvaluateReply>;

export const FederationUpdate = z.discriminatedUnion("update", [
  z.object({
    update: z.literal("epoch"),
    epoch: z.object({ roster: z.string().max(512 * 1024), he_public_key: Ciphertext }),
  }),
  z.object({
    update: z.literal("status_list"),
    status_list: z.object({ uri: z.url(), token: z.string().max(4 * 1024 * 1024) }),
  }),
  z.object({
    update: z.literal("institutions"),
    institutions: z.object({ digests: z.array(bytes(32)).max(256 * 1024) }),
  }),
]);
export type FederationUpdate = z.infer<typeof FederationUpdate>;

const ReleaseItem = z.object({ credentials: ItemCredentials, sealed: z.boolean() });

export const AdmitRequest = z.object({
  descriptor: bytes(1024 * 1024),
  items: z.array(ReleaseItem).min(1).max(1024),
});
export type AdmitRequest = z.infer<typeof AdmitRequest>;

export const ReleaseCommit = z.object({
  descriptor: bytes(1024 * 1024),
  merged: Ciphertext,
  commitment: SignedStatementMessage,
  receipts: z.array(SignedStatementMessage).min(1).max(64),
  items: z.array(ReleaseItem).min(1).max(1024),
});
export type ReleaseCommit = z.infer<typeof ReleaseCommit>;

export const ReleaseRequest = z.discriminatedUnion("step", [
  z.object({ step: z.literal("commit"), commit: ReleaseCommit }),
  z.object({
    step: z.literal("reveal"),
    reveal: z.object({ ciphertexts: z.array(Ciphertext).min(1).max(64) }),
  }),
]);
export type ReleaseRequest = z.infer<typeof ReleaseRequest>;

const Refusal = z.custom<ErrorCode>((value) => typeof value === "string" && isErrorCode(value));

export const ReleaseOutcome = z.discriminatedUnion("result", [
  z.object({ result: z.literal("answer"), answer: z.string() }),
  z.object({ result: z.literal("sealed"), sealed: z.string() }),
  z.object({ result: z.literal("refusal"), refusal: Refusal }),
]);
export type ReleaseOutcome = z.infer<typeof ReleaseOutcome>;

export const AdmitReply = z.discriminatedUnion("step", [
  z.object({ step: z.literal("admission"), admission: SignedStatementMessage }),
  z.object({
    step: z.literal("settled"),
    settled: z.object({
      items: z
        .array(z.object({ item: z.int().min(0).max(1023), outcome: ReleaseOutcome }))
        .min(1)
        .max(1024),
    }),
  }),
]);
export type AdmitReply = z.infer<typeof AdmitReply>;

export const ReleaseReply = z.discriminatedUnion("step", [
  z.object({ step: z.literal("challenge"), challenge: z.object({}) }),
  z.object({
    step: z.literal("outcomes"),
    outcomes: z.object({ outcomes: z.array(ReleaseOutcome).max(1024) }),
  }),
]);
export type ReleaseReply = z.infer<typeof ReleaseReply>;
