// The keys that sign consent tokens and status lists (ES256), and their rotation. A new key is published one rotation
// before it signs, so that no verifier meets a key it has not had the time to fetch; an old one stays published until
// the last token it signed is over. The file is a secret file (core/secret-file.ts).
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";
import { isP256, NO_POINT } from "../../crypto/index.ts";

const PrivateJwk = z
  .strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: z.string(),
    y: z.string(),
    d: z.string(),
    kid: z.string().min(1),
  })
  .refine(isP256, NO_POINT);
type PrivateJwk = z.infer<typeof PrivateJwk>;

/** Signs now; signs next; and those that have signed, newest first. */
export const SigningKeySet = z.strictObject({
  current: PrivateJwk,
  next: PrivateJwk,
  retired: z.array(z.strictObject({ jwk: PrivateJwk, retired_at: z.int() })),
});
export type SigningKeySet = z.infer<typeof SigningKeySet>;

export interface PublicTokenKey extends JWK {
  readonly kty: "EC";
  readonly crv: "P-256";
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "ES256";
}

async function generate(): Promise<PrivateJwk> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = privateKey.export({ format: "jwk" }) as Omit<PrivateJwk, "kid">;
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}

export async function createSigningKeys(): Promise<SigningKeySet> {
  return { current: await generate(), next: await generate(), retired: [] };
}

/** @param keepMs how long a retired key stays published: at least the longest term of a consent. */
export async function rotateSigningKeys(
  keys: SigningKeySet,
  clock: Clock,
  keepMs: number,
): Promise<SigningKeySet> {
  const now = clock.nowMs();
  const retired = [{ jwk: keys.current, retired_at: now }, ...keys.retired];
  return {
    current: keys.next,
    next: await generate(),
    retired: retired.filter(({ retired_at }) => retired_at + keepMs > now),
  };
}

export function loadSigningKeys(path: string): SigningKeySet {
  const text = readSecretFile(path).toString("utf8");
  return parseJsonWith(SigningKeySet, text, "secret-missing", "token signing keys");
}

export function saveSigningKeys(path: string, keys: SigningKeySet): void {
  writeSecretFile(path, JSON.stringify(keys));
}

/** Current first, so that the provider signs with it. */
function allKeys(keys: SigningKeySet): PrivateJwk[] {
  return [keys.current, keys.next, ...keys.retired.map(({ jwk }) => jwk)];
}

/** For the OpenID provider, which publishes the public halves at its JWKS endpoint. */
export function providerJwks(keys: SigningKeySet): { keys: JWK[] } {
  return { keys: allKeys(keys).map((jwk) => ({ ...jwk, use: "sig", alg: "ES256" })) };
}

/** The public halves, as the JWKS endpoint and the roster's `token_keys` name them. */
export function publicTokenKeys(keys: SigningKeySet): PublicTokenKey[] {
  return allKeys(keys).map(({ kty, crv, x, y, kid }) => ({
    kty,
    crv,
    x,
    y,
    kid,
    use: "sig",
    alg: "ES256",
  }));
}

/** The same, ready to verify with. */
export function tokenKeyObjects(keys: SigningKeySet): Map<string, KeyObject> {
  const entries = publicTokenKeys(keys).map((jwk) => {
    const { kty, crv, x, y, kid } = jwk;
    return [kid, createPublicKey({ key: { kty, crv, x, y }, format: "jwk" })] as const;
  });
  return new Map(entries);
}

export function currentSigningKey(keys: SigningKeySet): { kid: string; privateKey: KeyObject } {
  const { kid, kty, crv, x, y, d } = keys.current;
  try {
    return { kid, privateKey: createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" }) };
  } catch (cause) {
    throw new WjfError("secret-missing", "token signing keys: not a P-256 key", { cause });
  }
}
