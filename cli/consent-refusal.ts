// What the consent authority says when no consent comes of a request (RFC 6749 §5.2, CIBA §§11 and 13), as the error that it is.
// Its descriptions name a parameter and a rule, never a value that came from a person. What is no refusal is passed on as it is.
import { ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from "openid-client";
import { type ErrorCode, WjfError } from "../core/errors.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  access_denied: "consent-refused",
  expired_token: "consent-refused",
  unknown_user_id: "person-unknown",
  temporarily_unavailable: "rate-limited",
  invalid_scope: "scope-refused",
  invalid_client: "client-unknown",
  unauthorized_client: "client-unknown",
  invalid_grant: "consent-unknown",
  invalid_request: "request-malformed",
  invalid_authorization_details: "request-malformed",
  invalid_binding_message: "request-malformed",
  invalid_target: "request-malformed",
};

/** Answers that are no OAuth answer: a proxy's page, an error without a body. */
const FOREIGN = ["OAUTH_RESPONSE_IS_NOT_CONFORM", "OAUTH_RESPONSE_IS_NOT_JSON", "OAUTH_TIMEOUT"];

/** @throws WjfError for what openid-client throws about a refusal; otherwise the error itself. */
export function consentRefused(cause: unknown): never {
  if (cause instanceof ResponseBodyError) {
    const { error, error_description: detail, status } = cause;
    const code = CODES[error] ?? (status >= 500 ? "federation-unavailable" : undefined);
    if (code !== undefined) throw new WjfError(code, detail, { cause });
  }
  // An assertion that is not this client's is answered with 401 and a challenge.
  if (cause instanceof WWWAuthenticateChallengeError) {
    throw new WjfError("client-unknown", undefined, { cause });
  }
  if (cause instanceof ClientError && FOREIGN.includes(cause.code ?? "")) {
    throw new WjfError("federation-unavailable", "the consent authority answers otherwise", {
      cause,
    });
  }
  return unreachable("the consent authority", cause);
}

/** @throws WjfError when `fetch` has found nobody at the address; otherwise the error itself. */
export function unreachable(who: string, cause: unknown): never {
  if (cause instanceof TypeError && cause.message === "fetch failed") {
    throw new WjfError("federation-unavailable", `${who} cannot be reached`, { cause });
  }
  throw cause;
}
