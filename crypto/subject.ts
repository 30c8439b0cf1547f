// Who a question is about, without saying so. A tag is HMAC-SHA-256 of a normalised identifier under K_subject
// (authority and nodes hold it, the gateway does not); a token's `sub` is the tag under AES-256-GCM with a fresh
// nonce, so two tokens for one person cannot be linked by the gateway. DESIGN §3 "Subject references".
// No network, no clock; randomness is passed in.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { WjfError } from "../core/errors.ts";
import type { SubjectTag } from "../core/ids.ts";
import { type Random, systemRandom } from "../core/random.ts";

/** What is tagged. `msisdn` and `cn-id` can be a token's subject; the others only compare claims at a node. */
export type TagKind = "msisdn" | "cn-id" | "name" | "app" | "domain" | "keyword";

/** E.164 without spaces: `+86` and 11 digits. @throws WjfError `request-malformed`. */
export function normaliseMsisdn(input: string): string {
  const digits = input.replace(/[\s-]/g, "").replace(/^(\+86|0086|86(?=1\d{10}$))/, "");
  if (!/^1[3-9]\d{9}$/.test(digits)) {
    throw new WjfError(
      "request-malformed",
      "phone number: a mainland mobile number, +86 and 11 digits",
    );
  }
  return `+86${digits}`;
}

/** GB 11643-1999: 17 digits and an ISO 7064 MOD 11-2 check character. @throws WjfError `request-malformed`. */
export function normaliseCnId(input: string): string {
  const id = input.trim().toUpperCase();
  if (!/^\d{17}[\dX]$/.test(id) || cnIdCheckCharacter(id.slice(0, 17)) !== id[17]) {
    throw new WjfError(
      "request-malformed",
      "ID number: 18 characters with a valid check character",
    );
  }
  return id;
}

/** The check character for the first 17 digits (ISO 7064:1983 MOD 11-2). */
export function cnIdCheckCharacter(first17: string): string {
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += Number(first17[i]) * (2 ** (17 - i) % 11);
  return "10X98765432"[sum % 11] as string;
}

/** Names compare after Unicode NFKC, without spaces and middle dots, in lower case. */
export function normaliseName(input: string): string {
  return input
    .normalize("NFKC")
    .replace(/[\s·•.]/g, "")
    .toLowerCase();
}

/** tag = HMAC-SHA-256(K_subject, kind ":" value), 32 bytes. The value must already be normalised. */
export function subjectTag(subjectKey: Buffer, kind: TagKind, value: string): SubjectTag {
  return createHmac("sha256", subjectKey).update(`${kind}:${value}`).digest() as SubjectTag;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 32;
const SUB_BYTES = 4 + NONCE_BYTES + TAG_BYTES + 16;

/** Deriving K_epoch takes as long as opening a subject with it, and subjects of one time are of one epoch. */
const derived = new WeakMap<Buffer, { readonly epoch: number; readonly key: Buffer }>();

/** K_epoch for one key epoch: HKDF-SHA-256 of the master, so that one file serves every epoch. */
function epochKey(masterKey: Buffer, epoch: number): Buffer {
  const last = derived.get(masterKey);
  if (last?.epoch === epoch) return last.key;
  const key = Buffer.from(hkdfSync("sha256", masterKey, "", `weijifen/sub/${epoch}`, 32));
  derived.set(masterKey, { epoch, key });
  return key;
}

/** An opaque `sub`: base64url(epoch ‖ nonce ‖ AES-256-GCM(K_epoch, tag; AAD = token id) ‖ GCM tag). */
export function sealSubject(
  masterKey: Buffer,
  epoch: number,
  tag: SubjectTag,
  tokenId: string,
  random: Random = systemRandom,
): string {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", epochKey(masterKey, epoch), nonce);
  cipher.setAAD(Buffer.from(tokenId));
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(epoch);
  const sealed = Buffer.concat([cipher.update(tag), cipher.final()]);
  return Buffer.concat([prefix, nonce, sealed, cipher.getAuthTag()]).toString("base64url");
}

/** @throws WjfError `token-claims` when the subject was not sealed under this key for this token id. */
export function openSubject(masterKey: Buffer, sub: string, tokenId: string): SubjectTag {
  const bytes = Buffer.from(sub, "base64url");
  if (bytes.length !== SUB_BYTES) throw new WjfError("token-claims", "sub: wrong length");
  const decipher = createDecipheriv(
    "aes-256-gcm",
    epochKey(masterKey, bytes.readUInt32BE(0)),
    bytes.subarray(4, 4 + NONCE_BYTES),
  );
  decipher.setAAD(Buffer.from(tokenId));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    const opened = decipher.update(bytes.subarray(4 + NONCE_BYTES, -16));
    return Buffer.concat([opened, decipher.final()]) as SubjectTag;
  } catch (cause) {
    throw new WjfError("token-claims", "sub: does not open", { cause });
  }
}
