// Signed statements: one purpose each, verified before anything in them is looked at, and the same ES256 that others
// implement (here WebCrypto, as a second implementation).
import { webcrypto } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import {
  generateP256,
  importPrivate,
  importPublic,
  openStatement,
  publicP256,
  type SignedStatement,
  signStatement,
} from "../../crypto/index.ts";

const jwk = generateP256("sig");
const key = importPrivate(jwk);
const publicKey = importPublic(publicP256(jwk));
const Anything = z.unknown();
const SIGNATURE = expect.objectContaining({ code: "receipt-invalid", detail: "signature" });

const open = (signed: SignedStatement, context: "receipt" | "merge" = "receipt") =>
  openStatement(context, signed, publicKey, Anything, "receipt-invalid");

test("what is signed opens to itself", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const signed = signStatement("receipt", value, key);
      expect(canonicalJson(open(signed))).toBe(canonicalJson(value));
      expect(signed.signature.length).toBe(64);
    }),
    { numRuns: 50 },
  );
});

describe("does not open", () => {
  const signed = signStatement("receipt", { a: 1 }, key);

  test("with any bit of statement or signature changed", () => {
    for (const part of ["statement", "signature"] as const) {
      for (let at = 0; at < signed[part].length; at++) {
        const bytes = Buffer.from(signed[part]);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
        expect(() => open({ ...signed, [part]: bytes })).toThrow(SIGNATURE);
      }
    }
  });

  test("for another purpose than it was signed for", () => {
    expect(() => open(signed, "merge")).toThrow(SIGNATURE);
    expect(() => open(signStatement("merge", { a: 1 }, key), "receipt")).toThrow(SIGNATURE);
  });

  test("when the context has been moved into the statement, or out of it", () => {
    const statement = Buffer.from('weijifen/receipt/v1\n{"a":1}');
    expect(() => open({ statement, signature: signed.signature })).toThrow(SIGNATURE);
    expect(() => open({ ...signed, statement: Buffer.alloc(0) })).toThrow(SIGNATURE);
  });

  test("with another party's key", () => {
    const other = importPublic(publicP256(generateP256("sig")));
    expect(() => openStatement("receipt", signed, other, Anything, "receipt-invalid")).toThrow(
      SIGNATURE,
    );
  });

  test.each([0, 1, 63, 65, 72])("with a signature of %i bytes", (length) => {
    const signature = Buffer.concat([signed.signature, Buffer.alloc(72)]).subarray(0, length);
    expect(() => open({ ...signed, signature })).toThrow(SIGNATURE);
  });

  test("with zeros or the group's order for r and s (CVE-2022-21449)", () => {
    const order = Buffer.from(
      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
      "hex",
    );
    const zero = Buffer.alloc(32);
    for (const r of [zero, order]) {
      for (const s of [zero, order]) {
        expect(() => open({ ...signed, signature: Buffer.concat([r, s]) })).toThrow(SIGNATURE);
      }
    }
  });
});

test("a good signature under a wrong form is refused by the field's name, not by its value", () => {
  const signed = signStatement("receipt", { a: "13800138000" }, key);
  const schema = z.strictObject({ a: z.number() });
  const attempt = () => openStatement("receipt", signed, publicKey, schema, "receipt-invalid");
  expect(attempt).toThrow(expect.objectContaining({ code: "receipt-invalid" }));
  expect(attempt).toThrow(/receipt: a:/);
  expect(attempt).not.toThrow(/13800138000/);
});

test("WebCrypto verifies what we sign, and we what it signs", async () => {
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const { kty, crv, x, y, d } = jwk;
  const signer = await webcrypto.subtle.importKey("jwk", { kty, crv, x, y, d }, curve, false, [
    "sign",
  ]);
  const verifier = await webcrypto.subtle.importKey("jwk", { kty, crv, x, y }, curve, false, [
    "verify",
  ]);
  const ours = signStatement("merge", { b: [1, 2], a: "x" }, key);
  const bytes = Buffer.from('weijifen/merge/v1\n{"a":"x","b":[1,2]}');
  expect(
    await webcrypto.subtle.verify(algorithm, verifier, Uint8Array.from(ours.signature), bytes),
  ).toBe(true);
  const signature = Buffer.from(await webcrypto.subtle.sign(algorithm, signer, bytes));
  expect(open({ statement: ours.statement, signature }, "merge")).toEqual({ a: "x", b: [1, 2] });
});
