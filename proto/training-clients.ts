// The gateway's calls about training jobs, of provinces and of the authority. Sums travel as streams of ciphertexts, read as fast as
// they are taken.
import { once } from "node:events";
import type { ClientDuplexStream, ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import type { SpanAttributes } from "../core/tracing.ts";
import { callMetadata, callUnary, deadlineIn, isServiceError } from "./calls.ts";
import { fromServiceError } from "./status.ts";
import {
  AdmittedTraining,
  type AdmitTrainingRequest,
  type EndTrainingRequest,
  type OfferTrainingRequest,
  ProvinceTraining,
  type PutTrainingLabelsRequest,
  type TrainAsk,
  TrainingPart,
  type TrainingRoundRequest,
  TrainReply,
  type TrainRound,
} from "./training-wire.ts";

type Deadline = { readonly deadline: number };

/** @throws WjfError, each call, the node's code, `deadline-exceeded` or `federation-unavailable`. */
export class NodeTraining {
  readonly #stub: object;
  readonly #attributes: SpanAttributes;

  constructor(stub: object, attributes: SpanAttributes) {
    this.#stub = stub;
    this.#attributes = attributes;
  }

  async offer(request: OfferTrainingRequest, timeoutMs: number): Promise<ProvinceTraining> {
    return await this.#state("OfferTraining", request, timeoutMs);
  }

  async putLabels(request: PutTrainingLabelsRequest, timeoutMs: number): Promise<ProvinceTraining> {
    return await this.#state("PutTrainingLabels", request, timeoutMs);
  }

  async #state(method: string, request: object, timeoutMs: number): Promise<ProvinceTraining> {
    const reply = await callUnary(this.#stub, method, request, timeoutMs, this.#attributes);
    return parseWith(ProvinceTraining, reply, "federation-unavailable", "reply");
  }

  /**
   * The parts of a province's reply, in order. Leaving between two of them cancels the call, and the signal does while one is awaited:
   * a generator's `return` waits for its `next`.
   */
  async *round(
    request: TrainingRoundRequest,
    timeoutMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    signal.throwIfAborted();
    const open = (this.#stub as Record<string, unknown>)["TrainingRound"] as (
      request: object,
      metadata: Metadata,
      options: Deadline,
    ) => ClientReadableStream<unknown>;
    const stream = open.call(this.#stub, request, callMetadata(), deadlineIn(timeoutMs));
    signal.addEventListener("abort", () => stream.cancel(), { once: true });
    try {
      for await (const message of stream) {
        yield parseWith(TrainingPart, message, "ciphertext-invalid", "part").part;
      }
    } catch (error) {
      throw isServiceError(error) ? fromServiceError(error) : error;
    } finally {
      stream.cancel();
    }
  }
}

/** @throws WjfError, each call, the authority's code, `deadline-exceeded` or `federation-unavailable`. */
export class AuthorityTraining {
  readonly #stub: object;

  constructor(stub: object) {
    this.#stub = stub;
  }

  async admit(request: AdmitTrainingRequest, timeoutMs: number): Promise<AdmittedTraining> {
    const reply = await callUnary(this.#stub, "AdmitTraining", request, timeoutMs);
    return parseWith(AdmittedTraining, reply, "receipt-invalid", "reply");
  }

  async find(jobId: string, timeoutMs: number): Promise<AdmittedTraining> {
    const reply = await callUnary(this.#stub, "FindTraining", { job_id: jobId }, timeoutMs);
    return parseWith(AdmittedTraining, reply, "receipt-invalid", "reply");
  }

  async end(request: EndTrainingRequest, timeoutMs: number): Promise<void> {
    await callUnary(this.#stub, "EndTraining", request, timeoutMs);
  }

  /**
   * One question. `merge` is called for each round that it takes, and told when the call is over; asking again is safe.
   * @returns what the institution is told: a JWE to it.
   */
  async train(
    ask: TrainAsk,
    merge: (round: TrainRound, signal: AbortSignal) => AsyncIterable<Uint8Array>,
    timeoutMs: number,
  ): Promise<string> {
    const open = (this.#stub as Record<string, unknown>)["Train"] as (
      metadata: Metadata,
      options: Deadline,
    ) => ClientDuplexStream<unknown, unknown>;
    const stream = open.call(this.#stub, callMetadata(), deadlineIn(timeoutMs));
    // What is written to a call that is over is never taken, nor refused.
    const over = new AbortController();
    stream.once("error", (error) => over.abort(error));
    stream.once("status", () => over.abort(closedEarly()));
    try {
      stream.write({ ask });
      for await (const message of stream) {
        const reply = parseWith(TrainReply, message, "federation-unavailable", "reply");
        if (reply.step === "told") return reply.told;
        for await (const part of merge(reply.round, over.signal)) {
          over.signal.throwIfAborted();
          if (!stream.write({ part })) await once(stream, "drain", over);
        }
      }
    } catch (error) {
      stream.cancel();
      const cause: unknown = over.signal.aborted ? over.signal.reason : error;
      throw isServiceError(cause) ? fromServiceError(cause) : cause;
    } finally {
      stream.end();
    }
    throw closedEarly();
  }
}

function closedEarly(): WjfError {
  return new WjfError("federation-unavailable", "the authority closed the question early");
}
