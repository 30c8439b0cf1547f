// A request to the gateway that the institution's own key proves, and no token: what stands under its signature alone (RFC 9449).
import { sha256Base64url } from "../core/canonical.ts";
import { type InstitutionKeys } from "./demo-institution.ts";
import { signProof } from "./batch-client.ts";
import { refusal } from "./gateway-problem.ts";

export interface ProvenRequest {
  readonly method: string;
  /** What the proof is over: without a query. */
  readonly url: string;
  readonly query?: string;
  /** JSON. */
  readonly body?: string | undefined;
}

/** @returns the response's body. @throws WjfError the gateway's code; what `fetch` throws. */
export async function sendProven(
  signing: InstitutionKeys["signing"],
  { method, url, query = "", body }: ProvenRequest,
): Promise<string> {
  const hash = body === undefined ? {} : { "camara:bh": sha256Base64url(body) };
  const dpop = await signProof(signing, { htm: method, htu: url, ...hash });
  const response = await fetch(`${url}${query}`, {
    method,
    headers: { dpop, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  if (!response.ok) throw refusal(text);
  return text;
}
