// What serialised ciphertexts and public keys look like: all that is decided about foreign bytes before SEAL's loader sees them
// (DESIGN §3 "Untrusted ciphertexts"). Pure; no WebAssembly.
import { WjfError } from "../core/errors.ts";

/**
 * What all serialised objects of one kind and of the same parameters have in common: their length, what precedes the
 * coefficients (SEAL header, parms id, form, size, degree, scale, array header), and that each coefficient is below its prime.
 * Whatever differs must not reach SEAL's loader: a changed header is enough to have it inflate bytes to gigabytes, and what it
 * refuses by throwing ends, after some thousands, the whole module (docs/decisions/080-fuzzing.md).
 */
export class SerialForm {
  readonly bytes: number;
  readonly #prefix: Uint8Array;
  readonly #primes: readonly { readonly high: number; readonly low: number }[];
  readonly #degree: number;

  /** @param primes one for each residue; an object is two polynomials of `degree` coefficients for each of them. */
  constructor(model: Uint8Array, primes: readonly bigint[], degree: number) {
    this.bytes = model.length;
    this.#prefix = model.slice(0, model.length - 2 * 8 * degree * primes.length);
    this.#primes = primes.map((q) => ({ high: Number(q >> 32n), low: Number(q & 0xffffffffn) }));
    this.#degree = degree;
  }

  /** @throws WjfError `ciphertext-invalid`. */
  require(bytes: Uint8Array): void {
    if (bytes.length !== this.bytes) throw new WjfError("ciphertext-invalid", "length");
    for (let i = 0; i < this.#prefix.length; i++) {
      if (bytes[i] !== this.#prefix[i]) throw new WjfError("ciphertext-invalid", "header");
    }
    // A copy, because the coefficients are not aligned where they are; little-endian, as SEAL and every Node are.
    const words = new Uint32Array(plainBytes(bytes).slice(this.#prefix.length).buffer);
    const block = 2 * this.#degree;
    for (let from = 0, i = 0; from < words.length; from += block, i++) {
      const { high, low } = this.#primes[i % this.#primes.length] as { high: number; low: number };
      for (let at = from; at < from + block; at += 2) {
        const upper = words[at + 1] as number;
        if (upper < high || (upper === high && (words[at] as number) < low)) continue;
        throw new WjfError("ciphertext-invalid", "coefficients");
      }
    }
  }
}

/** The WASM binding takes a Uint8Array itself, not a subclass of it; this is a view, not a copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
