// The node's gRPC service over mutual TLS. Parses, dispatches, translates errors; decides nothing.
import { Server, type ServerUnaryCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Logger } from "../core/log.ts";
import { parseWith } from "../core/parse.ts";
import {
  bindServer,
  EvaluateRequest,
  messageLimits,
  ProvinceNodeStub,
  requirePeer,
  roleName,
  serverCredentials,
  type TlsIdentity,
  unaryMethod,
} from "../proto/index.ts";
import type { FanOutAnswerer } from "./answer.ts";

export interface NodeServer extends AsyncDisposable {
  readonly port: number;
}

/** @throws WjfError `port-in-use`. */
export async function serveNode(
  answerer: FanOutAnswerer,
  identity: TlsIdentity,
  address: string,
  log: Logger,
): Promise<NodeServer> {
  const server = new Server({ ...messageLimits });
  const readiness = new IdlePreparation(answerer);
  const evaluate = async (call: ServerUnaryCall<unknown, unknown>) => {
    requirePeer(call, (name) => name === roleName("gateway"));
    const request = parseWith(EvaluateRequest, call.request, "descriptor-invalid", "message");
    using _busy = readiness.busy();
    return await answerer.answer(request);
  };
  const implementation: UntypedServiceImplementation = { Evaluate: unaryMethod(evaluate, log) };
  server.addService(ProvinceNodeStub.service, implementation);
  return await bindServer(server, address, serverCredentials(identity));
}

/** Prepares encryptions between calls, one at a time, so that a call never waits for more than one. */
class IdlePreparation {
  readonly #answerer: FanOutAnswerer;
  #calls = 0;
  #scheduled = false;

  constructor(answerer: FanOutAnswerer) {
    this.#answerer = answerer;
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
      if (this.#calls === 0 && this.#answerer.prepare()) this.#schedule();
    });
  }
}
