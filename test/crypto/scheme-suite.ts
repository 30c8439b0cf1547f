// What every HeScheme must do, whichever is behind it: he-scheme.test.ts runs this over BFV and over the plaintext twin.
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  Ciphertext,
  HeDecryptor,
  HeEncryptor,
  HeKeyPair,
  HeScheme,
} from "../../crypto/he-scheme.ts";
import { randomSlots, shuffled, sumModulo } from "./slot-vectors.ts";

export interface SchemeUnderTest {
  readonly create: () => Promise<HeScheme>;
  readonly openDecryptor: (scheme: HeScheme, secretKey: Uint8Array) => HeDecryptor;
}

export function heSchemeSuite(name: string, { create, openDecryptor }: SchemeUnderTest): void {
  describe(name, () => {
    const resources = new DisposableStack();
    let scheme: HeScheme;
    let keys: HeKeyPair;
    let encryptor: HeEncryptor;
    let decryptor: HeDecryptor;
    let t: number;

    beforeAll(async () => {
      scheme = resources.use(await create());
      keys = scheme.generateKeys();
      encryptor = resources.use(scheme.encryptor(keys.publicKey));
      decryptor = resources.use(openDecryptor(scheme, keys.secretKey));
      t = scheme.parameters.plainModulus;
    });
    afterAll(() => resources.dispose());

    function added(ciphertexts: readonly Uint8Array[]): Ciphertext {
      using sum = scheme.sum();
      for (const ciphertext of ciphertexts) sum.add(ciphertext);
      return sum.finish();
    }

    test("what is encrypted decrypts to itself, and slots that were not given to zero", () => {
      const residue = fc.nat({ max: t - 1 });
      const edge = fc.constantFrom(0, 1, t - 1, t >>> 1);
      const vector = fc.array(fc.oneof(residue, edge), { maxLength: scheme.slotCount });
      fc.assert(
        fc.property(vector, (values) => {
          const slots = Uint32Array.from(values);
          const opened = decryptor.decrypt(encryptor.encrypt(slots));
          expect(opened.length).toBe(scheme.slotCount);
          expect(opened.subarray(0, slots.length)).toEqual(slots);
          expect(opened.subarray(slots.length).every((value) => value === 0)).toBe(true);
        }),
        { numRuns: 30 },
      );
    });

    test.each([1, 2, 3, 31, 64])("%i vectors of full slots add up modulo t, exactly", (count) => {
      const vectors = Array.from({ length: count }, () => randomSlots(scheme.slotCount, t));
      const ciphertexts = vectors.map((slots) => encryptor.encrypt(slots));
      expect(decryptor.decrypt(added(ciphertexts))).toEqual(sumModulo(vectors, t));
    });

    test("the same ciphertexts give the same bytes, in whatever order they are added", () => {
      const ciphertexts = Array.from({ length: 7 }, () =>
        encryptor.encrypt(randomSlots(scheme.slotCount, t)),
      );
      const bytes = Buffer.from(added(ciphertexts));
      for (let round = 0; round < 5; round++) {
        expect(bytes.equals(added(shuffled(ciphertexts)))).toBe(true);
      }
    });

    test("a sum can be added to a sum, and a sum of one is that one", () => {
      const [a, b, c] = [1, 2, 3].map((value) => encryptor.encrypt(Uint32Array.of(value)));
      const parts = [a, b, c] as [Ciphertext, Ciphertext, Ciphertext];
      const nested = added([added([parts[0], parts[1]]), parts[2]]);
      expect(Buffer.from(nested).equals(added(parts))).toBe(true);
      expect(Buffer.from(added([parts[0]])).equals(parts[0])).toBe(true);
      expect(decryptor.decrypt(nested)[0]).toBe(6);
    });

    test("every ciphertext, sums included, has exactly the stated number of bytes", () => {
      const empty = encryptor.encrypt(new Uint32Array(0));
      const full = encryptor.encrypt(randomSlots(scheme.slotCount, t));
      for (const ciphertext of [empty, full, added([empty, full])]) {
        expect(ciphertext.length).toBe(scheme.ciphertextBytes);
      }
    });

    test("an encryption prepared ahead holds the same values", () => {
      let prepared = 0;
      while (encryptor.prepare()) {
        // The scheme says when enough is ready; without a bound memory would fill.
        expect(++prepared).toBeLessThan(1000);
      }
      for (let i = 0; i <= prepared; i++) {
        const slots = randomSlots(scheme.slotCount, t);
        expect(decryptor.decrypt(encryptor.encrypt(slots))).toEqual(slots);
      }
    });

    test("more values than slots, a value that is no residue, a sum of nothing: bugs of the caller", () => {
      expect(() => encryptor.encrypt(new Uint32Array(scheme.slotCount + 1))).toThrow(RangeError);
      expect(() => encryptor.encrypt(Uint32Array.of(t))).toThrow(RangeError);
      expect(() => encryptor.encrypt(Uint32Array.of(2 ** 32 - 1))).toThrow(RangeError);
      using sum = scheme.sum();
      expect(() => sum.finish()).toThrow(RangeError);
    });

    test("bytes of another length or with another header are refused, by the sum and by decryption", () => {
      const good = encryptor.encrypt(Uint32Array.of(1, 2, 3));
      const bad = [
        new Uint8Array(0),
        good.slice(0, 1),
        good.slice(0, -1),
        good.slice(1),
        Buffer.concat([good, Buffer.alloc(1)]),
        Buffer.concat([good, good]),
        Buffer.alloc(good.length),
        Buffer.alloc(good.length, 0xff),
        ...Array.from({ length: 16 }, (_, i) => flipped(good, i)),
      ];
      for (const bytes of bad) {
        using sum = scheme.sum();
        const refusal = expect.objectContaining({ code: "ciphertext-invalid" });
        expect(() => sum.add(bytes)).toThrow(refusal);
        expect(() => decryptor.decrypt(bytes)).toThrow(refusal);
      }
    });

    test("a refused part leaves the sum as it was", () => {
      const parts = [5, 6].map((value) => encryptor.encrypt(Uint32Array.of(value)));
      using sum = scheme.sum();
      const spoilt = Buffer.alloc(scheme.ciphertextBytes, 0xff);
      expect(() => sum.add(spoilt)).toThrow();
      sum.add(parts[0] as Ciphertext);
      expect(() => sum.add(spoilt)).toThrow();
      expect(() => sum.add(new Uint8Array(3))).toThrow();
      sum.add(parts[1] as Ciphertext);
      expect(Buffer.from(sum.finish()).equals(added(parts))).toBe(true);
    });

    test("bytes that are no key are refused as a key", () => {
      for (const bytes of [new Uint8Array(0), Buffer.alloc(100), keys.publicKey.slice(0, -1)]) {
        expect(() => scheme.encryptor(bytes)).toThrow(
          expect.objectContaining({ code: "ciphertext-invalid" }),
        );
        expect(() => openDecryptor(scheme, bytes)).toThrow(
          expect.objectContaining({ code: "secret-missing" }),
        );
      }
    });

    test("bytes may lie anywhere in a larger buffer, as they come off the wire", () => {
      const slots = Uint32Array.of(9, 8, 7);
      const around = Buffer.concat([Buffer.alloc(13), encryptor.encrypt(slots), Buffer.alloc(5)]);
      const inside = around.subarray(13, 13 + scheme.ciphertextBytes);
      expect(decryptor.decrypt(added([inside])).subarray(0, 3)).toEqual(slots);
    });
  });
}

export function flipped(bytes: Uint8Array, at: number, mask = 0x01): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
}
