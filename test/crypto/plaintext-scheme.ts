// The plaintext twin of the homomorphic scheme: the same interface and the same refusals with no cryptography at all.
// What holds for both is protocol; what the real one costs beyond this one is the price of encryption. Only test/ and
// bench/ may use it: whoever holds one of its "ciphertexts" reads everything.
import { randomBytes } from "node:crypto";
import { WjfError } from "../../core/errors.ts";
import {
  HE_PARAMETERS,
  type Ciphertext,
  type HeDecryptor,
  type HeEncryptor,
  type HeKeyPair,
  type HeScheme,
  type HeSum,
} from "../../crypto/he-scheme.ts";

const MAGIC = Buffer.from("weijifen/plain-1");
const KEY_BYTES = 32;
const SLOT_BYTES = 4;
const { polyModulusDegree: SLOTS, plainModulus: T } = HE_PARAMETERS;

export class PlaintextScheme implements HeScheme {
  readonly parameters = HE_PARAMETERS;
  readonly slotCount = SLOTS;
  readonly ciphertextBytes = MAGIC.length + SLOTS * SLOT_BYTES;

  static async create(): Promise<PlaintextScheme> {
    return new PlaintextScheme();
  }

  /** The keys open nothing, there being nothing closed; they only have a form. */
  generateKeys(): HeKeyPair {
    return { publicKey: randomBytes(KEY_BYTES), secretKey: randomBytes(KEY_BYTES) };
  }

  encryptor(publicKey: Uint8Array): HeEncryptor {
    if (publicKey.length !== KEY_BYTES) throw new WjfError("ciphertext-invalid", "public key");
    return new PlaintextEncryptor();
  }

  sum(): HeSum {
    return new PlaintextSum();
  }

  [Symbol.dispose](): void {}
}

class PlaintextEncryptor implements HeEncryptor {
  encrypt(slots: Uint32Array): Ciphertext {
    if (slots.length > SLOTS) throw new RangeError("more values than slots");
    if (slots.some((value) => value >= T)) throw new RangeError("slot value not below t");
    return write(slots);
  }

  prepare(): boolean {
    return false;
  }

  [Symbol.dispose](): void {}
}

class PlaintextSum implements HeSum {
  readonly #total = new Uint32Array(SLOTS);
  #count = 0;

  add(ciphertext: Uint8Array): void {
    const slots = readChecked(ciphertext);
    for (let i = 0; i < SLOTS; i++) {
      this.#total[i] = ((this.#total[i] as number) + (slots[i] as number)) % T;
    }
    this.#count++;
  }

  finish(): Ciphertext {
    if (this.#count === 0) throw new RangeError("a sum of nothing");
    return write(this.#total);
  }

  [Symbol.dispose](): void {}
}

/** @throws WjfError `secret-missing` when the bytes are no secret key of this scheme. */
export function openPlaintextDecryptor(_scheme: HeScheme, secretKey: Uint8Array): HeDecryptor {
  if (secretKey.length !== KEY_BYTES) {
    throw new WjfError("secret-missing", "the homomorphic secret key does not load");
  }
  return { decrypt: readChecked, [Symbol.dispose]: () => undefined };
}

function write(slots: Uint32Array): Buffer {
  const bytes = Buffer.alloc(MAGIC.length + SLOTS * SLOT_BYTES);
  MAGIC.copy(bytes);
  for (const [i, value] of slots.entries()) {
    bytes.writeUInt32LE(value, MAGIC.length + i * SLOT_BYTES);
  }
  return bytes;
}

/** @throws WjfError `ciphertext-invalid`: length, header, or a value that is no residue. */
function readChecked(bytes: Uint8Array): Uint32Array {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length !== MAGIC.length + SLOTS * SLOT_BYTES) {
    throw new WjfError("ciphertext-invalid", "length");
  }
  if (!data.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new WjfError("ciphertext-invalid", "header");
  }
  const slots = Uint32Array.from({ length: SLOTS }, (_, i) =>
    data.readUInt32LE(MAGIC.length + i * SLOT_BYTES),
  );
  if (slots.some((value) => value >= T)) throw new WjfError("ciphertext-invalid", "coefficients");
  return slots;
}
