// One consent as it is stored, read back and typed: what it allows, its state, whose it is (sealed). Reading only;
// every change is consent/lifecycle.ts's. DESIGN §5.
import type { Selectable } from "kysely";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import type { SubjectTag } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import type { AtRest } from "./at-rest.ts";
import { Notice, QueryAuthorization } from "./consent-claims.ts";
import type { ConsentDb, ConsentTable } from "./schema.ts";

export const CONSENT_STATES = [
  "REQUESTED",
  "ACTIVE",
  "PAUSED",
  "REVOKED",
  "EXPIRED",
  "CONSUMED",
  "DENIED",
] as const;
export type ConsentState = (typeof CONSENT_STATES)[number];

export interface Consent {
  readonly id: string;
  readonly clientId: string;
  readonly recipient: string;
  readonly purpose: string;
  readonly terms: QueryAuthorization;
  readonly state: ConsentState;
  /** The gateway that tokens of this consent are for. */
  readonly audience: string;
  readonly notice: Notice;
  /** Base64url SHA-256 of the sealed evidence; null until the person has agreed. */
  readonly evidenceHash: string | null;
  /** Milliseconds since the epoch, here and below. */
  readonly requestedAt: number;
  readonly decidedAt: number | null;
  /** For a request, when it lapses; otherwise when the consent's term ends. */
  readonly expiresAt: number;
  readonly maxUses: number;
  readonly uses: number;
  readonly status: { readonly list: number; readonly index: number } | undefined;
  readonly contactIndex: string;
  /** Null once erased. */
  readonly subjectTag: SubjectTag | null;
}

export const SUBJECT_LABEL = "consent.subject";
export const EVIDENCE_LABEL = "consent.evidence";

export function subjectIndex(atRest: AtRest, tag: SubjectTag): string {
  return atRest.index(SUBJECT_LABEL, tag);
}

/** For a normalised phone number: finds what codes were or will be sent to it. */
export function contactIndex(atRest: AtRest, msisdn: string): string {
  return atRest.index("consent.contact", msisdn);
}

const State = z.enum(CONSENT_STATES);

function fromRow(atRest: AtRest, row: Selectable<ConsentTable>): Consent {
  const { subject_sealed: sealed, status_list: list, status_index: index } = row;
  return {
    id: row.id,
    clientId: row.client_id,
    recipient: row.recipient,
    purpose: row.purpose,
    terms: parseJsonWith(QueryAuthorization, row.terms, "internal", "consent row"),
    state: State.parse(row.state),
    audience: row.audience,
    notice: parseJsonWith(Notice, row.notice, "internal", "consent row"),
    evidenceHash: row.evidence_hash,
    requestedAt: row.requested_at,
    decidedAt: row.decided_at,
    expiresAt: row.expires_at,
    maxUses: row.max_uses,
    uses: row.uses,
    status: list === null || index === null ? undefined : { list, index },
    contactIndex: row.contact_index,
    subjectTag: sealed === null ? null : (atRest.open(SUBJECT_LABEL, sealed) as SubjectTag),
  };
}

/** @throws WjfError `consent-unknown`. */
export async function readConsent(db: ConsentDb, atRest: AtRest, id: string): Promise<Consent> {
  const row = await db.selectFrom("consent").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new WjfError("consent-unknown");
  return fromRow(atRest, row);
}

/** The newest first, at most 1,000. */
export async function listConsents(
  db: ConsentDb,
  atRest: AtRest,
  by: "contact_index" | "subject_index" | "client_id",
  value: string,
): Promise<Consent[]> {
  const rows = await db
    .selectFrom("consent")
    .selectAll()
    .where(by, "=", value)
    .orderBy("requested_at", "desc")
    .limit(1000)
    .execute();
  return rows.map((row) => fromRow(atRest, row));
}

export interface ConsentFilter {
  readonly clientId?: string;
  readonly state?: ConsentState;
  readonly limit: number;
}

/** Across all people and institutions, the newest first: for the authority's operator. */
export async function findConsents(
  db: ConsentDb,
  atRest: AtRest,
  { clientId, state, limit }: ConsentFilter,
): Promise<Consent[]> {
  let query = db.selectFrom("consent").selectAll();
  if (clientId !== undefined) query = query.where("client_id", "=", clientId);
  if (state !== undefined) query = query.where("state", "=", state);
  const rows = await query.orderBy("requested_at", "desc").limit(limit).execute();
  return rows.map((row) => fromRow(atRest, row));
}

export interface Use {
  readonly queryId: string;
  readonly product: string;
  readonly usedAt: number;
}

export async function readUses(db: ConsentDb, id: string): Promise<Use[]> {
  const rows = await db
    .selectFrom("consent_use")
    .select(["release_id", "product", "used_at"])
    .where("consent_id", "=", id)
    .orderBy("used_at")
    .execute();
  return rows.map((row) => ({
    queryId: row.release_id,
    product: row.product,
    usedAt: row.used_at,
  }));
}

/** @throws WjfError `consent-*` unless the consent can be used at this moment. */
export function requireLive(consent: Pick<Consent, "state" | "expiresAt">, nowMs: number): void {
  switch (consent.state) {
    case "ACTIVE":
      if (consent.expiresAt <= nowMs) throw new WjfError("consent-expired");
      return;
    case "PAUSED":
      throw new WjfError("consent-paused");
    case "REVOKED":
      throw new WjfError("consent-revoked");
    case "EXPIRED":
      throw new WjfError("consent-expired");
    case "CONSUMED":
      throw new WjfError("consent-consumed");
    case "REQUESTED":
    case "DENIED":
      throw new WjfError("consent-unknown", "not given");
  }
}
