// Sealed claims and answers: they open with the right key to what was sealed, tell their length only roughly, and what
// is not sealed exactly so does not open. Errors never repeat what was inside.
import {
  CompactEncrypt,
  compactDecrypt,
  type CompactJWEHeaderParameters,
  generateSecret,
} from "jose";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  generateP256,
  importPrivate,
  importPublic,
  MAX_SEALED_BYTES,
  openJson,
  publicP256,
  sealJson,
} from "../../crypto/index.ts";

const jwk = generateP256("enc");
const key = importPrivate(jwk);
const recipient = importPublic(publicP256(jwk));
const header = { typ: "weijifen-claims+jwe", kid: "k" };
const INVALID = expect.objectContaining({ code: "claims-invalid", detail: "does not open" });
const open = (jwe: string) => openJson(jwe, key, "claims-invalid");

test("any JSON value opens to itself", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const jwe = await sealJson(value, recipient, header);
      expect(JSON.stringify(await open(jwe))).toBe(JSON.stringify(value));
    }),
    { numRuns: 50 },
  );
});

test("one value sealed twice gives two sealings, from two ephemeral keys", async () => {
  const [a, b] = [await sealJson(1, recipient, header), await sealJson(1, recipient, header)];
  expect(a).not.toBe(b);
  expect(protectedHeader(a)["epk"]).not.toEqual(protectedHeader(b)["epk"]);
});

test("the header says ECDH-ES with A256GCM, whose it is and what it is for, and no more", async () => {
  const sealed = protectedHeader(await sealJson({ name: "张伟" }, recipient, header));
  expect(sealed).toEqual({
    alg: "ECDH-ES",
    enc: "A256GCM",
    typ: "weijifen-claims+jwe",
    kid: "k",
    epk: expect.objectContaining({ kty: "EC", crv: "P-256" }),
  });
});

test("length does not tell yes from no from unknown, nor one name from another", async () => {
  const lengths = new Set<number>();
  for (const value of ["yes", "no", "unknown"]) {
    lengths.add((await sealJson({ kind: "yes_no", value }, recipient, header)).length);
  }
  for (const name of ["王伟", "阿卜杜热合曼·买买提依明"]) {
    lengths.add((await sealJson({ name }, recipient, header)).length);
  }
  expect(lengths.size).toBe(1);
});

test("any JOSE library opens it, padding and all", async () => {
  const jwe = await sealJson({ a: 1 }, recipient, header);
  const { plaintext } = await compactDecrypt(jwe, key);
  expect(JSON.parse(Buffer.from(plaintext).toString("utf8"))).toEqual({ a: 1 });
});

test("more than may be sealed is a bug of the caller; exactly as much is not", async () => {
  const largest = "a".repeat(MAX_SEALED_BYTES - 2);
  expect(await open(await sealJson(largest, recipient, header))).toBe(largest);
  await expect(sealJson(`${largest}a`, recipient, header)).rejects.toThrow(RangeError);
});

describe("does not open", () => {
  test("with another key", async () => {
    const other = importPublic(publicP256(generateP256("enc")));
    await expect(open(await sealJson(1, other, header))).rejects.toThrow(INVALID);
  });

  test("with any of its five parts changed, dropped or doubled", async () => {
    const jwe = await sealJson({ name: "王伟" }, recipient, header);
    const parts = jwe.split(".");
    const bent = [
      ...parts.map((part, i) => parts.with(i, bendCharacter(part)).join(".")),
      ...parts.map((_, i) => parts.toSpliced(i, 1).join(".")),
      ...parts.map((part, i) => parts.toSpliced(i, 0, part).join(".")),
      "",
      "....",
      "not a JWE",
    ];
    for (const text of bent) {
      await expect(open(text)).rejects.toThrow(INVALID);
      await expect(open(text)).rejects.not.toThrow(/王伟/);
    }
  });

  test.each<[string, CompactJWEHeaderParameters]>([
    ["another content encryption", { alg: "ECDH-ES", enc: "A128GCM" }],
    ["another content encryption mode", { alg: "ECDH-ES", enc: "A256CBC-HS512" }],
    ["key wrapping", { alg: "ECDH-ES+A256KW", enc: "A256GCM" }],
  ])("with %s than we allow", async (_what, bent) => {
    const jwe = await new CompactEncrypt(Buffer.from("{}"))
      .setProtectedHeader(bent)
      .encrypt(recipient);
    await expect(open(jwe)).rejects.toThrow(INVALID);
  });

  test("with a symmetric key or a password", async () => {
    const secret = await generateSecret("A256GCM", { extractable: true });
    const direct = await new CompactEncrypt(Buffer.from("{}"))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(secret);
    await expect(open(direct)).rejects.toThrow(INVALID);
  });

  test("when it is compressed: a bomb, or a few bytes", async () => {
    for (const inside of ["{}", `"${"a".repeat(200_000)}"`, `"${"a".repeat(60_000)}"`]) {
      const jwe = await new CompactEncrypt(Buffer.from(inside))
        .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", zip: "DEF" })
        .encrypt(recipient);
      await expect(open(jwe)).rejects.toThrow(INVALID);
    }
  });

  test("when what is inside is not JSON, or too large", async () => {
    for (const inside of ["{", "", "\u0000", `"${"a".repeat(MAX_SEALED_BYTES)}"`]) {
      const jwe = await new CompactEncrypt(Buffer.from(inside))
        .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
        .encrypt(recipient);
      await expect(open(jwe)).rejects.toThrow(INVALID);
    }
  });
});

function protectedHeader(jwe: string): Record<string, unknown> {
  const [first = ""] = jwe.split(".");
  return JSON.parse(Buffer.from(first, "base64url").toString("utf8")) as Record<string, unknown>;
}

/** Changes the middle character, whose bits all count. ECDH-ES leaves the second part empty. */
function bendCharacter(part: string): string {
  if (part === "") return "AAAA";
  const at = Math.floor(part.length / 2);
  return part.slice(0, at) + (part[at] === "A" ? "B" : "A") + part.slice(at + 1);
}
