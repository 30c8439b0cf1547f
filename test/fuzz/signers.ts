// Keys of every party and what they sign, for inputs whose fault lies behind a good signature.
import { type KeyObject, sign } from "node:crypto";
import { sha256Base64url } from "../../core/canonical.ts";
import { ManualClock } from "../../core/clock.ts";
import {
  generateP256,
  importPrivate,
  importPublic,
  type PrivateP256Jwk,
  publicP256,
  sealSubject,
  subjectTag,
  thumbprint,
} from "../../crypto/index.ts";
import type { RequestRules } from "../../consent/verifier.ts";

export const NOW_S = 1_795_000_000;
export const clock = new ManualClock(NOW_S * 1000);
export const ISSUER = "https://authority.example";
export const AUDIENCE = "https://gateway.example";
export const STATUS_URI = `${ISSUER}/status-lists/0`;
export const PRODUCTS = ["identity-verification@1", "credit-score@1"];
export const SUBJECT_KEY = Buffer.alloc(32, 7);
export const MASTER_KEY = Buffer.alloc(32, 9);

export interface Signer {
  readonly jwk: PrivateP256Jwk;
  readonly private: KeyObject;
  readonly public: KeyObject;
}

export function signer(use: "sig" | "enc" = "sig"): Signer {
  const jwk = generateP256(use);
  return { jwk, private: importPrivate(jwk), public: importPublic(publicP256(jwk)) };
}

/** The authority's root, its token key, and an institution's. */
export const root = signer();
export const tokenSigner = signer();
export const institution = signer();

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value) ?? "").toString("base64url");
}

/** A JWS compact of any header and payload, signed well. */
export function compact(header: unknown, payload: unknown, { private: key }: Signer): string {
  const input = `${part(header)}.${part(payload)}`;
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

export const tokenKeys = new Map([[tokenSigner.jwk.kid as string, tokenSigner.public]]);

export const requestRules: RequestRules = {
  issuer: ISSUER,
  audience: AUDIENCE,
  tokenKeys,
  url: `${AUDIENCE}/v1/queries`,
  maxProofAgeS: 60,
  isProduct: (product) => PRODUCTS.includes(product),
};

export const TOKEN_HEADER = { alg: "ES256", typ: "at+jwt", kid: tokenSigner.jwk.kid };

const jti = "0b7e1c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11";
const tag = subjectTag(SUBJECT_KEY, "msisdn", "+8613812345678");

/** All but its actions. */
export const TERMS = {
  type: "weijifen_query",
  fetch: "PERIODIC",
  frequency: { unit: "DAY", value: 5 },
  max_uses: 100,
  result: "score",
  retention: { unit: "DAY", value: 30 },
  term: { unit: "DAY", value: 90 },
};

export const TOKEN_CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  client_id: "demo-bank",
  sub: sealSubject(MASTER_KEY, 1, tag, jti),
  jti,
  iat: NOW_S,
  nbf: NOW_S,
  exp: NOW_S + 3600,
  cnf: { jkt: thumbprint(institution.jwk) },
  scope: ["dpv:CreditChecking", ...PRODUCTS].join(" "),
  authorization_details: [{ ...TERMS, actions: PRODUCTS }],
  recipient: "Demo Bank",
  notice: { uri: `${ISSUER}/notices/1`, version: "1", sha256: sha256Base64url("notice") },
  collection: {
    method: "sms-code",
    time: new Date(NOW_S * 1000).toISOString(),
    evidence_hash: sha256Base64url("evidence"),
  },
  grant_id: "6c1f5f0d6f4b4f0f8a86c2f3d7e0a911",
  status: { status_list: { idx: 7, uri: STATUS_URI } },
};

export const TOKEN = compact(TOKEN_HEADER, TOKEN_CLAIMS, tokenSigner);

const { kty, crv, x, y } = institution.jwk;
export const PROOF_HEADER = { alg: "ES256", typ: "dpop+jwt", jwk: { kty, crv, x, y } };

export function proofClaims(token: string, body: string, more: object = {}) {
  return {
    jti: "a2c1d7f0-2f7b-4d63-b1f0-0c8d9a3f5e22",
    htm: "POST",
    htu: requestRules.url,
    iat: NOW_S,
    ath: sha256Base64url(token),
    "camara:bh": sha256Base64url(body),
    ...more,
  };
}

export function proofFor(token: string, body: string): string {
  return compact(PROOF_HEADER, proofClaims(token, body), institution);
}
