// RFC 8785 canonical JSON and its SHA-256: what is signed, hashed or logged is always these bytes.
import { hash } from "node:crypto";
import canonicalize from "canonicalize";

/** The RFC 8785 serialisation of a JSON value. Throws on anything JSON cannot hold (a bug). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return text;
}

export function sha256(data: string | Uint8Array): Buffer {
  return hash("sha256", data, "buffer");
}

export function sha256Hex(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

export function sha256Base64url(data: string | Uint8Array): string {
  return hash("sha256", data, "base64url");
}

/** A UUIDv8 (RFC 9562 §5.8) of the text's SHA-256. */
export function uuid8(text: string): string {
  const bytes = sha256(text).subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
