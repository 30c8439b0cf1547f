// What every typed call stands on: a deadline, the trace it is part of, and errors in terms of the one catalogue.
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { inSpan, type SpanAttributes, traceparent } from "../core/tracing.ts";
import { fromServiceError } from "./status.ts";

interface Unary {
  (
    request: unknown,
    metadata: Metadata,
    options: { deadline: number },
    done: (error: ServiceError | null, reply: unknown) => void,
  ): unknown;
}

export async function callUnary(
  stub: object,
  method: string,
  request: object,
  timeoutMs: number,
  attributes: SpanAttributes = {},
): Promise<unknown> {
  const ask = async (): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call = (stub as Record<string, unknown>)[method] as Unary;
    call.call(stub, request, callMetadata(), deadlineIn(timeoutMs), (error, reply) => {
      if (error) reject(fromServiceError(error));
      else resolve(reply);
    });
    return await promise;
  };
  return await inSpan(method, ask, { kind: "client", attributes });
}

/** The trace that the call is part of, and nothing else. */
export function callMetadata(): Metadata {
  const metadata = new Metadata();
  const trace = traceparent();
  if (trace !== undefined) metadata.set("traceparent", trace);
  return metadata;
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

/** gRPC deadlines are points in wall-clock time; callers think in durations. */
export function deadlineIn(timeoutMs: number): { deadline: number } {
  return { deadline: Date.now() + timeoutMs };
}
