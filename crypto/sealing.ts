// Sealed claims (institution → provinces), sealed answers (authority → institution), and what a training job sends past the
// gateway: JWE compact, ECDH-ES with A256GCM (RFC 7516, RFC 7518 §4.6). The gateway carries them and can open none.
import type { KeyObject } from "node:crypto";
import { compactDecrypt, CompactEncrypt } from "jose";
import { type ErrorCode, WjfError } from "../core/errors.ts";

/** Largest plaintext that is sealed or opened, in bytes. */
export const MAX_SEALED_BYTES = 64 * 1024;

/** What is sealed is filled up to a power of two from here on. */
const MIN_SEALED_BYTES = 1024;

/**
 * Seals a JSON value to a P-256 public key. `typ` separates claims from answers.
 * A JWE is as long as what is in it, and the gateway sees its length: white space after the value, which JSON allows,
 * makes a "yes" as long as an "unknown".
 */
export async function sealJson(
  value: unknown,
  recipient: KeyObject,
  header: { readonly typ: string; readonly kid?: string },
): Promise<string> {
  const text = Buffer.from(JSON.stringify(value));
  if (text.length > MAX_SEALED_BYTES) throw new RangeError("too large to seal");
  const paddedBytes = 2 ** Math.ceil(Math.log2(Math.max(text.length, MIN_SEALED_BYTES)));
  const plaintext = Buffer.alloc(paddedBytes, " ");
  text.copy(plaintext);
  return await new CompactEncrypt(plaintext)
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", ...header })
    .encrypt(recipient);
}

const OPENING = {
  keyManagementAlgorithms: ["ECDH-ES"],
  contentEncryptionAlgorithms: ["A256GCM"],
  // Length must tell nothing, and a short text must not become a long one: `zip` is refused.
  maxDecompressedLength: 0,
};

/** @throws WjfError `code` when it was not sealed to this key, is compressed, or is not JSON. */
export async function openJson(jwe: string, key: KeyObject, code: ErrorCode): Promise<unknown> {
  try {
    const { plaintext } = await compactDecrypt(jwe, key, OPENING);
    if (plaintext.length > MAX_SEALED_BYTES) throw new RangeError("too large");
    return JSON.parse(Buffer.from(plaintext).toString("utf8"));
  } catch (cause) {
    throw new WjfError(code, "does not open", { cause });
  }
}

/** What a sealed message is and belongs to: authenticated with it, so that none can take another's place. */
export interface SealedHeader {
  readonly typ: string;
  readonly [name: string]: string | number;
}

/** Seals bytes to a P-256 or X25519 key, at their own length. */
export async function sealBytes(
  plaintext: Uint8Array,
  recipient: KeyObject,
  header: SealedHeader,
): Promise<string> {
  return await new CompactEncrypt(plaintext)
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", ...header })
    .encrypt(recipient);
}

/**
 * The caller's boundary has bounded the JWE's length.
 * @throws WjfError `code` when it was not sealed to this key under this very header.
 */
export async function openBytes(
  jwe: string,
  key: KeyObject,
  header: SealedHeader,
  code: ErrorCode,
): Promise<Buffer> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, key, OPENING);
    const fits = Object.entries(header).every(([name, value]) => protectedHeader[name] === value);
    if (!fits) throw new TypeError("sealed for something else");
    return Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  } catch (cause) {
    throw new WjfError(code, "does not open", { cause });
  }
}
