// Encryption at rest for the consent database: AES-256-GCM under a key derived from the authority's storage key, and
// keyed indices (HMAC-SHA-256) for what must be found again without being readable. The label is bound into both,
// so a value cannot be moved to another column. No database, no clock.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from "node:crypto";
import { WjfError } from "../core/errors.ts";
import { type Random, systemRandom } from "../core/random.ts";

const NONCE_BYTES = 12;
const GCM_TAG_BYTES = 16;

export class AtRest {
  readonly #sealKey: Buffer;
  readonly #indexKey: Buffer;
  readonly #random: Random;

  /** @throws WjfError `config-invalid` unless the storage key is 32 bytes. */
  constructor(storageKey: Buffer, random: Random = systemRandom) {
    if (storageKey.length !== 32) throw new WjfError("config-invalid", "storage key: 32 bytes");
    this.#sealKey = this.#derive(storageKey, "seal");
    this.#indexKey = this.#derive(storageKey, "index");
    this.#random = random;
  }

  #derive(storageKey: Buffer, use: string): Buffer {
    return Buffer.from(hkdfSync("sha256", storageKey, "", `weijifen/consent-at-rest/${use}`, 32));
  }

  /** nonce ‖ ciphertext ‖ tag. */
  seal(label: string, plain: string | Uint8Array): Buffer {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#sealKey, nonce);
    cipher.setAAD(Buffer.from(label));
    const text = typeof plain === "string" ? Buffer.from(plain) : plain;
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws WjfError `internal` when the bytes were not sealed under this key and label. */
  open(label: string, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed);
    try {
      const decipher = createDecipheriv(
        "aes-256-gcm",
        this.#sealKey,
        bytes.subarray(0, NONCE_BYTES),
        { authTagLength: GCM_TAG_BYTES },
      );
      decipher.setAAD(Buffer.from(label));
      decipher.setAuthTag(bytes.subarray(-GCM_TAG_BYTES));
      const opened = decipher.update(bytes.subarray(NONCE_BYTES, -GCM_TAG_BYTES));
      return Buffer.concat([opened, decipher.final()]);
    } catch (cause) {
      throw new WjfError("internal", "sealed column: does not open", { cause });
    }
  }

  /** The same value has the same index under one label, and none that says anything without the key. */
  index(label: string, value: string | Uint8Array): string {
    return createHmac("sha256", this.#indexKey)
      .update(`${label}\0`)
      .update(value)
      .digest("base64url");
  }

  matches(label: string, value: string | Uint8Array, index: string): boolean {
    const expected = Buffer.from(this.index(label, value));
    const given = Buffer.from(index);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }
}
