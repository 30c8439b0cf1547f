// RFC 8785: what is signed, hashed or logged is always the same bytes.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, sha256, sha256Base64url, sha256Hex } from "../../core/canonical.ts";

describe("RFC 8785", () => {
  test("§3.2.2 and §3.2.3: its sample, from the text that a parser sees", () => {
    const input = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    ) as unknown;
    expect(canonicalJson(input)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test("§3.2.3: names sort by UTF-16 code units, not by code points", () => {
    const names = ["\u20ac", "\r", "\ufb33", "1", "\u{1f600}", "\u0080", "\u00f6"];
    const value = Object.fromEntries(names.map((name, i) => [name, i]));
    const sorted = Object.keys(JSON.parse(canonicalJson(value)) as object);
    expect(sorted).toEqual(["1", "\r", "\u0080", "\u00f6", "\u20ac", "\u{1f600}", "\ufb33"]);
  });

  // Appendix B: IEEE 754 bits and their text.
  test.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
  ])("appendix B: %s is %s", (bits, text) => {
    const buffer = Buffer.from(bits, "hex");
    expect(canonicalJson(buffer.readDoubleBE(0))).toBe(text);
  });

  test("reading it and writing it again changes nothing, in whatever order its fields were", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(reversed)).toBe(text);
      }),
    );
  });

  test("what JSON cannot hold is a bug, not an empty text", () => {
    for (const value of [undefined, () => 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => canonicalJson(value)).toThrow();
    }
  });
});

test("SHA-256: FIPS 180-4's one-block example, in every form", () => {
  const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  expect(sha256Hex("abc")).toBe(hex);
  expect(sha256(Buffer.from("abc")).toString("hex")).toBe(hex);
  expect(sha256Base64url("abc")).toBe(Buffer.from(hex, "hex").toString("base64url"));
});
