// What SEAL allocates is freed: its memory stops growing after the first rounds. 100,000 rounds: memory.slow.ts.
import { expect, test } from "vitest";
import { openDecryptor } from "../../crypto/decrypt.ts";
import { encryptAddDecrypt, watchScheme } from "./wasm-memory.ts";

test("2,000 encrypt-add-decrypt rounds do not grow memory", async () => {
  using watched = await watchScheme();
  const { scheme } = watched;
  encryptAddDecrypt(scheme, 50);
  const before = watched.memoryBytes();
  encryptAddDecrypt(scheme, 2000);
  expect(watched.memoryBytes()).toBe(before);
});

test("keys, encryptors and decryptors made and dropped, good and bad, do not grow memory", async () => {
  using watched = await watchScheme();
  const { scheme } = watched;
  const makeAndDrop = (rounds: number): void => {
    const { publicKey, secretKey } = scheme.generateKeys();
    for (let round = 0; round < rounds; round++) {
      using encryptor = scheme.encryptor(publicKey);
      while (encryptor.prepare());
      using stack = new DisposableStack();
      stack.use(openDecryptor(scheme, secretKey));
      stack.use(scheme.sum());
      expect(() => scheme.encryptor(publicKey.slice(0, -1))).toThrow();
      expect(() => openDecryptor(scheme, secretKey.slice(0, -1))).toThrow();
    }
  };
  makeAndDrop(10);
  const before = watched.memoryBytes();
  makeAndDrop(60);
  expect(watched.memoryBytes()).toBe(before);
});

test("the watch sees a leak", async () => {
  using watched = await watchScheme();
  const { scheme } = watched;
  encryptAddDecrypt(scheme, 10);
  const before = watched.memoryBytes();
  const leaked = Array.from({ length: 500 }, () => scheme.sum());
  const { publicKey } = scheme.generateKeys();
  using encryptor = scheme.encryptor(publicKey);
  const ciphertext = encryptor.encrypt(Uint32Array.of(1));
  for (const sum of leaked) sum.add(ciphertext);
  expect(watched.memoryBytes()).toBeGreaterThan(before);
  for (const sum of leaked) sum[Symbol.dispose]();
});
