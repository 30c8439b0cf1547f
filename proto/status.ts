// The gRPC edge of the error catalogue: WjfError ⇄ status code and trailing metadata. Causes are never sent.
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { errorEntry, isErrorCode, WjfError } from "../core/errors.ts";

const CODE_KEY = "wjf-code";

/** What a handler hands to gRPC. Anything that is not a WjfError becomes `internal`, without its text. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const known = error instanceof WjfError ? error : new WjfError("internal");
  const metadata = new Metadata();
  metadata.set(CODE_KEY, known.code);
  return { code: errorEntry(known.code).grpc, details: known.message, metadata };
}

/** What a caller makes of a failed call. Foreign texts are not repeated. */
export function fromServiceError(error: ServiceError): WjfError {
  const [code] = error.metadata?.get(CODE_KEY) ?? [];
  if (typeof code === "string" && isErrorCode(code)) {
    return new WjfError(code, undefined, { cause: error });
  }
  const own =
    error.code === status.DEADLINE_EXCEEDED ? "deadline-exceeded" : "federation-unavailable";
  return new WjfError(own, undefined, { cause: error });
}
