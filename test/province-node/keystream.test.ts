// The sandbox's randomness: numbers of a stream against the stream's own bytes, and against AES-256-CTR worked out here. Failure: a
// number that the stream does not have (an old block's, or none's), a stream that repeats itself or another.
import { createCipheriv } from "node:crypto";
import { expect, test } from "vitest";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";

const key = sandboxKey("keystream");
const BLOCK_BYTES = 2048;
/** Of four blocks. */
const DRAWS = BLOCK_BYTES;

function drawn(a = 5, b = 0): number[] {
  const random = new Keystream(key, 3, a, b);
  return Array.from({ length: DRAWS }, () => random.unit());
}

/** The words of AES-256-CTR from the nonce that says purpose and owner. */
function words(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i) / 2 ** 32);
}

test("numbers are the stream's words in order, from the first and across blocks", () => {
  const nonce = Buffer.from("03".concat("0000000005", "0000000000", "0000000000"), "hex");
  const stream = createCipheriv("aes-256-ctr", key, nonce).update(Buffer.alloc(4 * DRAWS));
  expect(drawn()).toEqual(words(stream));
  expect(new Keystream(key, 3, 5).bytes(4 * DRAWS)).toEqual(stream);
});

test("a stream is its owner's alone, and what follows bytes that filled a block is new", () => {
  const all = [drawn(), drawn(6), drawn(5, 1)].flat();
  // Of 6,144 words of 32 bits two are equal once in 230 streams; these are fixed.
  expect(new Set(all).size).toBe(all.length);
  const random = new Keystream(key, 3, 5);
  random.bytes(BLOCK_BYTES);
  expect(random.unit()).toBe(drawn()[BLOCK_BYTES / 4]);
});
