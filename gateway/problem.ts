// The HTTP edge of the error catalogue: RFC 9457 problem details. `type` is a page about the code; `detail` names a
// field and a rule; causes stay in the log.
import { errorEntry, type ErrorCode, WjfError } from "../core/errors.ts";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail?: string;
  readonly next: string;
  readonly retryable: boolean;
  readonly instance: string;
}

/** @param instance the request's id, which the log has too. */
export function toProblem(error: WjfError, instance: string): Problem {
  return { ...describeError(error.code, error.detail), instance: `urn:request:${instance}` };
}

/** Of one row among many. */
export function describeError(code: ErrorCode, detail?: string): Omit<Problem, "instance"> {
  const { title, http, next, retryable = false } = errorEntry(code);
  return {
    type: `/errors#${code}`,
    title,
    status: http,
    code,
    ...(detail !== undefined && { detail }),
    next,
    retryable,
  };
}

const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body-too-large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "media-type-unsupported",
};

/** Fastify's own refusals in our terms; whatever is not known is `internal`. */
export function toWjfError(error: unknown): WjfError {
  if (error instanceof WjfError) return error;
  // Anything can be thrown, nothing included.
  const foreign = (error ?? {}) as { code?: string; statusCode?: number };
  const known = FASTIFY_CODES[foreign.code ?? ""];
  if (known !== undefined) return new WjfError(known, undefined, { cause: error });
  const status = foreign.statusCode ?? 500;
  if (status < 400 || status >= 500) return new WjfError("internal", undefined, { cause: error });
  // The one thing that the server itself finds wrong with a request that it could read.
  const detail = foreign.code === "FST_ERR_BAD_URL" ? "address: does not decode" : "body";
  return new WjfError("request-malformed", detail, { cause: error });
}
