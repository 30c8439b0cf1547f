// Untrusted → typed: a refusal names the field and the rule, and never repeats what was sent.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { WjfError } from "../../core/errors.ts";
import { ProductRef, ProvinceCode, QueryId, Sha256Hex } from "../../core/ids.ts";
import { parseJsonWith, parseWith } from "../../core/parse.ts";

const Schema = z.strictObject({
  product: ProductRef,
  count: z.int().min(1).max(9),
  kind: z.enum(["a", "b"]),
  nested: z.object({ code: z.string().regex(/^\d{4}$/, "four digits") }).optional(),
});

function refusal(work: () => unknown): WjfError {
  try {
    work();
  } catch (error) {
    if (error instanceof WjfError) return error;
    throw error;
  }
  throw new Error("not refused");
}

const good = { product: "credit-score@1", count: 3, kind: "a" };

test("what fits comes out typed", () => {
  expect(parseWith(Schema, good, "request-malformed")).toEqual(good);
  expect(parseJsonWith(Schema, JSON.stringify(good), "request-malformed")).toEqual(good);
});

describe("what does not fit is refused by field and rule", () => {
  test.each<[string, unknown, RegExp]>([
    ["a bad form", { ...good, product: "13800138000" }, /product: a product id and version/],
    ["a bad choice", { ...good, kind: "13800138000" }, /kind: /],
    ["a bad number", { ...good, count: 13_800_138_000 }, /count: /],
    ["a nested field", { ...good, nested: { code: "13800138000" } }, /nested\.code: four digits/],
    ["an unknown field", { ...good, "13800138000": 1 }, /1 field\(s\) that are not known here/],
    ["another kind of value", "13800138000", /\(whole\): /],
    ["nothing", undefined, /\(whole\): /],
  ])("%s", (_what, value, detail) => {
    const error = refusal(() => parseWith(Schema, value, "data-invalid", "body"));
    expect(error.code).toBe("data-invalid");
    expect(error.detail).toMatch(/^body: /);
    expect(error.detail).toMatch(detail);
    expect(error.message).not.toContain("13800138000");
  });

  test("no more than a few issues are told, however many there are", () => {
    const many = z.array(z.literal(1));
    const error = refusal(() => parseWith(many, Array(1000).fill(2), "request-malformed"));
    expect((error.detail ?? "").split(";").length).toBeLessThanOrEqual(5);
  });

  test("text that is no JSON is not repeated either", () => {
    for (const text of ["{13800138000", "", "13800138000x"]) {
      const error = refusal(() => parseJsonWith(Schema, text, "request-malformed", "body"));
      expect(error.detail).toBe("body: not JSON");
    }
  });

  test("whatever is sent, no value of it is in the message", () => {
    const secret = "s3cret-金丝雀";
    const value = fc.jsonValue().map((json) => JSON.parse(JSON.stringify(json)) as unknown);
    fc.assert(
      fc.property(value, fc.constantFrom("product", "count", "kind", "nested"), (noise, field) => {
        const sent = { ...good, noise, [field]: { [secret]: secret, noise } };
        const error = refusal(() => parseWith(Schema, sent, "request-malformed"));
        expect(error.message).not.toContain(secret);
      }),
    );
  });
});

describe("identifiers", () => {
  test.each([
    [ProvinceCode, ["11", "65"], ["1", "110", "71", "99", "1a", "", " 11"]],
    [
      ProductRef,
      ["credit-score@1", "risk-model:insurer@9999", "a@1"],
      ["Credit@1", "a", "a@0", "a@01", "a@10000", "a b@1", "a@1 ", "@1", "a:@1x", "1a@1"],
    ],
    [
      Sha256Hex,
      ["0".repeat(64)],
      ["0".repeat(63), "0".repeat(65), "G".repeat(64), "A".repeat(64), `${"0".repeat(63)}\n`],
    ],
    [QueryId, ["0b8f1d5e-4c1d-4a53-9d0a-6f1f6a2c9f10"], ["1", "0b8f1d5e4c1d4a539d0a6f1f6a2c9f10"]],
  ] as const)("have one form (%#)", (schema, right, wrong) => {
    for (const text of right) expect(schema.safeParse(text).success, text).toBe(true);
    for (const text of wrong) expect(schema.safeParse(text).success, text).toBe(false);
  });
});

describe("I-JSON, RFC 7493: what is not the same to every reader is refused", () => {
  test.each([
    ["half of a pair in a value", String.raw`"\ud800"`],
    ["the other half", String.raw`{"a":["x\uDC00y"]}`],
    ["half of a pair in a name", String.raw`{"\ud83d":1}`],
  ])("%s", (_, text) => {
    expect(refusal(() => parseJsonWith(z.json(), text, "log-invalid", "leaf"))).toMatchObject({
      code: "log-invalid",
      detail: "leaf: not JSON",
    });
  });

  test("a whole pair, and what only looks like half of one, are taken", () => {
    const text = String.raw`{"a":"\ud83d\ude00","b":"\\ud800"}`;
    expect(parseJsonWith(z.json(), text, "log-invalid")).toEqual({ a: "\u{1f600}", b: "\\ud800" });
  });

  test("what nests deeper than a schema can follow is a refusal, not a crash", () => {
    const text = `${"[".repeat(5000)}${"]".repeat(5000)}`;
    expect(refusal(() => parseJsonWith(z.json(), text, "model-invalid"))).toMatchObject({
      code: "model-invalid",
      detail: "nested too deeply",
    });
  });
});
