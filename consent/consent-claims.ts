// What a consent token says: the claims of an RFC 9068 access token plus the terms of one consent (DESIGN §5).
// This file is only the shape and the meaning of the claims; signatures, clocks and live status are checked
// elsewhere. The issuer writes exactly this, and every verifier reads it through here.
import { z } from "zod";
import { ProductRef } from "../core/ids.ts";

/** The `type` of our RFC 9396 authorization details; one entry per token. */
export const AUTHORIZATION_TYPE = "weijifen_query";

/** One purpose of the W3C Data Privacy Vocabulary, written as the CAMARA profile does: `dpv:CreditChecking`. */
export const PurposeScope = z
  .string()
  .regex(/^dpv:[A-Z][A-Za-z]{2,63}$/, "one Data Privacy Vocabulary purpose: dpv:Name");
export type PurposeScope = z.infer<typeof PurposeScope>;

const PERIOD_UNITS = ["HOUR", "DAY", "WEEK", "MONTH", "YEAR"] as const;

/** A count of calendar-free periods: an HOUR is 3,600 s, a MONTH 30 days, a YEAR 365 days. */
export const Period = z.strictObject({
  unit: z.enum(PERIOD_UNITS),
  value: z.int().min(1).max(1000),
});
export type Period = z.infer<typeof Period>;

const SECONDS: Record<(typeof PERIOD_UNITS)[number], number> = {
  HOUR: 3600,
  DAY: 86_400,
  WEEK: 7 * 86_400,
  MONTH: 30 * 86_400,
  YEAR: 365 * 86_400,
};

/** The longest that a consent, and so its token and the key that signed it, can last. */
export const LONGEST_TERM: Period = { unit: "YEAR", value: 1 };

export function periodSeconds(period: Period): number {
  return SECONDS[period.unit] * period.value;
}

/** How much the answer may say. A `boolean` consent never lets a score out. */
export const ResultForm = z.enum(["boolean", "score", "tags"]);
export type ResultForm = z.infer<typeof ResultForm>;

/** Products of one consent: more than a person reads through on one page is agreed to unread. */
export const MAX_ACTIONS = 16;

/** The limits of one consent. `max_uses` counts releases over all of its products together. */
export const QueryAuthorization = z
  .strictObject({
    type: z.literal(AUTHORIZATION_TYPE),
    actions: z.array(ProductRef).min(1).max(MAX_ACTIONS),
    fetch: z.enum(["ONETIME", "PERIODIC"]),
    /** At most `value` releases in any one `unit`; only (and always) with PERIODIC. */
    frequency: Period.optional(),
    max_uses: z.int().min(1).max(100_000),
    result: ResultForm,
    /** How long the institution may keep the answer. */
    retention: Period,
    /** How long the consent lasts from the person's approval; the token's `exp` says the same as a moment. */
    term: Period.optional(),
  })
  .refine((detail) => new Set(detail.actions).size === detail.actions.length, {
    message: "each product once",
    path: ["actions"],
  })
  .refine((detail) => (detail.fetch === "PERIODIC") === (detail.frequency !== undefined), {
    message: "given with PERIODIC, absent with ONETIME",
    path: ["frequency"],
  });
export type QueryAuthorization = z.infer<typeof QueryAuthorization>;

const base64urlSha256 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "a base64url SHA-256");

/** The notice that the person was shown: what it said is fixed by its digest. */
export const Notice = z.object({
  uri: z.url(),
  version: z.string().min(1).max(64),
  sha256: base64urlSha256,
});
export type Notice = z.infer<typeof Notice>;

/** How and when the person agreed. `evidence_hash` commits to the authority's own record of it. */
export const Collection = z.object({
  method: z.string().min(1).max(64),
  time: z.iso.datetime(),
  evidence_hash: base64urlSha256,
});
export type Collection = z.infer<typeof Collection>;

export const StatusReference = z.object({
  status_list: z.object({ idx: z.int().min(0), uri: z.url() }),
});
export type StatusReference = z.infer<typeof StatusReference>;

export function scopePurpose(scope: string): PurposeScope | undefined {
  const purposes = scope.split(" ").filter((part) => part.startsWith("dpv:"));
  return purposes.length === 1 ? purposes[0] : undefined;
}

export function scopeProducts(scope: string): string[] {
  return scope.split(" ").filter((part) => part !== "" && !part.startsWith("dpv:"));
}

const numericDate = z.int().min(0);

/** The payload of a consent token (header: `typ` at+jwt, `alg` ES256). Unknown claims are dropped, not refused. */
export const ConsentClaims = z
  .object({
    iss: z.url(),
    /** The gateway (RFC 8707); never a list. */
    aud: z.url(),
    client_id: z.string().min(1).max(128),
    /** crypto/subject.ts: opaque to everybody without the master key, different in every token. */
    sub: z.string().regex(/^[A-Za-z0-9_-]{86}$/, "an opaque subject"),
    jti: z.string().min(16).max(128),
    iat: numericDate,
    nbf: numericDate,
    exp: numericDate,
    cnf: z.object({ jkt: base64urlSha256 }),
    scope: z.string().min(1).max(2048),
    authorization_details: z.tuple([QueryAuthorization]),
    /** The registered name of the institution that gets the answer. */
    recipient: z.string().min(1).max(256),
    notice: Notice,
    collection: Collection,
    /** The consent itself; its tokens come and go. */
    grant_id: z.string().min(16).max(128),
    status: StatusReference,
  })
  .refine((claims) => scopePurpose(claims.scope) !== undefined, {
    message: "exactly one dpv: purpose",
    path: ["scope"],
  })
  .refine((claims) => PurposeScope.safeParse(scopePurpose(claims.scope) ?? "").success, {
    message: "a well-formed dpv: purpose",
    path: ["scope"],
  })
  .refine(
    (claims) => {
      const products = scopeProducts(claims.scope);
      const actions = new Set<string>(claims.authorization_details[0].actions);
      return products.length === actions.size && products.every((product) => actions.has(product));
    },
    { message: "the products of scope are those of authorization_details", path: ["scope"] },
  );
export type ConsentClaims = z.infer<typeof ConsentClaims>;
