// Seeded randomness for the sandbox: AES-256-CTR keystreams, one per (purpose, owner), so that a person or a pair
// of contacts can be generated again, alone and in any order, with the same outcome. Never for keys or nonces.
import { createCipheriv, createHash } from "node:crypto";
import type { Random } from "../../core/random.ts";

const BLOCK_BYTES = 2048;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export class Keystream implements Random {
  readonly #cipher;
  #block = ZEROS;
  #at = BLOCK_BYTES;

  constructor(key: Buffer, purpose: number, a: number, b = 0) {
    // The counter's low 32 bits stay zero: no stream is long enough to run into its neighbour.
    const iv = Buffer.alloc(16);
    iv.writeUInt8(purpose, 0);
    iv.writeUIntBE(a, 1, 5);
    iv.writeUIntBE(b, 6, 5);
    this.#cipher = createCipheriv("aes-256-ctr", key, iv);
  }

  #take(length: number): number {
    if (this.#at + length > BLOCK_BYTES) {
      this.#block = this.#cipher.update(ZEROS);
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += length;
    return start;
  }

  bytes(length: number): Buffer {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= BLOCK_BYTES) {
      const size = Math.min(left, BLOCK_BYTES);
      const start = this.#take(size);
      parts.push(Buffer.from(this.#block.subarray(start, start + size)));
    }
    return Buffer.concat(parts);
  }

  unit(): number {
    const start = this.#take(4);
    return this.#block.readUInt32LE(start) / 2 ** 32;
  }

  /** Uniform whole number in [low, high]. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.unit() * choices.length)] as T;
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit());
  }
}

/** The key of one sandbox: everything in it follows from the seed. */
export function sandboxKey(seed: number | string): Buffer {
  return createHash("sha256").update(`weijifen/sandbox/${seed}`).digest();
}
