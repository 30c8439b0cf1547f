// What proves that a batch is its institution's own: one DPoP proof (RFC 9449) over the root of its rows, by the key that
// every row's token is bound to. The gateway verifies it at the door, the authority again for every block it admits. The
// same key proves later requests for the batch's state and results. docs/decisions/052-batches.md.
import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify } from "jose";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import { MAX_BATCH_ROWS } from "./batch-rows.ts";
import { CLOCK_SKEW_S } from "./signed-request.ts";

export const BATCHES_PATH = "/v1/batches";

/** A batch is finished within this, from its proof's `iat`, or its open rows are refused. */
export const BATCH_LIFETIME_S = 48 * 3600;

const Base64urlSha256 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "a base64url SHA-256");

export const SignedRows = z.strictObject({
  count: z.int().min(1).max(MAX_BATCH_ROWS),
  /** RFC 6962 root over the blocks. */
  root: Base64urlSha256,
  /** Answers as JWEs to the institution's registered key. */
  sealed: z.boolean(),
});

const ProofClaims = z.object({
  jti: z.string().min(8).max(128),
  htm: z.string().max(16),
  htu: z.string().max(2048),
  iat: z.number(),
  ath: z.string().max(64).optional(),
  "camara:bh": z.string().max(64).optional(),
});
const BatchProofClaims = ProofClaims.extend({ "wjf:rows": SignedRows });

export interface BatchProof {
  /** Thumbprint of the signing key: every row's token must be bound to it. */
  readonly jkt: string;
  readonly jti: string;
  /** NumericDate. */
  readonly issuedAt: number;
  readonly rows: number;
  readonly root: Buffer;
  readonly sealed: boolean;
}

/**
 * @param audience the gateway's origin.
 * @throws WjfError `dpop-malformed`, `dpop-signature`, `dpop-binding`, `dpop-expired`.
 */
export async function verifyBatchProof(
  proof: string,
  audience: string,
  clock: Clock,
  maxAgeS: number,
): Promise<BatchProof> {
  const { payload, jkt } = await openProof(proof, clock);
  const claims = parseWith(BatchProofClaims, payload, "dpop-malformed", "proof");
  requireBound(claims, { method: "POST", url: new URL(BATCHES_PATH, audience).href });
  requireAge(claims.iat, clock, maxAgeS);
  const { count, root, sealed } = claims["wjf:rows"];
  return {
    jkt,
    jti: claims.jti,
    issuedAt: claims.iat,
    rows: count,
    root: Buffer.from(root, "base64url"),
    sealed,
  };
}

export interface ProvenRequest {
  readonly method: string;
  readonly url: string;
  /** The token that comes with it, where one does. RFC 9449 §4.3 (11): then the proof is for this one. */
  readonly token?: string;
  /** What it carries, where it carries something: then the proof is over these bytes. */
  readonly body?: Uint8Array;
}

/**
 * A proof over one request: over its token and its body where it has them.
 * @throws WjfError `dpop-*`.
 */
export async function verifyKeyProof(
  proof: string,
  request: ProvenRequest,
  clock: Clock,
  maxAgeS: number,
): Promise<{ readonly jkt: string; readonly jti: string }> {
  const { payload, jkt } = await openProof(proof, clock);
  const claims = parseWith(ProofClaims, payload, "dpop-malformed", "proof");
  requireBound(claims, request);
  requireAge(claims.iat, clock, maxAgeS);
  return { jkt, jti: claims.jti };
}

function requireBound(
  claims: z.infer<typeof ProofClaims>,
  { method, url, token, body }: ProvenRequest,
): void {
  const isForToken = token === undefined || claims.ath === sha256Base64url(token);
  const isForBody = body === undefined || claims["camara:bh"] === sha256Base64url(body);
  if (claims.htm !== method || claims.htu !== url || !isForToken || !isForBody) {
    throw new WjfError("dpop-binding");
  }
}

function requireAge(issuedAt: number, clock: Clock, maxAgeS: number): void {
  const ageS = clock.nowMs() / 1000 - issuedAt;
  if (ageS > maxAgeS || ageS < -CLOCK_SKEW_S) throw new WjfError("dpop-expired");
}

async function openProof(proof: string, clock: Clock) {
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
