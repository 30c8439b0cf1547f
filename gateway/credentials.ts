// What a request brings to prove who sends it: the consent token and the DPoP proof, as they are written. Nothing is verified here.
import type { FastifyRequest } from "fastify";
import { WjfError } from "../core/errors.ts";

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
