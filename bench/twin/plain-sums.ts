// The plaintext twin for comparisons: the same federation with encryption and masks swapped for plain sums of as many
// slots, four bytes each. It protects nothing; bench/ and test/ only.
import { randomBytes } from "node:crypto";
import { HE_PARAMETERS, type HeDecryptor, type HeScheme, type HeSum } from "../../crypto/index.ts";
import type { NodeCrypto } from "../../province-node/start.ts";

const SLOTS = HE_PARAMETERS.polyModulusDegree;

function words(bytes: Uint8Array): Uint32Array {
  // A copy: bytes from the wire need not be aligned.
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}

class PlainSum implements HeSum {
  readonly #total = new Uint32Array(SLOTS);

  add(bytes: Uint8Array): void {
    const part = words(bytes);
    for (let i = 0; i < SLOTS; i++) {
      this.#total[i] = (this.#total[i] as number) + (part[i] as number);
    }
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#total.buffer);
  }

  [Symbol.dispose](): void {}
}

const plainSums: HeScheme = {
  parameters: HE_PARAMETERS,
  slotCount: SLOTS,
  ciphertextBytes: SLOTS * Uint32Array.BYTES_PER_ELEMENT,
  generateKeys: () => ({ publicKey: randomBytes(32), secretKey: randomBytes(32) }),
  encryptor: () => ({
    encrypt: (slots) => {
      const whole = new Uint32Array(SLOTS);
      whole.set(slots);
      return new Uint8Array(whole.buffer);
    },
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
