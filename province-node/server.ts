// The node's gRPC service over mutual TLS. Parses, dispatches, translates errors; decides nothing.
import { Server, type ServerUnaryCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { parseWith } from "../core/parse.ts";
import {
  bindServer,
  EvaluateBatchRequest,
  EvaluateRequest,
  ProvinceNodeStub,
  requirePeer,
  roleName,
  serverCredentials,
  serverLimits,
  type TlsSource,
  unaryMethod,
} from "../proto/index.ts";
import type { FanOutAnswerer } from "./answer.ts";
import type { BatchAnswerer } from "./batch-answer.ts";
import { trainingMethods } from "./training/training-methods.ts";
import type { TrainingJobs } from "./training/training-jobs.ts";

export interface Answerers {
  readonly single: FanOutAnswerer;
  readonly batch: BatchAnswerer;
  readonly training: TrainingJobs;
  /** Does randomised work ahead while nothing waits. False when enough is ready. */
  prepare(): boolean;
  /** In maintenance: nothing new is taken. */
  isDrained(): boolean;
}

export interface NodeServer extends AsyncDisposable {
  readonly port: number;
}

/** @throws WjfError `port-in-use`. */
export async function serveNode(
  answerers: Answerers,
  identity: TlsSource,
  address: string,
  log: Logger,
): Promise<NodeServer> {
  const server = new Server(serverLimits);
  const readiness = new IdlePreparation(answerers);
  const requireService = (
    call: Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">,
  ): void => {
    requirePeer(call, (name) => name === roleName("gateway"));
    if (answerers.isDrained()) throw new WjfError("province-drained");
  };
  const evaluate = async (call: ServerUnaryCall<unknown, unknown>) => {
    requireService(call);
    const request = parseWith(EvaluateRequest, call.request, "descriptor-invalid", "message");
    using _busy = readiness.busy();
    return await answerers.single.answer(request);
  };
  const evaluateBatch = async (call: ServerUnaryCall<unknown, unknown>) => {
    requireService(call);
    const request = parseWith(EvaluateBatchRequest, call.request, "descriptor-invalid", "message");
    using _busy = readiness.busy();
    return await answerers.batch.answer(request);
  };
  const implementation: UntypedServiceImplementation = {
    Evaluate: unaryMethod(evaluate, log),
    EvaluateBatch: unaryMethod(evaluateBatch, log),
    ...trainingMethods(answerers.training, requireService, log),
  };
  server.addService(ProvinceNodeStub.service, implementation);
  return await bindServer(server, address, serverCredentials(identity));
}

/** Prepares encryptions between calls, one at a time, so that a call never waits for more than one. */
class IdlePreparation {
  readonly #answerers: Answerers;
  #calls = 0;
  #scheduled = false;

  constructor(answerers: Answerers) {
    this.#answerers = answerers;
  }

  busy(): Disposable {
    this.#calls++;
    return {
      [Symbol.dispose]: () => {
        this.#calls--;
        this.#schedule();
      },
    };
  }

  #schedule(): void {
    if (this.#scheduled || this.#calls > 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#calls === 0 && this.#answerers.prepare()) this.#schedule();
    });
  }
}
