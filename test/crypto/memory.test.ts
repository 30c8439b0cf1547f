// What SEAL allocates is freed: its memory stops growing after the first rounds. 100,000 rounds: memory.slow.ts.
import { expect, test } from "vitest";
import { openDecryptor } from "../../crypto/decrypt.ts";
import { encryptAddDecrypt, watchScheme } from "./wasm-memory.ts";

test("2,000 encrypt-add-decrypt rounds do not grow memory", async () => {
  const { scheme, memory } = await watchScheme();
  using _scheme = scheme;
  encryptAddDecrypt(scheme, 50);
  const before = memory.buffer.byteLength;
  encryptAddDecrypt(scheme, 2000);
  expect(memory.buffer.byteLength).toBe(before);
});

test("keys, encryptors and decryptors made and dropped, good and bad, do not grow memory", async () => {
  const { scheme, memory } = await watchScheme();
  using _scheme = scheme;
  const makeAndDrop = (rounds: number): void => {
    const { publicKey, secretKey } = scheme.generateKeys();
    for (let round = 0; round < rounds; round++) {
      using encryptor = scheme.encryptor(publicKey);
      while (encryptor.prepare());
      using _decryptor = openDecryptor(scheme, secretKey);
      using _sum = scheme.sum();
      expect(() => scheme.encryptor(publicKey.slice(1))).toThrow();
      expect(() => openDecryptor(scheme, secretKey.slice(1))).toThrow();
    }
  };
  makeAndDrop(10);
  const before = memory.buffer.byteLength;
  makeAndDrop(200);
  expect(memory.buffer.byteLength).toBe(before);
});

test("the watch sees a leak", async () => {
  const { scheme, memory } = await watchScheme();
  using _scheme = scheme;
  encryptAddDecrypt(scheme, 10);
  const before = memory.buffer.byteLength;
  const leaked = Array.from({ length: 500 }, () => scheme.sum());
  const { publicKey } = scheme.generateKeys();
  using encryptor = scheme.encryptor(publicKey);
  const ciphertext = encryptor.encrypt(Uint32Array.of(1));
  for (const sum of leaked) sum.add(ciphertext);
  expect(memory.buffer.byteLength).toBeGreaterThan(before);
  for (const sum of leaked) sum[Symbol.dispose]();
});
