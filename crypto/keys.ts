// Key pairs of the parties as JWKs: ES256 for signatures, X25519 for masks, ECDH-ES P-256 for sealing.
// Generation and import only; files are core/secret-file.ts's business.
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";

const Base64url = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/);

interface P256Point {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

type X25519Point = Omit<P256Point, "y">;

export const NO_POINT = "a point of P-256";

/** Whether a key's numbers are a key's: what has been parsed can be used. */
export function isP256(jwk: P256Point): boolean {
  return works(() => importPublic(jwk));
}

function works(use: () => unknown): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}

const probe = generateKeyPairSync("x25519").privateKey;

/** Throws for a point of small order, whose secret would be the same with everybody. */
function agree({ kty, crv, x }: X25519Point): Buffer {
  const publicKey = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  return diffieHellman({ privateKey: probe, publicKey });
}

/** A public P-256 key (RFC 7518 §6.2). Private members are refused, so that one can never be published by mistake. */
export const PublicP256Jwk = z
  .strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: Base64url,
    y: Base64url,
    kid: z.string().max(128).optional(),
    alg: z.enum(["ES256", "ECDH-ES"]).optional(),
    use: z.enum(["sig", "enc"]).optional(),
  })
  .refine(isP256, NO_POINT);
export type PublicP256Jwk = z.infer<typeof PublicP256Jwk>;

/** A public X25519 key (RFC 8037 §2), of a point that two parties can agree on a secret with (RFC 7748 §6.1). */
export const PublicX25519Jwk = z
  .strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("X25519"),
    x: Base64url,
  })
  .refine((jwk) => works(() => agree(jwk)), "a point that X25519 agrees on a secret with");
export type PublicX25519Jwk = z.infer<typeof PublicX25519Jwk>;

export const PrivateP256Jwk = PublicP256Jwk.safeExtend({ d: Base64url }).refine(
  (jwk) => works(() => importPrivate(jwk)),
  NO_POINT,
);
export type PrivateP256Jwk = z.infer<typeof PrivateP256Jwk>;

export const PrivateX25519Jwk = PublicX25519Jwk.safeExtend({ d: Base64url }).refine(
  ({ kty, crv, x, d }) => works(() => createPrivateKey({ key: { kty, crv, x, d }, format: "jwk" })),
  "an X25519 key",
);
export type PrivateX25519Jwk = z.infer<typeof PrivateX25519Jwk>;

/** RFC 7638 SHA-256 thumbprint of a P-256 key. */
export function thumbprint(jwk: Pick<PublicP256Jwk, "x" | "y">): string {
  return sha256Base64url(JSON.stringify({ crv: "P-256", kty: "EC", x: jwk.x, y: jwk.y }));
}

/** A fresh P-256 key pair whose `kid` is its thumbprint. */
export function generateP256(use: "sig" | "enc"): PrivateP256Jwk {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = PrivateP256Jwk.parse(privateKey.export({ format: "jwk" }));
  return { ...jwk, kid: thumbprint(jwk), alg: use === "sig" ? "ES256" : "ECDH-ES", use };
}

export function generateX25519(): PrivateX25519Jwk {
  const { privateKey } = generateKeyPairSync("x25519");
  return PrivateX25519Jwk.parse(privateKey.export({ format: "jwk" }));
}

/** The public half, without any private member. */
export function publicP256({ d: _d, ...rest }: PrivateP256Jwk): PublicP256Jwk {
  return rest;
}

export function publicX25519({ d: _d, ...rest }: PrivateX25519Jwk): PublicX25519Jwk {
  return rest;
}

export function importPrivate(jwk: P256Point & { readonly d: string }): KeyObject {
  const { kty, crv, x, y, d } = jwk;
  return createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" });
}

export function importPublic(jwk: P256Point): KeyObject {
  const { kty, crv, x, y } = jwk;
  return createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
}

export function importX25519(jwk: X25519Point & { readonly d?: string }): KeyObject {
  const { kty, crv, x, d } = jwk;
  if (d === undefined) return createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  return createPrivateKey({ key: { kty, crv, x, d }, format: "jwk" });
}
