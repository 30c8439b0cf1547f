// What a request brings to prove who sends it, as it came: the consent token, the DPoP proof, the body that they are over. Nothing is
// verified here. RFC 9449 §7.1.
import type { FastifyRequest } from "fastify";
import { WjfError } from "../core/errors.ts";
import { claimedClient } from "../consent/verifier.ts";

/** @throws WjfError `token-missing`, `token-malformed`, `dpop-missing`, `dpop-malformed`. */
export function readCredentials(request: FastifyRequest): {
  token: string;
  proof: string;
  body: Buffer;
} {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return { token: readToken(request), proof: readProof(request), body };
}

/** Whose request the head alone says that it is; "" of no institution. */
export function claimedSender(request: FastifyRequest): string {
  try {
    return claimedClient(readToken(request));
  } catch {
    // Refused in its turn, with the rest of the request at hand.
    return "";
  }
}

/** @throws WjfError `token-missing`, `token-malformed`. */
export function readToken({ headers: { authorization } }: FastifyRequest): string {
  if (authorization === undefined) throw new WjfError("token-missing");
  const token = /^DPoP ([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1];
  if (token === undefined) throw new WjfError("token-malformed", "Authorization: DPoP <token>");
  return token;
}

/** @throws WjfError `dpop-missing`, `dpop-malformed`. */
export function readProof({ headers: { dpop } }: FastifyRequest): string {
  if (dpop === undefined) throw new WjfError("dpop-missing");
  // RFC 9449 §4.3 (1): not more than one.
  if (typeof dpop !== "string") throw new WjfError("dpop-malformed", "one DPoP header");
  return dpop;
}
