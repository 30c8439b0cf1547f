// What the gateway says when it refuses, as the error that it is (RFC 9457). What is no problem document is a fault.
import { z } from "zod";
import { type ErrorCode, isErrorCode, WjfError } from "../core/errors.ts";

const Problem = z.looseObject({ code: z.string(), detail: z.string().optional() });

/** @param text the response's body. */
export function refusal(text: string): WjfError {
  let code: ErrorCode = "internal";
  let detail: string | undefined;
  try {
    const problem = Problem.parse(JSON.parse(text));
    if (isErrorCode(problem.code)) code = problem.code;
    detail = problem.detail;
  } catch {
    detail = "the gateway answered with something that is no problem document";
  }
  return new WjfError(code, detail);
}
