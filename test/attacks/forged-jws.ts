// JWSs as no library would write them: any header, any payload, any signature.
import { createHmac, type KeyObject, sign } from "node:crypto";

/** The order of P-256 (SEC 2 §2.4.2). */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export function encode(part: unknown): string {
  const text = typeof part === "string" ? part : JSON.stringify(part);
  return Buffer.from(text).toString("base64url");
}

export function signedWith(
  key: KeyObject,
  header: unknown,
  payload: unknown,
  hash: "sha256" | "sha384" | "sha512" | null = "sha256",
): string {
  const input = `${encode(header)}.${encode(payload)}`;
  const signature = sign(hash, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

export function macWith(secret: string | Buffer, header: unknown, payload: unknown): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** The same JWS with another signature. */
export function resigned(jws: string, signature: Buffer | string): string {
  const text = typeof signature === "string" ? signature : signature.toString("base64url");
  return `${jws.slice(0, jws.lastIndexOf("."))}.${text}`;
}

function signatureOf(jws: string): Buffer {
  return Buffer.from(jws.slice(jws.lastIndexOf(".") + 1), "base64url");
}

function scalar(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex");
}

export function rs(r: bigint, s: bigint): Buffer {
  return Buffer.concat([scalar(r), scalar(s)]);
}

/** As valid as the first, and made without the key: (r, n − s). */
export function secondSignature(jws: string): string {
  const signature = signatureOf(jws);
  const s = BigInt(`0x${signature.toString("hex", 32)}`);
  return resigned(jws, Buffer.concat([signature.subarray(0, 32), scalar(P256_ORDER - s)]));
}

/** ASN.1 DER, as X.509 writes it and JWS does not. */
export function derSignature(jws: string): string {
  const integer = (bytes: Buffer): Buffer => {
    const padded = (bytes[0] as number) > 127 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
    return Buffer.concat([Buffer.of(2, padded.length), padded]);
  };
  const signature = signatureOf(jws);
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return resigned(jws, Buffer.concat([Buffer.of(0x30, body.length), body]));
}

/** The same bytes in another text: the four bits that 64 bytes leave over in base64url. */
export function leftOverBits(jws: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(jws.at(-1) as string);
  return `${jws.slice(0, -1)}${alphabet[last + 1]}`;
}
