// The fan-out descriptor: one meaning, one text, one digest; slots packed from 1; everything in it bound by D.
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, sha256, sha256Hex } from "../../core/canonical.ts";
import { PROVINCES } from "../../core/provinces.ts";
import {
  digestDescriptor,
  type FanOutDescriptor,
  type FanOutItem,
  HE_PARAMETERS,
  parseDescriptor,
} from "../../crypto/index.ts";

const INVALID = expect.objectContaining({ code: "descriptor-invalid" });
const codes = PROVINCES.map(({ code }) => code);

const hash = fc.string().map(sha256Hex);
const items = fc
  .array(fc.tuple(hash, hash, fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 50 })
  .map((parts) => {
    let offset = 1;
    return parts.map(([token_hash, claims_hash, slot_width]): FanOutItem => {
      const slot_offset = offset;
      offset += slot_width;
      return {
        query_id: randomUUID() as FanOutItem["query_id"],
        token_hash,
        product: "credit-score@1" as FanOutItem["product"],
        claims_hash,
        slot_offset,
        slot_width,
      };
    });
  });
const descriptors: fc.Arbitrary<FanOutDescriptor> = fc.record({
  fan_out_id: fc.uuid({ version: 4 }),
  epoch: fc.integer({ min: 1, max: 0xffffffff }),
  roster_digest: hash,
  provinces: fc.subarray(codes, { minLength: 1 }),
  items,
});

test("parses to itself, with D over its bytes and as many slots as its items need", () => {
  fc.assert(
    fc.property(descriptors, (descriptor) => {
      const { bytes, digest, slotsUsed } = digestDescriptor(descriptor);
      const parsed = parseDescriptor(bytes);
      expect(parsed.descriptor).toEqual(descriptor);
      expect(parsed.digest).toEqual(sha256(bytes));
      expect(digest).toEqual(parsed.digest);
      const width = descriptor.items.reduce((sum, { slot_width }) => sum + slot_width, 0);
      expect(slotsUsed).toBe(1 + width);
    }),
    { numRuns: 50 },
  );
});

const one = digestDescriptor(fc.sample(descriptors, { numRuns: 1, seed: 1 })[0] as never);

test("a fixed descriptor has a fixed digest (RFC 8785 bytes, worked out with other tools)", () => {
  const text =
    '{"epoch":3,"fan_out_id":"0b8f1d5e-4c1d-4a53-9d0a-6f1f6a2c9f10","items":[{"claims_hash":"' +
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" +
    '","product":"credit-score@1","query_id":"5f0c9e0a-8f5e-4a0f-8c3b-2f7d7c9b1e11","slot_offset":1,"slot_width":11,"token_hash":"' +
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" +
    '"}],"provinces":["11","44"],"roster_digest":"' +
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" +
    '"}';
  expect(parseDescriptor(Buffer.from(text)).digest.toString("hex")).toBe(
    "add06456b2576dc91273b657c60353e26ae70a6832fe00a1852339ee1d0fad49",
  );
});

describe("a second text for the same meaning is refused: it would have a second D", () => {
  const text = one.bytes.toString("utf8");
  test.each([
    ["space", text.replace(":", ": ")],
    ["a line break at the end", `${text}\n`],
    ["a byte order mark", `\ufeff${text}`],
    ["another order of fields", JSON.stringify(one.descriptor)],
    ["an escape", text.replace("credit", "\\u0063redit")],
    ["a number with a fraction", text.replace(/"epoch":(\d+)/, '"epoch":$1.0')],
    ["a number with an exponent", text.replace(/"epoch":(\d+)/, '"epoch":$1e0')],
    ["a field twice", text.replace("{", '{"epoch":1,')],
    ["a field more", text.replace("{", '{"aaa":1,')],
    ["a forbidden field", text.replace("{", '{"__proto__":{},')],
    ["an upper-case hash", text.replace(/"roster_digest":"([^"]+)"/, (all) => all.toUpperCase())],
    ["nothing", ""],
    ["no object", "[]"],
    ["half of it", text.slice(0, text.length / 2)],
  ])("%s", (_what, other) => {
    expect(other).not.toBe(text);
    expect(() => parseDescriptor(Buffer.from(other))).toThrow(INVALID);
  });

  test("bytes that are no UTF-8", () => {
    const bytes = Buffer.from(one.bytes);
    bytes.writeUInt8(0xff, bytes.indexOf("credit"));
    expect(() => parseDescriptor(bytes)).toThrow(INVALID);
  });
});

describe("shape", () => {
  const item = (slot_offset: number, slot_width: number): FanOutItem => ({
    ...(one.descriptor.items[0] as FanOutItem),
    query_id: randomUUID() as FanOutItem["query_id"],
    slot_offset,
    slot_width,
  });
  const refused = (change: Partial<FanOutDescriptor>): void => {
    const bytes = Buffer.from(canonicalJson({ ...one.descriptor, ...change }));
    expect(() => parseDescriptor(bytes)).toThrow(INVALID);
  };

  test("slots: from 1, without gap, without overlap, within one ciphertext", () => {
    refused({ items: [item(2, 1)] });
    refused({ items: [item(0, 1)] });
    refused({ items: [item(1, 3), item(5, 1)] });
    refused({ items: [item(1, 3), item(3, 1)] });
    refused({ items: [item(1, 0)] });
    refused({ items: [item(1, -1)] });
    refused({ items: [] });
    const full = HE_PARAMETERS.polyModulusDegree - 1;
    const { slotsUsed } = digestDescriptor({ ...one.descriptor, items: [item(1, full)] });
    expect(slotsUsed).toBe(HE_PARAMETERS.polyModulusDegree);
    refused({ items: [item(1, full + 1)] });
    refused({ items: [item(1, full), item(full + 1, 1)] });
  });

  test("provinces: ascending, each once, known in form", () => {
    refused({ provinces: ["12", "11"] as never });
    refused({ provinces: ["11", "11"] as never });
    refused({ provinces: [] });
    refused({ provinces: ["71"] as never });
    refused({ provinces: ["1"] as never });
  });

  test("one query once", () => {
    const first = item(1, 1);
    refused({ items: [first, { ...first, slot_offset: 2 }] });
  });
});

test("D differs when anything differs", () => {
  const item = one.descriptor.items[0] as FanOutItem;
  const [second] = one.descriptor.items.slice(1);
  expect(second).toBeDefined();
  const changes: Partial<FanOutDescriptor>[] = [
    { fan_out_id: randomUUID() },
    { epoch: one.descriptor.epoch === 1 ? 2 : 1 },
    { roster_digest: sha256Hex("other") },
    { provinces: one.descriptor.provinces.length === 1 ? codes : codes.slice(0, 1) },
    ...(["query_id", "token_hash", "claims_hash", "product"] as const).map((field) => {
      const value = { query_id: randomUUID(), product: "other@1" }[field as string];
      const changed = { ...item, [field]: value ?? sha256Hex("other") };
      return { items: one.descriptor.items.with(0, changed) };
    }),
  ];
  const digests = changes.map((change) =>
    digestDescriptor({ ...one.descriptor, ...change }).digest.toString("hex"),
  );
  expect(new Set([...digests, one.digest.toString("hex")]).size).toBe(changes.length + 1);
});
