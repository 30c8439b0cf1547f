// Binding and stopping a gRPC server, the same for every party.
import type { handleUnaryCall, Server, ServerCredentials, ServerUnaryCall } from "@grpc/grpc-js";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
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
): Promise<BoundServer> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(address, credentials, (error, port) => {
    if (error) reject(new WjfError("port-in-use", address, { cause: error }));
    else resolve(port);
  });
  const port = await promise;
  return { port, [Symbol.asyncDispose]: () => stop(server) };
}

async function stop(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const force = setTimeout(() => server.forceShutdown(), DRAIN_MS);
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
    work(call).then(
      (reply) => done(null, reply),
      (error: unknown) => {
        const refusal = error instanceof WjfError ? error.code : "internal";
        log.warn({ err: error, refusal, method: call.getPath() }, "a call was refused");
        done(toServiceError(error));
      },
    );
  };
}
