// The one error catalogue: code → gRPC status, HTTP status, title. docs/ERRORS.md is generated from it and a
// test holds the two equal. Two edges translate it: proto/status.ts (gRPC) and gateway/problem.ts (RFC 9457).
// A message never carries personal data, a plaintext, a key or a noise budget.
import { status as grpc } from "@grpc/grpc-js";

interface ErrorEntry {
  readonly grpc: grpc;
  readonly http: number;
  /** One sentence, fit for an outside reader. */
  readonly title: string;
  /** What the reader should do next. */
  readonly next: string;
  /** The same request may succeed later. */
  readonly retryable?: true;
}

export const ERRORS = {
  "request-malformed": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 400,
    title: "The request does not have the required form.",
    next: "Correct the field named in `detail` and send it again.",
  },
  "body-too-large": {
    grpc: grpc.RESOURCE_EXHAUSTED,
    http: 413,
    title: "The request body is larger than is allowed.",
    next: "Send less; batches go to /v1/batches.",
  },
  "route-unknown": {
    grpc: grpc.NOT_FOUND,
    http: 404,
    title: "There is nothing at this address.",
    next: "See /openapi.json for the routes.",
  },
  "media-type-unsupported": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 415,
    title: "The body's media type is not supported here.",
    next: "Send application/json (NDJSON for batches).",
  },
  "product-unknown": {
    grpc: grpc.NOT_FOUND,
    http: 404,
    title: "There is no such product version.",
    next: "See /v1/products.",
  },
  "claims-missing": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 400,
    title: "This product needs sealed claims and the request has none.",
    next: "Seal the claims to the provinces' group key and send them as `claims`.",
  },
  "claims-unexpected": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 400,
    title: "This product takes no claims.",
    next: "Send the request without `claims`.",
  },
  "claims-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 422,
    title: "The sealed claims could not be opened or do not fit the product.",
    next: "Seal them to the current group key, in the form that the product documents.",
  },
  "token-missing": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "There is no consent token.",
    next: "Send `Authorization: DPoP <consent token>`.",
  },
  "token-malformed": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token is not a well-formed signed token.",
    next: "Get a consent token from the consent authority and send it as it is.",
  },
  "token-algorithm": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token's algorithm is not allowed.",
    next: "Only ES256 tokens of the consent authority are accepted.",
  },
  "token-signature": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token's signature does not verify.",
    next: "Get a new consent token.",
  },
  "token-claims": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token lacks a required claim or carries a wrong one.",
    next: "Get a new consent token.",
  },
  "token-expired": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token has expired.",
    next: "Get a new consent token.",
  },
  "token-not-yet-valid": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token is not valid yet.",
    next: "Wait until its `nbf`, or check the clock.",
  },
  "token-audience": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token was issued for another audience.",
    next: "Ask for a token for this gateway.",
  },
  "token-issuer": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The consent token was issued by somebody else.",
    next: "Get a consent token from this federation's authority.",
  },
  "product-not-consented": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The consent does not cover this product.",
    next: "Ask for a consent that names it.",
  },
  "consent-revoked": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The person has withdrawn this consent.",
    next: "Stop asking; a new consent may be requested.",
  },
  "consent-paused": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The person has paused this consent.",
    next: "Ask again when it has been resumed.",
  },
  "consent-expired": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This consent's term is over.",
    next: "Ask for a new consent.",
  },
  "consent-consumed": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This consent has been used as often as it allowed.",
    next: "Ask for a new consent.",
  },
  "consent-frequency": {
    grpc: grpc.RESOURCE_EXHAUSTED,
    http: 429,
    title: "This consent allows no more questions in the present period.",
    next: "Ask again when the consent's `frequency` allows it.",
    retryable: true,
  },
  "consent-unknown": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The authority knows of no such consent.",
    next: "Get a new consent token.",
  },
  "consent-refused": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The person was asked for this consent and has not given it.",
    next: "Respect that; the person may be asked for something else.",
  },
  "person-unknown": {
    grpc: grpc.NOT_FOUND,
    http: 404,
    title: "Nobody is known by this identifier who could be asked for consent.",
    next: "Check the number; a person without a phone in their name cannot be asked.",
  },
  "scope-refused": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This institution may not ask for consent for this purpose or product.",
    next: "Ask for what it is registered for, or have the consent authority's operator register more.",
  },
  "consent-transition": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "A consent in this state cannot make that change.",
    next: "Look at its present state first.",
  },
  "objection-unknown": {
    grpc: grpc.NOT_FOUND,
    http: 404,
    title: "There is no such objection.",
    next: "List the objections.",
  },
  "objection-resolved": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "This objection has been resolved already.",
    next: "Nothing; if the resolution was wrong, the person may object again.",
  },
  "offer-code-refused": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This code cannot be redeemed by this merchant now.",
    next: "Ask the person for a new code.",
  },
  "dpop-missing": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "There is no DPoP proof.",
    next: "Send a `DPoP` header (RFC 9449) signed with the key the token is bound to.",
  },
  "dpop-malformed": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The DPoP proof is not a well-formed ES256 proof.",
    next: "See RFC 9449 §4.2.",
  },
  "dpop-key": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The DPoP proof is signed with another key than the token is bound to.",
    next: "Sign with the key whose thumbprint is the token's `cnf.jkt`.",
  },
  "dpop-signature": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The DPoP proof's signature does not verify.",
    next: "Sign the proof again.",
  },
  "dpop-binding": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The DPoP proof is for another request: method, address, token or body differ.",
    next: "Make a new proof over this very request (htm, htu, ath, camara:bh).",
  },
  "dpop-expired": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "The DPoP proof is too old, or from the future.",
    next: "Make a new proof; check the clock.",
  },
  "dpop-replayed": {
    grpc: grpc.UNAUTHENTICATED,
    http: 401,
    title: "This DPoP proof has been used before.",
    next: "Make a new proof with a fresh `jti`.",
  },
  "client-unknown": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This institution is not registered, or is disabled.",
    next: "Ask the consent authority's operator.",
  },
  "client-sealed-only": {
    grpc: grpc.PERMISSION_DENIED,
    http: 406,
    title: "This institution takes sealed answers only.",
    next: "Send `Accept: application/jose`.",
  },
  "query-conflict": {
    grpc: grpc.ALREADY_EXISTS,
    http: 409,
    title: "This query id has been used for another question.",
    next: "Use a fresh query id for each question.",
  },
  "watch-only": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 400,
    title: "This product tells changes: it can only be watched, not asked.",
    next: "Create a watch at /v1/watches.",
  },
  "watch-frequency": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 422,
    title: "The schedule asks more often than the consent allows.",
    next: "Evaluate less often, or ask the person for a consent that allows it.",
  },
  "watch-not-due": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "The watch's schedule does not name this moment, or it is yet to come.",
    next: "Wait for the next moment of the schedule.",
  },
  "watch-expired": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "The watch is over: its own expiry has passed.",
    next: "Create another watch.",
  },
  "sink-refused": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 400,
    title: "Alerts may not be sent to this address.",
    next: "Give an https address without credentials or fragment, on a host that is on the public internet.",
  },
  "coverage-incomplete": {
    grpc: grpc.UNAVAILABLE,
    http: 503,
    title: "Some provinces did not answer, and the answer could depend on them.",
    next: "Try again with the same query id.",
    retryable: true,
  },
  overloaded: {
    grpc: grpc.RESOURCE_EXHAUSTED,
    http: 503,
    title: "There is as much work here as can be taken.",
    next: "Try again after `Retry-After` seconds.",
    retryable: true,
  },
  "rate-limited": {
    grpc: grpc.RESOURCE_EXHAUSTED,
    http: 429,
    title: "This institution has reached its limit.",
    next: "Try again after `Retry-After` seconds.",
    retryable: true,
  },
  "query-budget": {
    grpc: grpc.RESOURCE_EXHAUSTED,
    http: 429,
    title: "This institution has asked about this person as often as is allowed within a day.",
    next: "Use the answers that were given; ask again when a day has passed since the first of them.",
  },
  "province-drained": {
    grpc: grpc.UNAVAILABLE,
    http: 503,
    title: "The province is in maintenance and takes no questions.",
    next: "The federation goes on without it; `wjf node resume` ends the maintenance.",
    retryable: true,
  },
  "federation-unavailable": {
    grpc: grpc.UNAVAILABLE,
    http: 503,
    title: "The federation is not ready to answer.",
    next: "Try again shortly; /readyz tells when.",
    retryable: true,
  },
  "deadline-exceeded": {
    grpc: grpc.DEADLINE_EXCEEDED,
    http: 504,
    title: "The answer did not come in time.",
    next: "Try again with the same query id.",
    retryable: true,
  },
  "peer-unauthorised": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "The caller's certificate does not entitle it to this call.",
    next: "Use the certificate issued for this party.",
  },
  "epoch-unknown": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 503,
    title: "The key epoch or roster of this request is not in force.",
    next: "Refresh the roster and try again.",
    retryable: true,
  },
  "descriptor-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 502,
    title: "The fan-out descriptor is not valid.",
    next: "This is a fault of the gateway; report it.",
  },
  "ciphertext-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 502,
    title: "A ciphertext does not have the required form.",
    next: "This is a fault of the sender; report it.",
  },
  "receipt-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 502,
    title: "A receipt does not verify.",
    next: "This is a fault of the sender; report it.",
  },
  "merge-mismatch": {
    grpc: grpc.ABORTED,
    http: 502,
    title: "The merged ciphertext is not the sum of the signed partials.",
    next: "The gateway is suspended; its operator must answer for it.",
  },
  "masks-uncancelled": {
    grpc: grpc.ABORTED,
    http: 502,
    title: "The masks do not cancel: the sum is not over the whole roster of the fan-out.",
    next: "Try again with the same query id.",
    retryable: true,
  },
  "sum-out-of-range": {
    grpc: grpc.ABORTED,
    http: 502,
    title: "A decrypted sum is outside what the product allows.",
    next: "A province answered wrongly; report it.",
  },
  "gateway-suspended": {
    grpc: grpc.PERMISSION_DENIED,
    http: 503,
    title: "This gateway is suspended after a failed merge audit.",
    next: "Its operator must answer for it first.",
  },
  "gateway-unknown": {
    grpc: grpc.NOT_FOUND,
    http: 404,
    title: "No gateway of this thumbprint is suspended.",
    next: "Look at `wjf authority suspensions` for those that are.",
  },
  "model-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 422,
    title: "The model package is not valid, or not signed by whom it should be.",
    next: "Correct what `detail` names and sign it again.",
  },
  "training-refused": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "The training job would tell of too few people, or its labels are not what they claim.",
    next: "Train on a larger cohort, on the same people and labels again or on others; `detail` names the rule.",
  },
  "training-not-approved": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "Not every province has approved this training job.",
    next: "Wait for the provinces' operators; the job's state says which of them have decided what.",
  },
  "training-ended": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 409,
    title: "This training job has ended: it was refused, has expired, or was done with.",
    next: "Begin another.",
  },
  "labels-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 422,
    title: "The label file is not valid, and nothing of it was sent.",
    next: "Correct the lines that the rejects file names.",
  },
  "model-not-approved": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This model version is not approved where it was asked for.",
    next: "Ask for a version that the provinces have approved.",
  },
  "model-in-shadow": {
    grpc: grpc.PERMISSION_DENIED,
    http: 403,
    title: "This model version runs in shadow: it is evaluated and never released.",
    next: "Ask for an approved version; the operator decides when this one is.",
  },
  "config-invalid": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 500,
    title: "The configuration is not valid.",
    next: "Correct the setting named in `detail`.",
  },
  "secret-missing": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 500,
    title: "A secret file is missing, unreadable, or readable by others.",
    next: "Make it with `wjf keys`, owned by this user, mode 0600.",
  },
  "port-in-use": {
    grpc: grpc.FAILED_PRECONDITION,
    http: 500,
    title: "A port that this process needs is taken.",
    next: "Stop the other process, or set another port.",
  },
  "data-invalid": {
    grpc: grpc.INVALID_ARGUMENT,
    http: 422,
    title: "Operator data, or a declaration in the catalogue, is not valid.",
    next: "Correct the file, line and column named in `detail`.",
  },
  "log-invalid": {
    grpc: grpc.DATA_LOSS,
    http: 500,
    title: "The audit log does not verify.",
    next: "Keep a copy and tell the regulator.",
  },
  internal: {
    grpc: grpc.INTERNAL,
    http: 500,
    title: "Something went wrong inside.",
    next: "Report the request id.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export function errorEntry(code: ErrorCode): ErrorEntry {
  return ERRORS[code];
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERRORS, value);
}

/** An expected refusal. `detail` names a field and a rule, never a value that came from a person. */
export class WjfError extends Error {
  override readonly name = "WjfError";
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? ERRORS[code].title : `${ERRORS[code].title} ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }
}
