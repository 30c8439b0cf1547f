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
  readonly #firstPrime: bigint;
  readonly #secondHalf: number;
  readonly #primes: readonly { readonly high: number; readonly low: number }[];
  readonly #degree: number;

  /** @param primes one for each residue; an object is two polynomials of `degree` coefficients for each of them. */
  constructor(model: Uint8Array, primes: readonly bigint[], degree: number) {
    this.bytes = model.length;
    this.#secondHalf = model.length - 8 * degree * primes.length;
    this.#prefix = model.slice(0, model.length - 2 * 8 * degree * primes.length);
    this.#firstPrime = primes[0] as bigint;
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

  /** For ciphertexts of this form that are to be added up. */
  opaqueSum(): OpaqueSum {
    return new OpaqueSum(this.#secondHalf, this.#firstPrime);
  }
}

/**
 * Sees before SEAL does whether a sum becomes transparent: ciphertexts that are made to cancel, for which SEAL throws; some hundreds of
 * throws end the module. It looks at the first coefficients of the second polynomial, by the first prime: of an honest sum, whose
 * terms are encrypted afresh, all of them are zero once in 2⁴²⁴ sums.
 */
export class OpaqueSum {
  readonly #at: number;
  readonly #prime: bigint;
  readonly #coefficients = new BigUint64Array(8);

  constructor(at: number, prime: bigint) {
    this.#at = at;
    this.#prime = prime;
  }

  /** @param ciphertext of the right form. @throws WjfError `ciphertext-invalid`: not to be added, nor anything after it. */
  add(ciphertext: Uint8Array): void {
    const { buffer, byteOffset } = ciphertext;
    const polynomial = new DataView(buffer, byteOffset + this.#at);
    for (let i = 0; i < this.#coefficients.length; i++) {
      const sum = (this.#coefficients[i] as bigint) + polynomial.getBigUint64(i * 8, true);
      this.#coefficients[i] = sum % this.#prime;
    }
    if (this.#coefficients.every((coefficient) => coefficient === 0n)) {
      throw new WjfError("ciphertext-invalid", "sum is transparent");
    }
  }
}

/** The WASM binding takes a Uint8Array itself, not a subclass of it; this is a view, not a copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
