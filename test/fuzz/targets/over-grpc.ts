// The two gRPC services as whoever holds the gateway's certificate reaches them: bytes in place of messages, and messages that
// are well formed with spoilt contents, through mutual TLS to the real handlers of a running federation.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Client, type ServiceError } from "@grpc/grpc-js";
import * as fc from "fast-check";
import { canonicalJson } from "../../../core/canonical.ts";
import { partyFolder } from "../../../core/config.ts";
import { isErrorCode } from "../../../core/errors.ts";
import { signStatement } from "../../../crypto/index.ts";
import {
  AuthorityStub,
  clientSecurity,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  type Role,
} from "../../../proto/index.ts";
import type { Scene } from "../../federation/scene.ts";
import { mutatedBytes, mutatedJson } from "../arbitraries.ts";
import { REFUSED, type Target, target } from "../target.ts";

const DEADLINE_MS = 30_000;

interface Method {
  readonly path: string;
  readonly requestSerialize: (value: unknown) => Buffer;
}

const same = (bytes: Buffer): Buffer => bytes;

/** Sends bytes, whatever they are, to a method; a stream gets them as its first message and its end. */
class RawCaller implements Disposable {
  readonly #client: Client;

  constructor(endpoint: string, role: Role, folder: string) {
    const { credentials, options } = clientSecurity(readTlsIdentity(folder), role);
    this.#client = new Client(endpoint, credentials, options);
  }

  async unary({ path }: Method, bytes: Buffer): Promise<typeof REFUSED | "accepted"> {
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const options = { deadline: Date.now() + DEADLINE_MS };
    this.#client.makeUnaryRequest(path, same, same, bytes, options, (error) => resolve(error));
    return judgeError(await promise);
  }

  async stream({ path }: Method, bytes: Buffer): Promise<typeof REFUSED | "accepted"> {
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const options = { deadline: Date.now() + DEADLINE_MS };
    const call = this.#client.makeBidiStreamRequest(path, same, same, options);
    call.on("data", () => undefined);
    call.on("error", (error: ServiceError) => resolve(error));
    call.on("end", () => resolve(null));
    call.write(bytes);
    call.end();
    return judgeError(await promise);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** A refusal has a code of the catalogue, or is gRPC's own for what is no protobuf. */
function judgeError(error: ServiceError | null): typeof REFUSED | "accepted" {
  if (error === null) return "accepted";
  const [code] = error.metadata.get("wjf-code");
  if (typeof code === "string" && isErrorCode(code) && code !== "internal") return REFUSED;
  if (code === undefined && error.details.startsWith("Error deserializing request")) return REFUSED;
  throw new Error(`gRPC status ${error.code}: ${error.details}`);
}

export async function grpcTargets(scene: Scene, resources: DisposableStack): Promise<Target[]> {
  const { federation, hostile, bank } = scene;
  const folder = join(partyFolder(federation.settings.home, "gateway"), "secrets");
  const [province] = hostile.epoch.roster.provinces;
  if (province === undefined) throw new Error("no provinces");
  const node = resources.use(new RawCaller(province.endpoint, provinceRole(province.code), folder));
  const authority = resources.use(
    new RawCaller(federation.settings.authorityEndpoint, "authority", folder),
  );
  const { Evaluate, EvaluateBatch } = ProvinceNodeStub.service as unknown as Record<string, Method>;
  const methods = AuthorityStub.service as unknown as Record<string, Method>;
  const { Admit, Release, AdmitBatch, ReleaseBatch } = methods;
  if (!Evaluate || !EvaluateBatch || !Admit || !Release || !AdmitBatch || !ReleaseBatch) {
    throw new Error("no such methods");
  }
  const consent = await bank.consent({ subject: scene.msisdn(0), maxUses: 100_000 });
  const asked = await bank.sign(consent, { product: "credit-score@1" });
  const digested = hostile.describe([asked]);
  const { descriptor } = digested;
  const admitted = await hostile.admit(digested, [asked]);
  const admission = "admission" in admitted ? admitted.admission : undefined;
  const reply = await hostile.evaluate(province.code, digested, [asked], admission);
  const signed = (value: unknown) => signStatement("merge", value, hostile.signingKey);
  const merge = { descriptor: digested.digest.toString("hex"), merged: "0".repeat(64) };
  const items = [{ credentials: asked, sealed: false }];
  const receipts = hostile.everyone.map(() => reply.receipt);
  const commit = {
    descriptor: digested.bytes,
    merged: reply.ciphertext,
    commitment: signed(merge),
    receipts,
    items,
  };
  const evaluation = { descriptor: digested.bytes, credentials: [asked], admission };
  const statement = reply.receipt;
  const block = { index: 0, lines: Buffer.from("{}\n"), path: [] };
  const manifest = {
    descriptor: digested.bytes,
    manifest: statement,
    subjects: Buffer.alloc(60),
    claims: [],
  };
  const bytesOf = (method: Method, value: object): Buffer => method.requestSerialize(value);
  /** Fresh, so that it is not refused for having been answered before. */
  const bent = mutatedJson([descriptor, { ...descriptor, items: [] }]).map((value) =>
    canonicalOrPlain(
      isRecord(value) && value["fan_out_id"] === descriptor.fan_out_id
        ? { ...value, fan_out_id: randomUUID() }
        : value,
    ),
  );
  return [
    target<Buffer>({
      name: "province node: bytes to Evaluate",
      corpus: mutatedBytes([bytesOf(Evaluate, evaluation)]),
      run: (bytes) => node.unary(Evaluate, bytes),
      codes: [],
      inputs: { quick: 40, slow: 2000 },
    }),
    target<Buffer>({
      name: "province node: bytes to EvaluateBatch",
      corpus: mutatedBytes([bytesOf(EvaluateBatch, manifest)]),
      run: (bytes) => node.unary(EvaluateBatch, bytes),
      codes: [],
      inputs: { quick: 30, slow: 1000 },
    }),
    target<Buffer>({
      name: "province node: a fresh descriptor, spoilt",
      corpus: bent.map((bytes) =>
        bytesOf(Evaluate, { ...evaluation, descriptor: bytes, admission: undefined }),
      ),
      run: (bytes) => node.unary(Evaluate, bytes),
      codes: [],
      inputs: { quick: 30, slow: 1000 },
    }),
    target<Buffer>({
      name: "authority: bytes to Admit",
      corpus: fc.oneof(
        mutatedBytes([bytesOf(Admit, { descriptor: digested.bytes, items })]),
        bent.map((bytes) => bytesOf(Admit, { descriptor: bytes, items })),
      ),
      run: (bytes) => authority.unary(Admit, bytes),
      codes: [],
      inputs: { quick: 40, slow: 1500 },
    }),
    target<Buffer>({
      name: "authority: bytes to AdmitBatch",
      corpus: mutatedBytes([bytesOf(AdmitBatch, { proof: asked.proof, blocks: [block] })]),
      run: (bytes) => authority.unary(AdmitBatch, bytes),
      codes: [],
      inputs: { quick: 30, slow: 1000 },
    }),
    target<Buffer>({
      name: "authority: bytes to Release",
      corpus: mutatedBytes([
        bytesOf(Release, { commit }),
        bytesOf(Release, { reveal: { ciphertexts: [reply.ciphertext] } }),
      ]),
      run: (bytes) => authority.stream(Release, bytes),
      codes: [],
      inputs: { quick: 30, slow: 1000 },
    }),
    target<Buffer>({
      name: "authority: bytes to ReleaseBatch",
      corpus: mutatedBytes([
        bytesOf(ReleaseBatch, {
          commit: { ...commit, manifest: statement, items: Buffer.from("{}") },
        }),
      ]),
      run: (bytes) => authority.stream(ReleaseBatch, bytes),
      codes: [],
      inputs: { quick: 30, slow: 1000 },
    }),
  ];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function canonicalOrPlain(value: unknown): Buffer {
  try {
    return Buffer.from(canonicalJson(value));
  } catch {
    return Buffer.from(JSON.stringify(value) ?? "");
  }
}
