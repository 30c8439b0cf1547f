// Every way a request can be wrong that is to be refused before anybody is asked, each with its code. The gateway gets
// them over HTTP; the nodes get the same ones from a gateway that forwards them all the same.
import { createHmac, createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { generateP256, importPrivate } from "../../crypto/index.ts";
import type { Bank, GivenConsent } from "./bank.ts";
import type { Federation } from "./federation.ts";

export interface SignedRequest {
  readonly token: string;
  readonly proof: string;
  readonly body: Buffer;
}

export interface BadRequest {
  readonly what: string;
  readonly code: ErrorCode;
  readonly make: (parts: BadRequestParts) => Promise<SignedRequest>;
}

export interface BadRequestParts {
  readonly federation: Federation;
  readonly bank: Bank;
  /** Good in itself, for every product the bank may ask. */
  readonly consent: GivenConsent;
  /** Good in itself, of another person. */
  readonly otherConsent: GivenConsent;
}

export const SCORE = { product: "credit-score@1" };
const nowS = (): number => Math.floor(Date.now() / 1000);

export function withToken(
  bend: (parts: BadRequestParts) => Promise<string> | string,
): BadRequest["make"] {
  return async (parts) => {
    const token = await bend(parts);
    return await parts.bank.sign(parts.consent, SCORE, { token });
  };
}

export function withClaims(claims: Record<string, unknown>): BadRequest["make"] {
  return withToken(({ bank, consent }) => bank.signToken({ ...consent.claims, ...claims }));
}

export function withProof(
  bend: (parts: BadRequestParts) => Parameters<Bank["proof"]>[2],
): BadRequest["make"] {
  return async (parts) => await parts.bank.sign(parts.consent, SCORE, { proof: bend(parts) ?? {} });
}

function withBody(body: object | string): BadRequest["make"] {
  return async ({ bank, consent }) => await bank.sign(consent, body);
}

export const BAD_TOKENS: readonly BadRequest[] = [
  { what: "no JWS", code: "token-malformed", make: withToken(() => "not-a-token") },
  { what: "two parts of a JWS", code: "token-malformed", make: withToken(() => "e30.e30") },
  { what: "expired", code: "token-expired", make: withClaims({ exp: nowS() - 60 }) },
  { what: "not yet valid", code: "token-not-yet-valid", make: withClaims({ nbf: nowS() + 600 }) },
  {
    what: "for another audience",
    code: "token-audience",
    make: withClaims({ aud: "https://other.example" }),
  },
  {
    what: "of another issuer",
    code: "token-issuer",
    make: withClaims({ iss: "https://other.example" }),
  },
  {
    what: "alg none",
    code: "token-algorithm",
    make: withToken(({ consent }) => unsigned({ alg: "none", typ: "at+jwt" }, consent.claims)),
  },
  {
    what: "HS256 with the public key as the secret",
    code: "token-algorithm",
    make: withToken(({ federation, consent }) => macWithPublicKey(federation, consent)),
  },
  {
    what: "a tampered payload",
    code: "token-signature",
    make: withToken(({ consent }) => tamper(consent.token, { client_id: "another-bank" })),
  },
  {
    what: "an unknown kid",
    code: "token-signature",
    make: withToken(({ bank, consent }) =>
      bank.signToken(consent.claims, { header: { kid: "unknown" } }),
    ),
  },
  {
    what: "a stranger's signature under our kid",
    code: "token-signature",
    make: withToken(({ bank, consent }) =>
      bank.signToken(consent.claims, { key: importPrivate(generateP256("sig")) }),
    ),
  },
  {
    what: "another type of token",
    code: "token-claims",
    make: withToken(({ bank, consent }) =>
      bank.signToken(consent.claims, { header: { typ: "JWT" } }),
    ),
  },
  { what: "two purposes", code: "token-claims", make: withClaims({ scope: "dpv:A dpv:B" }) },
  { what: "no key to be bound to", code: "token-claims", make: withClaims({ cnf: undefined }) },
  { what: "no status", code: "token-claims", make: withClaims({ status: undefined }) },
];

export const BAD_PROOFS: readonly BadRequest[] = [
  {
    what: "malformed",
    code: "dpop-malformed",
    make: async (parts) => ({ ...(await parts.bank.sign(parts.consent, SCORE)), proof: "e30.e30" }),
  },
  {
    what: "without a key",
    code: "dpop-malformed",
    make: withProof(() => ({ header: { jwk: undefined } })),
  },
  {
    what: "of another type",
    code: "dpop-malformed",
    make: withProof(() => ({ header: { typ: "JWT" } })),
  },
  {
    what: "without the body's hash",
    code: "dpop-malformed",
    make: withProof(() => ({ claims: { "camara:bh": undefined } })),
  },
  {
    what: "for another body",
    code: "dpop-binding",
    make: async (parts) => ({
      ...(await parts.bank.sign(parts.consent, SCORE)),
      body: Buffer.from(JSON.stringify({ product: "location-verification@1" })),
    }),
  },
  {
    what: "for another token",
    code: "dpop-binding",
    make: async ({ bank, consent, otherConsent }) => ({
      ...(await bank.sign(otherConsent, SCORE)),
      token: consent.token,
    }),
  },
  {
    what: "for another address",
    code: "dpop-binding",
    make: withProof(() => ({ claims: { htu: "https://other.example/v1/queries" } })),
  },
  {
    what: "for another method",
    code: "dpop-binding",
    make: withProof(() => ({ claims: { htm: "GET" } })),
  },
  {
    what: "too old",
    code: "dpop-expired",
    make: withProof(() => ({ claims: { iat: nowS() - 300 } })),
  },
  {
    what: "from the future",
    code: "dpop-expired",
    make: withProof(() => ({ claims: { iat: nowS() + 60 } })),
  },
  {
    what: "with another key",
    code: "dpop-key",
    make: async ({ bank, consent }) => {
      const { privateKey, publicKey } = await generateKeyPair("ES256");
      const jwk = await exportJWK(publicKey);
      return await bank.sign(consent, SCORE, { proof: { header: { jwk }, key: privateKey } });
    },
  },
  {
    what: "with a signature that is another key's",
    code: "dpop-signature",
    make: async ({ bank, consent }) => {
      const { privateKey } = await generateKeyPair("ES256");
      return await bank.sign(consent, SCORE, { proof: { key: privateKey } });
    },
  },
];

export const BAD_BODIES: readonly BadRequest[] = [
  { what: "no JSON", code: "request-malformed", make: withBody("{") },
  { what: "empty", code: "request-malformed", make: withBody("") },
  {
    what: "an unknown field",
    code: "request-malformed",
    make: withBody({ ...SCORE, subject: "+8613800138000" }),
  },
  {
    what: "a query id that is none",
    code: "request-malformed",
    make: withBody({ ...SCORE, query_id: "1" }),
  },
  {
    what: "claims in the clear",
    code: "request-malformed",
    make: withBody({ product: "identity-verification@1", claims: { name: "张伟" } }),
  },
  {
    what: "an unknown product",
    code: "product-unknown",
    make: withBody({ product: "no-such-product@1" }),
  },
  {
    what: "a product that the consent does not name",
    code: "product-not-consented",
    make: async ({ bank, otherConsent }) =>
      await bank.sign(otherConsent, { product: "location-verification@1", query_id: randomUUID() }),
  },
];

function unsigned(header: object, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.`;
}

function macWithPublicKey({ settings }: Federation, { claims }: GivenConsent): string {
  const { kid, kty, crv, x, y } = readAuthoritySecrets(`${settings.home}/authority/secrets`)
    .tokenKeys.current;
  const key: KeyObject = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
  const pem = key.export({ format: "pem", type: "spki" });
  const input = unsigned({ alg: "HS256", typ: "at+jwt", kid }, claims).slice(0, -1);
  return `${input}.${createHmac("sha256", pem).update(input).digest("base64url")}`;
}

function tamper(token: string, change: object): string {
  const [header, payload, signature] = token.split(".") as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as object;
  const changed = Buffer.from(JSON.stringify({ ...claims, ...change })).toString("base64url");
  return `${header}.${changed}.${signature}`;
}
