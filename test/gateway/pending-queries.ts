// Questions as the gateway holds them while they wait; only what the coalescer looks at is real.
import { randomUUID } from "node:crypto";
import { sha256Hex } from "../../core/canonical.ts";
import type { PendingQuery } from "../../gateway/pending-query.ts";

export interface QueryWish {
  readonly client?: string;
  readonly id?: string;
  readonly width?: number;
  readonly product?: string;
  readonly claims?: string;
  readonly token?: string;
  readonly sealed?: boolean;
}

export function pending(wish: QueryWish = {}): PendingQuery {
  return {
    clientId: wish.client ?? "bank",
    item: {
      query_id: (wish.id ?? randomUUID()) as PendingQuery["item"]["query_id"],
      token_hash: sha256Hex(wish.token ?? "token"),
      product: (wish.product ?? "credit-score@1") as PendingQuery["item"]["product"],
      claims_hash: sha256Hex(wish.claims ?? ""),
      slot_width: wish.width ?? 3,
    },
    credentials: { token: "t", proof: "p", body: Buffer.from("{}") },
    sealed: wish.sealed ?? false,
  };
}
