// The gRPC edge of the error catalogue: every code comes through as itself, no cause and no foreign text does.
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type ErrorCode, ERRORS, WjfError } from "../../core/errors.ts";
import { fromServiceError, toServiceError } from "../../proto/index.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

function received(sent: Partial<ServiceError>): WjfError {
  return fromServiceError(Object.assign(new Error(sent.details), sent) as ServiceError);
}

test.each(codes)("%s comes through as itself", (code) => {
  const sent = toServiceError(new WjfError(code, "a field: a rule"));
  expect(sent.code).toBe(ERRORS[code].grpc);
  expect(received(sent).code).toBe(code);
});

describe("what is not ours", () => {
  test("leaves as `internal`, without its text or its cause", () => {
    for (const error of [new TypeError("13800138000"), "13800138000", undefined, null]) {
      const sent = toServiceError(error);
      expect(sent.code).toBe(status.INTERNAL);
      expect(JSON.stringify([sent.details, sent.metadata?.getMap()])).not.toContain("13800138000");
    }
    const cause = new Error("13800138000");
    const sent = toServiceError(new WjfError("token-signature", undefined, { cause }));
    expect(JSON.stringify([sent.details, sent.metadata?.getMap()])).not.toContain("13800138000");
  });

  test("arrives as out of reach, or as too late, whatever it calls itself", () => {
    const metadata = new Metadata();
    metadata.set("wjf-code", "constructor");
    for (const [sent, code] of [
      [{ code: status.UNAVAILABLE, details: "13800138000" }, "federation-unavailable"],
      [{ code: status.DEADLINE_EXCEEDED, details: "x" }, "deadline-exceeded"],
      [{ code: status.UNAUTHENTICATED, details: "x", metadata }, "federation-unavailable"],
    ] as const) {
      const error = received(sent);
      expect(error.code).toBe(code);
      expect(error.message).not.toContain("13800138000");
    }
  });
});
