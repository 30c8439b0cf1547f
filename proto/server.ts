// Binding and stopping a gRPC server, the same for every party.
import type {
  handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  ServerUnaryCall,
} from "@grpc/grpc-js";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { inSpan } from "../core/tracing.ts";
import { meterCall } from "./call-metrics.ts";
import { toServiceError } from "./status.ts";

/** How long a stopping server lets running calls finish. */
const DRAIN_MS = 5000;

export interface BoundServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * @param address host:port; port 0 takes any free one.
 * @throws WjfError `port-in-use`.
 */
export async function bindServer(
  server: Server,
  address: string,
  credentials: ServerCredentials,
  drainMs = DRAIN_MS,
): Promise<BoundServer> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(address, credentials, (error, port) => {
    if (error) reject(new WjfError("port-in-use", address, { cause: error }));
    else resolve(port);
  });
  const port = await promise;
  return { port, [Symbol.asyncDispose]: () => stop(server, drainMs) };
}

async function stop(server: Server, drainMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const force = setTimeout(() => {
    server.forceShutdown();
    // grpc-js would still wait for connections within their handshake, which it does not know how to end.
    resolve();
  }, drainMs);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(force);
}

/** A unary method whose refusals are logged by code and sent as the catalogue says. */
export function unaryMethod(
  work: (call: ServerUnaryCall<unknown, unknown>) => Promise<object>,
  log: Logger,
): handleUnaryCall<unknown, unknown> {
  return (call, done) => {
    const method = methodOf(call);
    const ended = meterCall(method);
    traced(method, call, () => work(call)).then(
      (reply) => {
        done(null, reply);
        ended("ok");
      },
      (error: unknown) => {
        ended(refused(error, method, log));
        done(toServiceError(error));
      },
    );
  };
}

/** A streaming method, as `unaryMethod`. */
export function streamMethod<Stream extends ServedStream>(
  work: (stream: Stream) => Promise<void>,
  log: Logger,
): (stream: Stream) => void {
  return (stream) => {
    const method = methodOf(stream);
    const ended = meterCall(method);
    traced(method, stream, () => work(stream)).then(
      () => ended("ok"),
      (error: unknown) => {
        ended(refused(error, method, log));
        stream.emit("error", toServiceError(error));
      },
    );
  };
}

interface ServedCall {
  readonly metadata: Metadata;
  getPath(): string;
}

interface ServedStream extends ServedCall {
  emit(event: "error", error: unknown): unknown;
}

/** `Evaluate` of `/weijifen.v1.ProvinceNode/Evaluate`: one of those that are served. */
function methodOf(call: ServedCall): string {
  return call.getPath().replace(/^.*\//, "");
}

async function traced<T>(method: string, call: ServedCall, work: () => Promise<T>): Promise<T> {
  const [sent] = call.metadata.get("traceparent");
  // A server begins no trace of its own: it goes on with one, or has none.
  if (typeof sent !== "string") return await work();
  return await inSpan(method, work, { kind: "server", parent: { traceparent: sent } });
}

function refused(error: unknown, method: string, log: Logger): ErrorCode {
  const refusal = error instanceof WjfError ? error.code : "internal";
  log.warn({ err: error, refusal, method }, "a call was refused");
  return refusal;
}
