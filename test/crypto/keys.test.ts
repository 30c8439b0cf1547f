// Key pairs as JWKs: what is published is public, what a thumbprint names is what others would name.
import { calculateJwkThumbprint } from "jose";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  generateP256,
  generateX25519,
  importPrivate,
  importPublic,
  PrivateP256Jwk,
  publicP256,
  PublicP256Jwk,
  publicX25519,
  PublicX25519Jwk,
  thumbprint,
} from "../../crypto/index.ts";

describe("RFC 7638 thumbprints", () => {
  test("RFC 9449 §4.2 and §6.1: the DPoP key and its jkt", () => {
    expect(
      thumbprint({
        x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
      }),
    ).toBe("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
  });

  test("RFC 7638 §3.1: the library that checks DPoP proofs names its example as the RFC does", async () => {
    const example = {
      kty: "RSA",
      n:
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi" +
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY" +
        "b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0" +
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
      e: "AQAB",
      alg: "RS256",
      kid: "2011-04-29",
    };
    expect(await calculateJwkThumbprint(example)).toBe(
      "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    );
  });

  test("ours and that library's agree on our keys", async () => {
    const jwk = generateP256("sig");
    expect(thumbprint(jwk)).toBe(await calculateJwkThumbprint(importPublic(publicP256(jwk))));
    expect(jwk.kid).toBe(thumbprint(jwk));
  });
});

describe("public halves", () => {
  test("carry no private member, and a private key is not taken for a public one", () => {
    const p256 = generateP256("enc");
    const x25519 = generateX25519();
    expect(publicP256(p256)).not.toHaveProperty("d");
    expect(publicX25519(x25519)).not.toHaveProperty("d");
    expect(PublicP256Jwk.safeParse(p256).success).toBe(false);
    expect(PublicX25519Jwk.safeParse(x25519).success).toBe(false);
    expect(PublicP256Jwk.safeParse(publicP256(p256)).success).toBe(true);
  });

  test("import as what they are: public keys of the same pair", () => {
    const jwk = generateP256("sig");
    const [open, closed] = [importPublic(publicP256(jwk)), importPrivate(jwk)];
    expect(open.type).toBe("public");
    expect(closed.type).toBe("private");
    expect(open.export({ format: "jwk" })).toMatchObject({ x: jwk.x, y: jwk.y });
  });

  test("a point that is not on the curve is not imported", () => {
    const { x, y } = generateP256("sig");
    const off = Buffer.from(y, "base64url");
    off.writeUInt8(off.readUInt8(31) ^ 1, 31);
    expect(() =>
      importPublic({ kty: "EC", crv: "P-256", x, y: off.toString("base64url") }),
    ).toThrow();
  });

  test("anything else than the form is refused", () => {
    const good = publicP256(generateP256("sig"));
    const bend = fc.constantFrom<Record<string, unknown>>(
      { kty: "RSA" },
      { crv: "P-384" },
      { crv: "secp256k1" },
      { x: "" },
      { x: "not base64url!" },
      { x: "a".repeat(129) },
      { alg: "none" },
      { alg: "HS256" },
      { use: "wrap" },
      { k: "c2VjcmV0" },
      { y: undefined },
    );
    fc.assert(
      fc.property(bend, (bent) => {
        expect(PublicP256Jwk.safeParse({ ...good, ...bent }).success).toBe(false);
      }),
    );
  });
});

describe("what is parsed can be used", () => {
  const point = generateP256("sig");
  const { d: _d, ...own } = point;
  const other = publicP256(generateP256("sig"));
  const ZERO = Buffer.alloc(32).toString("base64url");

  test.each([
    ["a point that is not on P-256", { ...own, x: other.x }],
    ["the origin", { ...own, x: ZERO, y: ZERO }],
    ["a coordinate that is too short", { ...own, x: own.x.slice(0, 8) }],
  ])("%s", (_, jwk) => {
    expect(PublicP256Jwk.safeParse(jwk).success).toBe(false);
    expect(PrivateP256Jwk.safeParse({ ...jwk, d: point.d }).success).toBe(false);
  });

  test("an X25519 point of small order, whose secret is the same with everybody (RFC 7748 §6.1)", () => {
    const good = publicX25519(generateX25519());
    expect(PublicX25519Jwk.safeParse(good).success).toBe(true);
    for (const x of [ZERO, `AQ${ZERO.slice(2)}`, "AAAA"]) {
      expect(PublicX25519Jwk.safeParse({ ...good, x }).success).toBe(false);
    }
  });
});
