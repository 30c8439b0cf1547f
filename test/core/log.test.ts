// The redacting logger: what slips in under a personal or secret name is censored; an error is its code and its place.
import { describe, expect, test } from "vitest";
import { WjfError } from "../../core/errors.ts";
import { createLogger } from "../../core/log.ts";

const PERSONAL = "13800138000";

function logged(write: (log: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(
    createLogger({
      service: "test",
      level: "trace",
      destination: { write: (line) => lines.push(line) },
    }),
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain(PERSONAL);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

test("a line says which service, when, and how grave, as JSON", () => {
  const line = logged((log) => log.info({ query: "q-1" }, "answered"));
  expect(line).toMatchObject({ service: "test", query: "q-1", msg: "answered", level: 30 });
  expect(line["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

describe("censored by name", () => {
  test.each([
    "token",
    "proof",
    "claims",
    "body",
    "authorization",
    "dpop",
    "msisdn",
    "phone",
    "cn_id_number",
    "name",
    "address",
    "answer",
    "secret",
    "key",
    "sub",
    "tag",
    "subject",
    "claim",
    "login_hint",
    "contact",
    "password",
    "cookie",
  ])("%s, at the top and one level down", (field) => {
    const line = logged((log) => log.info({ [field]: PERSONAL, in: { [field]: PERSONAL } }));
    expect(line[field]).toBe("[redacted]");
    expect(line["in"]).toEqual({ [field]: "[redacted]" });
  });

  test("in a child logger's bindings as well", () => {
    const line = logged((log) => log.child({ phone: PERSONAL }).warn("x"));
    expect(line["phone"]).toBe("[redacted]");
  });
});

describe("errors", () => {
  test("of ours: code and detail, down the chain of causes", () => {
    const cause = new WjfError("receipt-invalid", "signature");
    const err = new WjfError("coverage-incomplete", "two left", { cause });
    expect(logged((log) => log.error({ err }))["err"]).toEqual({
      errorCode: "coverage-incomplete",
      detail: "two left",
      cause: { errorCode: "receipt-invalid", detail: "signature" },
    });
  });

  test("of others: where they came from, not what they say", () => {
    const err = new TypeError(`${PERSONAL} is not iterable`);
    const line = logged((log) => log.error({ err }));
    expect(line["err"]).toMatchObject({ kind: "TypeError" });
    expect((line["err"] as { at: string }).at).toContain("log.test.ts");
  });

  test("of others whose message has line breaks: their text does not come back with the stack", () => {
    const err = new Error(`bad input:\n  phone=${PERSONAL}\n  end`);
    logged((log) => log.error({ err }));
  });

  test("given as the whole line, or as a cause of ours", () => {
    logged((log) => log.error(new Error(PERSONAL)));
    const err = new WjfError("internal", undefined, { cause: new Error(PERSONAL) });
    logged((log) => log.error({ err }));
  });

  test("that are no errors at all say nothing", () => {
    expect(logged((log) => log.error({ err: PERSONAL }))["err"]).toBeUndefined();
  });
});
