// docs/ERRORS.md equals the error catalogue, and the catalogue is fit for outside readers.
import { readFileSync } from "node:fs";
import { status as grpc } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { errorsMarkdown } from "../cli/errors-doc.ts";
import { errorEntry, type ErrorCode, ERRORS } from "../core/errors.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

test("docs/ERRORS.md is what `node cli/errors-doc.ts` writes", () => {
  expect(readFileSync(new URL("../docs/ERRORS.md", import.meta.url), "utf8")).toBe(
    errorsMarkdown(),
  );
});

test.each(codes)("%s has a form that programs and people can use", (code) => {
  const { title, next, http, grpc: status, retryable } = errorEntry(code);
  expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
  expect(title).toMatch(/^[A-Z].*\.$/);
  expect(next).toMatch(/^[A-Z].*\.$/);
  expect(http).toBeGreaterThanOrEqual(400);
  expect(http).toBeLessThan(600);
  expect(status).not.toBe(grpc.OK);
  // A client that repeats a 4xx as it is gets the same again; only "too many" is worth it.
  if (retryable) expect([429, 502, 503, 504]).toContain(http);
});
