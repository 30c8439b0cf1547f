// Subject tags and opaque subjects: normal forms, unlinkability, and what does not open.
import { createHmac, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cnIdCheckCharacter,
  normaliseCnId,
  normaliseMsisdn,
  normaliseName,
  openSubject,
  sealSubject,
  subjectTag,
} from "../../crypto/index.ts";

const MALFORMED = expect.objectContaining({ code: "request-malformed" });
const CLAIMS = expect.objectContaining({ code: "token-claims" });

describe("phone numbers", () => {
  test.each([
    "13800138000",
    "+8613800138000",
    "008613800138000",
    "8613800138000",
    "+86 138 0013 8000",
    "138-0013-8000",
  ])("%s is +8613800138000", (input) => {
    expect(normaliseMsisdn(input)).toBe("+8613800138000");
  });

  test.each([
    "",
    "1380013800",
    "138001380000",
    "12800138000",
    "+1 202 555 0100",
    "+85291234567",
    "１３８００１３８０００",
    "13800138000;",
    "13800138000\n13800138001",
    "8613800138",
  ])("%j is refused, and not repeated", (input) => {
    expect(() => normaliseMsisdn(input)).toThrow(MALFORMED);
    if (input !== "") expect(() => normaliseMsisdn(input)).not.toThrow(input);
  });

  test("every number of the mobile ranges, however written, has one form", () => {
    const national = fc
      .tuple(fc.integer({ min: 3, max: 9 }), fc.integer({ min: 0, max: 999_999_999 }))
      .map(([second, rest]) => `1${second}${String(rest).padStart(9, "0")}`);
    const prefix = fc.constantFrom("", "+86", "0086", "86", "+86 ", " +86-");
    fc.assert(
      fc.property(national, prefix, (number, before) => {
        expect(normaliseMsisdn(before + number)).toBe(`+86${number}`);
      }),
    );
  });
});

describe("ID numbers, GB 11643-1999", () => {
  // The standard's own examples: Chaoyang, Beijing, and Chaoyang, Guangdong.
  test.each(["11010519491231002X", "440524188001010014"])("%s is valid", (id) => {
    expect(normaliseCnId(id)).toBe(id);
    expect(cnIdCheckCharacter(id.slice(0, 17))).toBe(id[17]);
  });

  test("a small x is a capital X, spaces around it are dropped", () => {
    expect(normaliseCnId(" 11010519491231002x ")).toBe("11010519491231002X");
  });

  test.each(["", "110105194912310021", "11010519491231002", "1101051949123100２X", "X".repeat(18)])(
    "%j is refused, and not repeated",
    (input) => {
      expect(() => normaliseCnId(input)).toThrow(MALFORMED);
      if (input !== "") expect(() => normaliseCnId(input)).not.toThrow(input);
    },
  );

  test("ISO 7064: any one digit changed, or two unlike neighbours exchanged, is noticed", () => {
    const first17 = fc.stringMatching(/^\d{17}$/);
    fc.assert(
      fc.property(first17, fc.nat({ max: 16 }), fc.nat({ max: 9 }), (digits, at, digit) => {
        const id = digits + cnIdCheckCharacter(digits);
        expect(normaliseCnId(id)).toBe(id);
        const changed = id.slice(0, at) + digit + id.slice(at + 1);
        const swapped = id.slice(0, at) + id[at + 1] + id[at] + id.slice(at + 2);
        for (const wrong of [changed, swapped]) {
          if (wrong !== id) expect(() => normaliseCnId(wrong)).toThrow(MALFORMED);
        }
      }),
    );
  });
});

test("names compare without spaces, middle dots, width and case", () => {
  expect(normaliseName("阿卜杜拉·买买提")).toBe(normaliseName("阿卜杜拉 • 买买提"));
  expect(normaliseName("Ａｎｎａ Ｌｉ")).toBe("annali");
  expect(normaliseName("张伟")).not.toBe(normaliseName("张玮"));
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (name) => {
      expect(normaliseName(normaliseName(name))).toBe(normaliseName(name));
    }),
  );
});

describe("tags", () => {
  const key = randomBytes(32);

  test("HMAC-SHA-256: RFC 4231 test case 2, through the call that makes tags", () => {
    // Key "Jefe", data "what do ya want for nothing?": the kind and the colon are part of what is tagged.
    const expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const direct = createHmac("sha256", "Jefe").update("what do ya want for nothing?");
    expect(direct.digest("hex")).toBe(expected);
    const tag = subjectTag(Buffer.from("Jefe"), "name", "x");
    expect(tag.toString("hex")).toBe(createHmac("sha256", "Jefe").update("name:x").digest("hex"));
  });

  test("differ by kind, by value and by key", () => {
    const tags = [
      subjectTag(key, "msisdn", "1"),
      subjectTag(key, "cn-id", "1"),
      subjectTag(key, "msisdn", "2"),
      subjectTag(randomBytes(32), "msisdn", "1"),
    ];
    expect(new Set(tags.map((tag) => tag.toString("hex"))).size).toBe(4);
    expect(subjectTag(key, "msisdn", "1")).toEqual(tags[0]);
  });
});

describe("opaque subjects", () => {
  const master = randomBytes(32);
  const tag = subjectTag(randomBytes(32), "msisdn", "+8613800138000");

  test("open to the tag, under any epoch and token id", () => {
    const epoch = fc.integer({ min: 0, max: 0xffffffff });
    const other = sealSubject(master, 1, tag, "other");
    fc.assert(
      fc.property(epoch, fc.string({ maxLength: 64 }), (number, tokenId) => {
        const sub = sealSubject(master, number, tag, tokenId);
        expect(sub).toMatch(/^[A-Za-z0-9_-]{86}$/);
        expect(openSubject(master, other, "other")).toEqual(tag);
        expect(openSubject(master, sub, tokenId)).toEqual(tag);
      }),
    );
  });

  test("of one person in two tokens have nothing in common but the epoch", () => {
    const [a, b] = ["t1", "t2"].map((id) =>
      Buffer.from(sealSubject(master, 7, tag, id), "base64url"),
    ) as [Buffer, Buffer];
    expect(a.subarray(0, 4)).toEqual(b.subarray(0, 4));
    const same = a.subarray(4).filter((byte, i) => byte === b[i + 4]);
    expect(same.length).toBeLessThan(8);
    const again = sealSubject(master, 7, tag, "t1");
    expect(again).not.toBe(a.toString("base64url"));
  });

  test("do not open for another token, under another key, or with any bit changed", () => {
    const sub = sealSubject(master, 1, tag, "token-1");
    expect(() => openSubject(master, sub, "token-2")).toThrow(CLAIMS);
    expect(() => openSubject(randomBytes(32), sub, "token-1")).toThrow(CLAIMS);
    const bytes = Buffer.from(sub, "base64url");
    for (let at = 0; at < bytes.length; at++) {
      const bent = Buffer.from(bytes);
      bent.writeUInt8(bent.readUInt8(at) ^ (1 << (at % 8)), at);
      expect(() => openSubject(master, bent.toString("base64url"), "token-1")).toThrow(CLAIMS);
    }
    for (const short of ["", sub.slice(0, -2), `${sub}AA`]) {
      expect(() => openSubject(master, short, "token-1")).toThrow(CLAIMS);
    }
  });
});
