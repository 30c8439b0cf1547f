// A question that has passed every check at the gateway and waits for a fan-out.
import { type Catalogue, requireProduct, slotWidth } from "../catalogue/index.ts";
import type { ErrorCode } from "../core/errors.ts";
import { linkToSpan, type SpanLink } from "../core/tracing.ts";
import type { FanOutItem } from "../crypto/index.ts";
import type { VerifiedRequest } from "../consent/verifier.ts";
import type { ItemCredentials } from "../proto/index.ts";

export interface PendingQuery {
  readonly clientId: string;
  /** Everything of the descriptor's item but its place. */
  readonly item: Omit<FanOutItem, "slot_offset">;
  readonly credentials: ItemCredentials;
  /** The institution wants the answer as a JWE. */
  readonly sealed: boolean;
  /** Why no province is asked: its consent is known to be stopped. */
  readonly withdrawn?: ErrorCode;
  /** From the fan-out's trace back to the question's; it does not leave the gateway. */
  readonly link?: SpanLink;
}

export function pendingQuery(
  verified: VerifiedRequest,
  credentials: ItemCredentials,
  sealed: boolean,
  catalogue: Catalogue,
): PendingQuery {
  const link = linkToSpan();
  return {
    ...(link && { link }),
    clientId: verified.consent.client_id,
    item: {
      query_id: verified.queryId,
      token_hash: verified.tokenHash,
      product: verified.product,
      claims_hash: verified.claimsHash,
      slot_width: slotWidth(requireProduct(catalogue, verified.product)),
    },
    credentials,
    sealed,
  };
}

/** Whether two requests with one query id ask the same thing. */
export function isSameQuestion(a: PendingQuery, b: PendingQuery): boolean {
  return (
    a.clientId === b.clientId &&
    a.item.product === b.item.product &&
    a.item.claims_hash === b.item.claims_hash &&
    a.item.token_hash === b.item.token_hash &&
    a.sealed === b.sealed
  );
}
