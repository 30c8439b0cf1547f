// Typed callers of the two gRPC services: every call has a deadline, every reply is parsed before it is believed.
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  type Metadata,
} from "@grpc/grpc-js";
import type { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import { inSpan, type SpanAttributes } from "../core/tracing.ts";
import {
  AdmitBatchReply,
  type AdmitBatchRequest,
  type AdmitWatchesRequest,
  type BatchCommit,
  type BatchOutcomes,
  EvaluateBatchReply,
  type EvaluateBatchRequest,
  ReleaseBatchReply,
} from "./batch-wire.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { callMetadata, callUnary, deadlineIn, isServiceError } from "./calls.ts";
import { clientSecurity, type Role, type TlsSource } from "./mutual-tls.ts";
import { fromServiceError } from "./status.ts";
import { AuthorityTraining, NodeTraining } from "./training-clients.ts";
import {
  AdmitReply,
  type AdmitRequest,
  AuthorityStub,
  EvaluateReply,
  type EvaluateRequest,
  FederationUpdate,
  ProvinceNodeStub,
  type ReleaseCommit,
  type ReleaseOutcome,
  ReleaseReply,
} from "./wire.ts";

export class ProvinceNodeClient implements Disposable {
  readonly training: NodeTraining;
  readonly #stub;
  readonly #attributes: SpanAttributes;

  constructor(endpoint: string, role: Role, identity: TlsSource) {
    const security = clientSecurity(identity, role);
    this.#attributes = { "wjf.province": role.slice(1) as ProvinceCode };
    this.#stub = new ProvinceNodeStub(endpoint, security.credentials, security.options);
    this.training = new NodeTraining(this.#stub, this.#attributes);
  }

  /** Sees to it that there is a connection, and says how it is. */
  connect(): "connected" | "failing" | "connecting" {
    const state = this.#stub.getChannel().getConnectivityState(true);
    if (state === connectivityState.READY) return "connected";
    return state === connectivityState.TRANSIENT_FAILURE ? "failing" : "connecting";
  }

  /** @throws WjfError as `evaluate` does. */
  async evaluateBatch(
    request: EvaluateBatchRequest,
    timeoutMs: number,
  ): Promise<EvaluateBatchReply> {
    const ask = callUnary(this.#stub, "EvaluateBatch", request, timeoutMs, this.#attributes);
    const reply = await ask;
    return parseWith(EvaluateBatchReply, reply, "ciphertext-invalid", "reply");
  }

  /** @throws WjfError the node's own code, `deadline-exceeded` or `federation-unavailable`. */
  async evaluate(request: EvaluateRequest, timeoutMs: number): Promise<EvaluateReply> {
    const reply = await callUnary(this.#stub, "Evaluate", request, timeoutMs, this.#attributes);
    return parseWith(EvaluateReply, reply, "ciphertext-invalid", "reply");
  }

  [Symbol.dispose](): void {
    this.#stub.close();
  }
}

export class AuthorityClient implements Disposable {
  readonly training: AuthorityTraining;
  readonly #stub;

  constructor(endpoint: string, identity: TlsSource) {
    const security = clientSecurity(identity, "authority");
    this.#stub = new AuthorityStub(endpoint, security.credentials, security.options);
    this.training = new AuthorityTraining(this.#stub);
  }

  /**
   * Follows the federation's state until the signal aborts. Updates are yielded in order; the stream's end or
   * failure ends the iteration with an error, and the caller decides when to follow again.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<FederationUpdate> {
    const open = this.#stub["Follow"] as unknown as (
      request: object,
    ) => ClientReadableStream<unknown>;
    const stream = open.call(this.#stub, {});
    const cancel = (): void => stream.cancel();
    signal.addEventListener("abort", cancel);
    try {
      for await (const message of stream) {
        yield parseWith(FederationUpdate, message, "epoch-unknown", "update");
      }
    } catch (error) {
      if (!signal.aborted) throw isServiceError(error) ? fromServiceError(error) : error;
    } finally {
      // Or each time that the authority is followed anew would be kept for as long as the process lives.
      signal.removeEventListener("abort", cancel);
      stream.cancel();
    }
  }

  /** @throws WjfError the authority's code, `deadline-exceeded` or `federation-unavailable`. */
  async admit(request: AdmitRequest, timeoutMs: number): Promise<AdmitReply> {
    const reply = await callUnary(this.#stub, "Admit", request, timeoutMs);
    return parseWith(AdmitReply, reply, "federation-unavailable", "reply");
  }

  /**
   * Asks for one release. `reveal` is called only if the authority audits this merge.
   * @throws WjfError the authority's own code, or `federation-unavailable` if the stream breaks: the outcome is then
   * unknown, and asking again with the same query ids is safe.
   */
  async release(
    commit: ReleaseCommit,
    reveal: () => readonly Uint8Array[],
    timeoutMs: number,
  ): Promise<readonly ReleaseOutcome[]> {
    const turn = { commit, reveal };
    const converseNow = () => converse(this.#stub, "Release", turn, ReleaseReply, timeoutMs);
    return (await inSpan("Release", converseNow, { kind: "client" })).outcomes;
  }

  /** Admits blocks of a batch. @throws WjfError the authority's code. */
  async admitBatch(request: AdmitBatchRequest, timeoutMs: number): Promise<AdmitBatchReply> {
    const reply = await callUnary(this.#stub, "AdmitBatch", request, timeoutMs);
    return parseWith(AdmitBatchReply, reply, "receipt-invalid", "reply");
  }

  /** Admits evaluations of watches. @throws WjfError the authority's code. */
  async admitWatches(request: AdmitWatchesRequest, timeoutMs: number): Promise<AdmitBatchReply> {
    const reply = await callUnary(this.#stub, "AdmitWatches", request, timeoutMs);
    return parseWith(AdmitBatchReply, reply, "receipt-invalid", "reply");
  }

  /** As `release`, for the rows of a manifest. @throws WjfError as `release` does. */
  async releaseBatch(
    commit: BatchCommit,
    reveal: () => readonly Uint8Array[],
    timeoutMs: number,
  ): Promise<BatchOutcomes> {
    const turn = { commit, reveal };
    const converseNow = () =>
      converse(this.#stub, "ReleaseBatch", turn, ReleaseBatchReply, timeoutMs);
    return await inSpan("ReleaseBatch", converseNow, { kind: "client" });
  }

  [Symbol.dispose](): void {
    this.#stub.close();
  }
}

/** commit → (challenge → reveal)? → outcomes. */
async function converse<Outcomes>(
  stub: object,
  method: string,
  turn: { readonly commit: object; readonly reveal: () => readonly Uint8Array[] },
  schema: z.ZodType<Reply<Outcomes>>,
  timeoutMs: number,
): Promise<Outcomes> {
  const open = (stub as Record<string, unknown>)[method] as (
    metadata: Metadata,
    options: { deadline: number },
  ) => ClientDuplexStream<unknown, unknown>;
  const stream = open.call(stub, callMetadata(), deadlineIn(timeoutMs));
  try {
    stream.write({ commit: turn.commit });
    for await (const message of stream) {
      // Whatever it says, it may have released: the caller is to ask again.
      const reply = parseWith(schema, message, "federation-unavailable", "reply");
      if (reply.step === "outcomes") return reply.outcomes;
      stream.write({ reveal: { ciphertexts: turn.reveal() } });
    }
  } catch (error) {
    // Ending a stream that was left early does not reach the other end; cancelling does.
    stream.cancel();
    throw isServiceError(error) ? fromServiceError(error) : error;
  } finally {
    stream.end();
  }
  throw new WjfError("federation-unavailable", "the authority closed the release early");
}

type Reply<Outcomes> =
  { readonly step: "challenge" } | { readonly step: "outcomes"; readonly outcomes: Outcomes };
