// Standing requests by the thousand: what signed-request.ts says of one question's token and proof, with Node's own ECDSA on the
// calling thread, as token-checker.ts does for tokens alone. RFC 9449 §4.3, RFC 7515 §5.2. Replay and status are the caller's.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { importPublic, isP256, NO_POINT, thumbprint } from "../../crypto/index.ts";
import {
  isOneText,
  ProofClaims,
  type RequestRules,
  requireProofOf,
  type SignedRequest,
  type VerifiedCredentials,
} from "../signed-request.ts";
import { requireSigned, splitJws, TokenChecker } from "./token-checker.ts";

/** The key that a proof brings (§4.2): public, or it is nobody's any more. What else describes it says nothing. */
const ProofHeader = z.looseObject({
  alg: z.literal("ES256"),
  typ: z.literal("dpop+jwt"),
  jwk: z
    .looseObject({
      kty: z.literal("EC"),
      crv: z.literal("P-256"),
      x: z.string().max(64),
      y: z.string().max(64),
      d: z.undefined().optional(),
    })
    .refine(isP256, NO_POINT),
  crit: z.undefined().optional(),
});

interface ProofKey {
  readonly key: KeyObject;
  readonly jkt: string;
}

const HEADERS_KEPT = 64;
const CODES = { malformed: "dpop-malformed", signature: "dpop-signature" } as const;

export class RequestChecker {
  readonly rules: RequestRules;
  readonly #clock: Clock;
  readonly #tokens: TokenChecker;
  /** Proofs of one key mostly have one header, to the letter. */
  readonly #headers = new Map<string, ProofKey>();

  constructor(rules: RequestRules, clock: Clock) {
    this.rules = rules;
    this.#clock = clock;
    this.#tokens = new TokenChecker(rules, clock);
  }

  /** @throws WjfError `token-*`, `dpop-*`. */
  check(request: SignedRequest): VerifiedCredentials {
    const { token, proof } = request;
    const consent = this.#tokens.open(token);
    this.#tokens.requireTimely(consent);
    const { header, payload } = splitJws(proof, CODES.malformed);
    const { key, jkt } = this.#proofKey(header);
    requireSigned(proof, key, CODES);
    if (!isOneText(proof)) throw new WjfError("dpop-malformed");
    if (jkt !== consent.cnf.jkt) throw new WjfError("dpop-key");
    const claims = parseJsonWith(ProofClaims, payload, "dpop-malformed", "proof");
    requireProofOf(claims, request, this.rules, this.#clock);
    return { consent, proofId: claims.jti, issuedAt: claims.iat };
  }

  #proofKey(header: string): ProofKey {
    const known = this.#headers.get(header);
    if (known !== undefined) return known;
    const text = Buffer.from(header, "base64url").toString("utf8");
    const { jwk } = parseJsonWith(ProofHeader, text, "dpop-malformed", "header");
    const made = { key: importPublic(jwk), jkt: thumbprint(jwk) };
    if (this.#headers.size >= HEADERS_KEPT) this.#headers.clear();
    this.#headers.set(header, made);
    return made;
  }
}
