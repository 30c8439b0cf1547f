// Decryption of an aggregate. THE privilege of the system: only consent/release/ may import this file, and
// test/tidy.test.ts holds that. There is no call here that tells anything about noise.
import type { Ciphertext, Decryptor, Plaintext, SecretKey } from "node-seal";
import { WjfError } from "../core/errors.ts";
import type { HeDecryptor } from "./he-scheme.ts";
import type { SealScheme } from "./seal-scheme.ts";
import { plainBytes } from "./serial-form.ts";
import type { TrainingScheme } from "./training-scheme.ts";

class SealDecryptor implements HeDecryptor {
  readonly #scheme: SealScheme;
  readonly #secretKey: SecretKey;
  readonly #decryptor: Decryptor;
  readonly #cipher: Ciphertext;
  readonly #plain: Plaintext;

  constructor(scheme: SealScheme, secretKey: Uint8Array) {
    const { seal, context } = scheme;
    this.#scheme = scheme;
    this.#secretKey = new seal.SecretKey();
    try {
      this.#secretKey.loadFromArray(context, plainBytes(secretKey));
    } catch {
      this.#secretKey.delete();
      throw new WjfError("secret-missing", "the homomorphic secret key does not load");
    }
    this.#decryptor = new seal.Decryptor(context, this.#secretKey);
    this.#cipher = new seal.Ciphertext(context);
    this.#plain = new seal.Plaintext();
  }

  decrypt(ciphertext: Uint8Array): Uint32Array {
    this.#scheme.loadChecked(ciphertext, this.#cipher);
    this.#decryptor.decrypt(this.#cipher, this.#plain);
    const wide: BigUint64Array = this.#scheme.encoder.decodeBigUint64(this.#plain);
    return Uint32Array.from(wide, Number);
  }

  [Symbol.dispose](): void {
    this.#plain.delete();
    this.#cipher.delete();
    this.#decryptor.delete();
    this.#secretKey.delete();
  }
}

/** @throws WjfError `secret-missing` when the bytes are no secret key of this scheme. */
export function openDecryptor(scheme: SealScheme, secretKey: Uint8Array): HeDecryptor {
  return new SealDecryptor(scheme, secretKey);
}

/** Opens merged sums of a training round: residues modulo the training scheme's t, as doubles. */
export interface TrainingDecryptor extends Disposable {
  /** @throws WjfError `ciphertext-invalid`. */
  decrypt(ciphertext: Uint8Array): Float64Array;
}

/** @throws WjfError `secret-missing` when the bytes are no secret key of this scheme. */
export function openTrainingDecryptor(
  scheme: TrainingScheme,
  secretKey: Uint8Array,
): TrainingDecryptor {
  const { seal, context, encoder } = scheme;
  const secret = new seal.SecretKey();
  try {
    secret.loadFromArray(context, plainBytes(secretKey));
  } catch {
    secret.delete();
    throw new WjfError("secret-missing", "the training secret key does not load");
  }
  const decryptor = new seal.Decryptor(context, secret);
  return {
    decrypt(ciphertext) {
      using cipher = scheme.loadChecked(ciphertext);
      using plain = new seal.Plaintext();
      decryptor.decrypt(cipher, plain);
      return Float64Array.from(encoder.decodeBigUint64(plain) as BigUint64Array, Number);
    },
    [Symbol.dispose]() {
      decryptor.delete();
      secret.delete();
    },
  };
}
