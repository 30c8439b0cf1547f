// The HTTP edge of the error catalogue: RFC 9457, stable codes, nothing of a cause.
import { describe, expect, test } from "vitest";
import { type ErrorCode, ERRORS, WjfError } from "../../core/errors.ts";
import { toProblem, toWjfError } from "../../gateway/problem.ts";

describe("a refusal as a problem", () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])("%s: type, status and code agree", (code) => {
    const problem = toProblem(new WjfError(code), "r-1");
    expect(problem).toMatchObject({
      type: `/errors#${code}`,
      code,
      status: ERRORS[code].http,
      title: ERRORS[code].title,
      next: ERRORS[code].next,
      instance: "urn:request:r-1",
    });
    expect(problem.retryable).toBe("retryable" in ERRORS[code]);
    expect(problem).not.toHaveProperty("detail");
  });

  test("detail is told, a cause is not", () => {
    const cause = new Error("phone 13800138000");
    const problem = toProblem(new WjfError("request-malformed", "product: id@1", { cause }), "r");
    expect(problem.detail).toBe("product: id@1");
    expect(JSON.stringify(problem)).not.toContain("13800138000");
  });
});

describe("what is not ours", () => {
  test.each<[string, unknown, ErrorCode]>([
    ["fastify's body limit", { code: "FST_ERR_CTP_BODY_TOO_LARGE" }, "body-too-large"],
    ["fastify's media type", { code: "FST_ERR_CTP_INVALID_MEDIA_TYPE" }, "media-type-unsupported"],
    ["any other 4xx", { code: "FST_ERR_X", statusCode: 400 }, "request-malformed"],
    ["a bug", new TypeError("13800138000 is not a function"), "internal"],
    ["a thrown string", "13800138000", "internal"],
    ["nothing", undefined, "internal"],
  ])("%s becomes %s", (_what, error, code) => {
    const known = toWjfError(error);
    expect(known.code).toBe(code);
    expect(JSON.stringify(toProblem(known, "r"))).not.toContain("13800138000");
  });

  test("a WjfError stays what it is", () => {
    const own = new WjfError("consent-paused");
    expect(toWjfError(own)).toBe(own);
  });
});
