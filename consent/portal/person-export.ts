// All that the authority holds about a person, in one document (PIPL article 45: access, and a copy that can be carried
// elsewhere). Codes and sessions are not in it: of those only keyed MACs are kept, which say nothing.
import type { Clock } from "../../core/clock.ts";
import { noticeText } from "../approval/notice.ts";
import { type Consent, EVIDENCE_LABEL, listConsents, readUses } from "../consent-record.ts";
import { consentTables } from "../ledger.ts";
import type { Objection, Objections } from "../objections.ts";
import { type PersonQuery, type PersonQueryParts, readPersonQueries } from "./person-queries.ts";

export interface ExportParts extends PersonQueryParts {
  readonly objections: Objections;
  readonly clock: Clock;
}

export async function exportPerson(parts: ExportParts, contactIndex: string) {
  const db = consentTables(parts.db);
  const consents = await listConsents(db, parts.atRest, "contact_index", contactIndex);
  const queries = await readPersonQueries(parts, { contactIndex });
  const objections = await parts.objections.ofPerson(contactIndex);
  return {
    exported: rfc3339(parts.clock.nowMs()),
    consents: await Promise.all(consents.map((consent) => exportConsent(consent, parts))),
    queries: queries.map(exportQuery),
    objections: objections.map(exportObjection),
  };
}

async function exportConsent(consent: Consent, { db, atRest }: ExportParts) {
  const tables = consentTables(db);
  const row = await db
    .selectFrom("consent")
    .select("evidence_sealed")
    .where("id", "=", consent.id)
    .executeTakeFirst();
  const sealed = row?.evidence_sealed ?? null;
  const notice = await noticeText(tables, consent.notice.sha256);
  const uses = await readUses(tables, consent.id);
  return {
    id: consent.id,
    institution: consent.recipient,
    client_id: consent.clientId,
    purpose: consent.purpose,
    state: consent.state,
    terms: consent.terms,
    requested: rfc3339(consent.requestedAt),
    decided: consent.decidedAt === null ? null : rfc3339(consent.decidedAt),
    expires: rfc3339(consent.expiresAt),
    max_uses: consent.maxUses,
    /** The pseudonym under which the provinces look the person up. */
    subject_tag: consent.subjectTag?.toString("base64url") ?? null,
    uses: uses.map(({ queryId, product, usedAt }) => ({
      query_id: queryId,
      product,
      time: rfc3339(usedAt),
    })),
    notice: notice === undefined ? null : (JSON.parse(notice) as unknown),
    evidence:
      sealed === null
        ? null
        : (JSON.parse(atRest.open(EVIDENCE_LABEL, sealed).toString("utf8")) as unknown),
  };
}

function exportQuery(query: PersonQuery) {
  return {
    query_id: query.queryId,
    consent_id: query.consentId,
    institution: query.institution,
    purpose: query.purpose,
    product: query.product,
    time: rfc3339(query.releasedAt),
    log_index: query.leafIndex,
    answer: query.stored ?? null,
  };
}

function exportObjection(objection: Objection) {
  const { resolvedAt } = objection;
  return {
    id: objection.id,
    query_id: objection.queryId,
    state: objection.state,
    statement: objection.statement,
    human_review: objection.humanReview,
    reply: objection.reply,
    filed: rfc3339(objection.filedAt),
    due: rfc3339(objection.dueAt),
    resolved: resolvedAt === null ? null : rfc3339(resolvedAt),
  };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
