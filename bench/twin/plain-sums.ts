// The plaintext twin for comparisons: the same federation with encryption and masks swapped for plain sums, made as cheap
// as an honest plaintext system would be: only the slots in use travel. It protects nothing; bench/ and test/ only.
import { randomBytes } from "node:crypto";
import { HE_PARAMETERS, type HeDecryptor, type HeScheme, type HeSum } from "../../crypto/index.ts";
import type { NodeCrypto } from "../../province-node/start.ts";

function words(bytes: Uint8Array): Uint32Array {
  // A copy: bytes from the wire need not be aligned.
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}

class PlainSum implements HeSum {
  #total: Uint32Array | undefined;

  add(bytes: Uint8Array): void {
    const part = words(bytes);
    const total = (this.#total ??= new Uint32Array(part.length));
    for (let i = 0; i < part.length; i++) total[i] = (total[i] as number) + (part[i] as number);
  }

  finish(): Uint8Array {
    const total = this.#total ?? new Uint32Array(0);
    return new Uint8Array(total.buffer);
  }

  [Symbol.dispose](): void {}
}

const plainSums: HeScheme = {
  parameters: HE_PARAMETERS,
  slotCount: HE_PARAMETERS.polyModulusDegree,
  ciphertextBytes: 0,
  generateKeys: () => ({ publicKey: randomBytes(32), secretKey: randomBytes(32) }),
  encryptor: () => ({
    encrypt: (slots) => new Uint8Array(Uint32Array.from(slots).buffer),
    prepare: () => false,
    [Symbol.dispose]: () => undefined,
  }),
  sum: () => new PlainSum(),
  [Symbol.dispose]: () => undefined,
};

export async function createPlainSums(): Promise<HeScheme> {
  return plainSums;
}

export function openPlainSums(): HeDecryptor {
  return { decrypt: words, [Symbol.dispose]: () => undefined };
}

export const plainNode: NodeCrypto = {
  createScheme: createPlainSums,
  createMasks: () => () => ({ apply: () => undefined }),
};
