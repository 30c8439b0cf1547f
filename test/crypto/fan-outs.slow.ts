// Must hold for a thousand fan-outs over 2, 3 and 31 nodes, each through the real cryptography: masked, encrypted,
// added, decrypted, exact. The quick suite does 125 of them (partials.test.ts).
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { openDecryptor } from "../../crypto/decrypt.ts";
import { SealScheme } from "../../crypto/index.ts";
import {
  describeFanOut,
  FULL_WIDTH,
  makeNodes,
  MODULUS as t,
  partialsLike,
  replyOf,
  someOf,
} from "./masked-fan-out.ts";
import { sumModulo } from "./slot-vectors.ts";

test("1,000 random fan-outs over 2, 3 and 31 nodes are exact", async () => {
  using scheme = await SealScheme.create();
  const { publicKey, secretKey } = scheme.generateKeys();
  using encryptor = scheme.encryptor(publicKey);
  using decryptor = openDecryptor(scheme, secretKey);
  const nodes = makeNodes(31);
  for (let round = 0; round < 1000; round++) {
    const size = [2, 3, 31][round % 3] as number;
    const some = someOf(nodes.codes, size);
    const digested = describeFanOut(nodes, some, randomInt(1, FULL_WIDTH));
    const partials = some.map(() => partialsLike(digested.slotsUsed, randomInt(3) === 0));
    using sum = scheme.sum();
    for (const [i, code] of some.entries()) {
      sum.add(replyOf(nodes, code, partials[i] as Uint32Array, digested, encryptor).ciphertext);
    }
    const opened = decryptor.decrypt(sum.finish()).subarray(0, digested.slotsUsed);
    expect(opened[0]).toBe(size);
    expect(opened.subarray(1)).toEqual(sumModulo(partials, t).subarray(1));
  }
});
