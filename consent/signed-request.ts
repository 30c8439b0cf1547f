// One question as the institution signed it: consent token, DPoP proof, body. Gateway, every node and the authority
// verify it alone, through this file. RFC 9068 (token), RFC 9449 (proof), RFC 8725 (how not to verify a JWT); the
// proof's `camara:bh` binds the body. Replay, live status and limits are the caller's next checks, not done here.
import type { KeyObject } from "node:crypto";
import {
  calculateJwkThumbprint,
  decodeJwt,
  EmbeddedJWK,
  errors,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { z } from "zod";
import { sha256Base64url, sha256Hex, uuid8 } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import { ProductRef, QueryId } from "../core/ids.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import type { FanOutItem } from "../crypto/index.ts";
import { ConsentClaims } from "./consent-claims.ts";

/** The body of `POST /v1/queries`. */
export const QueryBody = z.strictObject({
  product: ProductRef,
  /** Claims sealed to the provinces' group key. */
  claims: z
    .string()
    .max(48 * 1024)
    .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}$/, "a compact JWE")
    .optional(),
  query_id: QueryId.optional(),
});
export type QueryBody = z.infer<typeof QueryBody>;

/** The sealed claims of a body that somebody else has verified. @throws WjfError `request-malformed`. */
export function readClaims(body: Uint8Array): string | undefined {
  const text = Buffer.from(body).toString("utf8");
  return parseJsonWith(QueryBody, text, "request-malformed", "body").claims;
}

/** Whose token it says it is, unverified, or nobody's (""): enough to turn somebody away by, and for nothing else. */
export function claimedClient(token: string): string {
  try {
    const { client_id: clientId } = decodeJwt(token);
    return typeof clientId === "string" ? clientId : "";
  } catch {
    // Not a token at all: what verifies it says so.
    return "";
  }
}

/** What every verifier of one federation agrees on. */
export interface RequestRules {
  readonly issuer: string;
  readonly audience: string;
  /** Token-signing keys by `kid`. */
  readonly tokenKeys: ReadonlyMap<string, KeyObject>;
  /** The address the proof must be for, without query and fragment. */
  readonly url: string;
  /** Oldest proof that is accepted, in seconds. */
  readonly maxProofAgeS: number;
  /** Whether the catalogue has this product version. */
  readonly isProduct: (product: ProductRef) => boolean;
}

/** Clock difference between parties that is forgiven, in seconds. */
export const CLOCK_SKEW_S = 5;

export interface SignedRequest {
  readonly token: string;
  readonly proof: string;
  readonly body: Uint8Array;
}

/** A question whose signatures, times, audience and scope have all been verified. */
export interface VerifiedRequest {
  readonly consent: ConsentClaims;
  /** SHA-256 of the token, hexadecimal. */
  readonly tokenHash: string;
  readonly product: ProductRef;
  readonly claims: string | undefined;
  /** SHA-256 of the claims JWE, or of nothing. */
  readonly claimsHash: string;
  readonly queryId: QueryId;
  /** The proof's `jti`: at most one query, ever. */
  readonly proofId: string;
}

/** @throws WjfError `token-*`, `dpop-*`, `request-malformed`, `product-unknown` or `product-not-consented`. */
export async function verifySignedRequest(
  request: SignedRequest,
  rules: RequestRules,
  clock: Clock,
): Promise<VerifiedRequest> {
  const { consent, proofId } = await verifyCredentials(request, rules, clock);
  const text = Buffer.from(request.body).toString("utf8");
  const body = parseJsonWith(QueryBody, text, "request-malformed", "body");
  if (!rules.isProduct(body.product)) throw new WjfError("product-unknown");
  const actions: readonly string[] = consent.authorization_details[0].actions;
  if (!actions.includes(body.product)) throw new WjfError("product-not-consented");
  return {
    consent,
    tokenHash: sha256Hex(request.token),
    product: body.product,
    claims: body.claims,
    claimsHash: sha256Hex(body.claims ?? ""),
    queryId: body.query_id ?? queryIdOfProof(request.proof),
    proofId,
  };
}

export interface VerifiedCredentials {
  readonly consent: ConsentClaims;
  /** The proof's `jti` and `iat`. */
  readonly proofId: string;
  readonly issuedAt: number;
}

/**
 * Token and proof alone: who asks, under which consent, and that the body is what they signed.
 * @throws WjfError `token-*`, `dpop-*`.
 */
export async function verifyCredentials(
  request: SignedRequest,
  rules: Omit<RequestRules, "isProduct">,
  clock: Clock,
): Promise<VerifiedCredentials> {
  const consent = await verifyToken(request.token, rules, clock);
  const { jti, iat } = await verifyProof(request, consent, rules, clock);
  return { consent, proofId: jti, issuedAt: iat };
}

/** @throws WjfError `token-*`. */
async function verifyToken(
  token: string,
  rules: Omit<RequestRules, "isProduct">,
  clock: Clock,
): Promise<ConsentClaims> {
  let payload: JWTPayload;
  try {
    const verified = await jwtVerify(token, ({ kid }) => keyFor(rules.tokenKeys, kid), {
      // RFC 8725 §3.1: the verifier, not the token, says which algorithms there are.
      algorithms: ["ES256"],
      typ: "at+jwt",
      issuer: rules.issuer,
      audience: rules.audience,
      currentDate: new Date(clock.nowMs()),
      clockTolerance: CLOCK_SKEW_S,
    });
    payload = verified.payload;
  } catch (error) {
    throw new WjfError(tokenErrorCode(error), undefined, { cause: error });
  }
  if (!isOneText(token)) throw new WjfError("token-malformed");
  return parseWith(ConsentClaims, payload, "token-claims", "token");
}

function keyFor(keys: ReadonlyMap<string, KeyObject>, kid: string | undefined): KeyObject {
  const key = keys.get(kid ?? "");
  if (key === undefined) throw new errors.JWKSNoMatchingKey();
  return key;
}

function tokenErrorCode(error: unknown): ErrorCode {
  if (error instanceof errors.JWTExpired) return "token-expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    const byClaim: Record<string, ErrorCode> = {
      nbf: "token-not-yet-valid",
      aud: "token-audience",
      iss: "token-issuer",
    };
    return byClaim[error.claim] ?? "token-claims";
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "token-algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "token-signature";
  if (error instanceof errors.JWKSNoMatchingKey) return "token-signature";
  return "token-malformed";
}

/** RFC 9449 §4.3. @throws WjfError `dpop-*`. */
async function verifyProof(
  request: SignedRequest,
  consent: ConsentClaims,
  rules: Omit<RequestRules, "isProduct">,
  clock: Clock,
): Promise<z.infer<typeof ProofClaims>> {
  const { payload, jkt } = await openProof(request.proof, clock);
  if (!isOneText(request.proof)) throw new WjfError("dpop-malformed");
  if (jkt !== consent.cnf.jkt) throw new WjfError("dpop-key");
  const claims = parseWith(ProofClaims, payload, "dpop-malformed", "proof");
  requireProofOf(claims, request, rules, clock);
  return claims;
}

/** That well signed claims are about this request, and not too old. @throws WjfError `dpop-expired`, `dpop-binding`. */
export function requireProofOf(
  claims: z.infer<typeof ProofClaims>,
  request: SignedRequest,
  rules: Pick<RequestRules, "url" | "maxProofAgeS">,
  clock: Clock,
): void {
  const ageS = clock.nowMs() / 1000 - claims.iat;
  if (ageS > rules.maxProofAgeS || ageS < -CLOCK_SKEW_S) throw new WjfError("dpop-expired");
  const bound =
    claims.htm === "POST" &&
    claims.htu === rules.url &&
    // §4.3 (11): `ath` binds the proof to this token, or a stolen proof works with another.
    claims.ath === sha256Base64url(request.token) &&
    claims["camara:bh"] === sha256Base64url(request.body);
  if (!bound) throw new WjfError("dpop-binding");
}

export const ProofClaims = z.object({
  jti: z.string().min(8).max(128),
  htm: z.string().max(16),
  htu: z.string().max(2048),
  iat: z.number(),
  ath: z.string().max(64),
  "camara:bh": z.string().max(64),
});

async function openProof(
  proof: string,
  clock: Clock,
): Promise<{ payload: JWTPayload; jkt: string }> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: ["ES256"],
      typ: "dpop+jwt",
      currentDate: new Date(clock.nowMs()),
      clockTolerance: CLOCK_SKEW_S,
    });
    // EmbeddedJWK has refused a header without a public `jwk`.
    return { payload, jkt: await calculateJwkThumbprint(protectedHeader.jwk ?? {}) };
  } catch (cause) {
    const bad = cause instanceof errors.JWSSignatureVerificationFailed;
    throw new WjfError(bad ? "dpop-signature" : "dpop-malformed", undefined, { cause });
  }
}

/**
 * The gateway packs questions into a fan-out; it may not change what the institution signed.
 * @throws WjfError `descriptor-invalid`.
 */
export function requireSameQuestion(item: FanOutItem, verified: VerifiedRequest): void {
  const same =
    item.query_id === verified.queryId &&
    item.token_hash === verified.tokenHash &&
    item.product === verified.product &&
    item.claims_hash === verified.claimsHash;
  if (!same) throw new WjfError("descriptor-invalid", "an item is not what its credentials say");
}

/**
 * The id of a query that was sent without one: derived from the proof, so that nobody on the way, the gateway
 * included, can turn one signed request into two queries. UUIDv8, RFC 9562 §5.8.
 */
export function queryIdOfProof(proof: string): QueryId {
  return QueryId.parse(uuid8(`weijifen/query-id\n${signedPart(proof)}`));
}

/**
 * What a compact JWS signs (RFC 7515 §5.1). Anybody can write a valid ECDSA signature (r, s) as (r, n − s), and its
 * base64url in several ways: whatever is to be unique may depend on what was signed, never on the signature.
 */
export function signedPart(jws: string): string {
  return jws.slice(0, jws.lastIndexOf("."));
}

/** base64url without padding, white space or bits left over (RFC 7515 §2); an ES256 signature has 86 characters. */
export function isOneText(jws: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$/.test(jws);
}
