// The life of one consent (DESIGN §5): REQUESTED → ACTIVE ↔ PAUSED → REVOKED | EXPIRED | CONSUMED, or DENIED. Every
// change is a conditional UPDATE and an event, in the caller's transaction: both happen or neither does. Nothing else
// writes `consent.state` or `consent.uses`. It decides nothing about tokens, answers or pages.
import type { Updateable } from "kysely";
import { canonicalJson, sha256Base64url } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { SubjectTag } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { AtRest } from "./at-rest.ts";
import { type Notice, periodSeconds, type QueryAuthorization } from "./consent-claims.ts";
import {
  type Actor,
  type ConsentAction,
  type ConsentEvent,
  type RecordEvent,
  TRANSITIONS,
} from "./consent-event.ts";
import {
  type Consent,
  type ConsentState,
  EVIDENCE_LABEL,
  readConsent,
  requireLive,
  SUBJECT_LABEL,
  subjectIndex,
} from "./consent-record.ts";
import type { ConsentDb, ConsentTable, TimeOf } from "./schema.ts";
import { countUse, type Spent, type SpendRequest } from "./spend.ts";
import { allocateStatusSlot } from "./status-slots.ts";

export interface LifecycleOptions {
  readonly atRest: AtRest;
  readonly random: Random;
  readonly timeOf: TimeOf;
  readonly recordEvent: RecordEvent;
}

export interface ConsentRequest {
  readonly id: string;
  readonly clientId: string;
  readonly recipient: string;
  readonly purpose: string;
  readonly terms: QueryAuthorization;
  readonly audience: string;
  readonly subjectTag: SubjectTag;
  /** `contactIndex` of the phone that codes go to. */
  readonly contactIndex: string;
  readonly notice: Notice;
  readonly lapsesAt: number;
}

export class ConsentLifecycle {
  readonly #atRest: AtRest;
  readonly #timeOf: TimeOf;
  readonly #random: Random;
  readonly #recordEvent: RecordEvent;

  constructor(options: LifecycleOptions) {
    this.#atRest = options.atRest;
    this.#timeOf = options.timeOf;
    this.#random = options.random;
    this.#recordEvent = options.recordEvent;
  }

  /** What `consent.subject_index` holds for this person. */
  subjectIndex(tag: SubjectTag): string {
    return subjectIndex(this.#atRest, tag);
  }

  async request(tx: ConsentDb, request: ConsentRequest): Promise<Consent> {
    const now = this.#timeOf(tx);
    await tx
      .insertInto("consent")
      .values({
        id: request.id,
        client_id: request.clientId,
        recipient: request.recipient,
        purpose: request.purpose,
        terms: canonicalJson(request.terms),
        state: "REQUESTED",
        subject_index: this.subjectIndex(request.subjectTag),
        subject_sealed: this.#atRest.seal(SUBJECT_LABEL, request.subjectTag),
        contact_index: request.contactIndex,
        audience: request.audience,
        notice: canonicalJson(request.notice),
        evidence_sealed: null,
        evidence_hash: null,
        requested_at: now,
        decided_at: null,
        expires_at: request.lapsesAt,
        max_uses: request.terms.max_uses,
        status_list: null,
        status_index: null,
        changed_at: now,
      })
      .execute();
    const consent = await this.#get(tx, request.id);
    await this.#record(tx, consent, { action: "request", by: "institution", from: null, at: now });
    return consent;
  }

  /**
   * The person agreed to `terms` (what was asked for, or fewer products). The evidence is sealed beside the consent;
   * its salted hash goes into token and log.
   * @throws WjfError `consent-transition`, `consent-unknown`, `consent-expired`.
   */
  async approve(
    tx: ConsentDb,
    id: string,
    decision: { readonly terms: QueryAuthorization; readonly evidence: Record<string, unknown> },
  ): Promise<Consent> {
    const now = this.#timeOf(tx);
    const { terms } = decision;
    if (terms.term === undefined) throw new WjfError("data-invalid", "terms: no term");
    const evidence = canonicalJson({
      ...decision.evidence,
      salt: this.#random.bytes(16).toString("base64url"),
    });
    await this.#change(tx, id, "approve", {
      terms: canonicalJson(terms),
      max_uses: terms.max_uses,
      decided_at: now,
      expires_at: now + periodSeconds(terms.term) * 1000,
      evidence_sealed: this.#atRest.seal(EVIDENCE_LABEL, evidence),
      evidence_hash: sha256Base64url(evidence),
    });
    const slot = await allocateStatusSlot(tx, this.#atRest);
    await tx
      .updateTable("consent")
      .set({ status_list: slot.list, status_index: slot.index })
      .where("id", "=", id)
      .execute();
    return this.#recordChange(tx, id, "approve", "REQUESTED", "person");
  }

  /** @throws WjfError `consent-transition`, `consent-unknown`, `consent-expired`. */
  async deny(tx: ConsentDb, id: string, by: Actor): Promise<Consent> {
    await this.#change(tx, id, "deny", { decided_at: this.#timeOf(tx) });
    return this.#recordChange(tx, id, "deny", "REQUESTED", by);
  }

  /** @throws WjfError `consent-transition`, `consent-unknown`, `consent-expired`. */
  async change(
    tx: ConsentDb,
    id: string,
    action: "pause" | "resume" | "revoke",
    by: Actor,
  ): Promise<Consent> {
    const from = await this.#change(tx, id, action, {});
    return this.#recordChange(tx, id, action, from, by);
  }

  /**
   * Spends one use for one release, in the transaction that also records the release (consent/spend.ts).
   * @throws WjfError `consent-*`, `product-not-consented`: the caller must let its transaction roll back.
   */
  async spend(tx: ConsentDb, request: SpendRequest): Promise<Spent> {
    const spent = await countUse(tx, this.#atRest, this.#timeOf(tx), request);
    if (!spent.already && spent.uses >= spent.maxUses) {
      const from = await this.#change(tx, request.consentId, "consume", {});
      await this.#recordChange(tx, request.consentId, "consume", from, "authority");
    }
    return spent;
  }

  /** The authority's own live word. @throws WjfError `consent-*` unless the consent can be used now. */
  async requireActive(tx: ConsentDb, id: string): Promise<Consent> {
    const consent = await this.#get(tx, id);
    requireLive(consent, this.#timeOf(tx));
    return consent;
  }

  /** Moves what is over to EXPIRED, at most `limit` a call. Returns how many it moved. */
  async expireDue(tx: ConsentDb, limit = 500): Promise<number> {
    const due = await tx
      .selectFrom("consent")
      .select(["id", "state"])
      .where("state", "in", TRANSITIONS.expire.from)
      .where("expires_at", "<=", this.#timeOf(tx))
      .orderBy("expires_at")
      .limit(limit)
      .execute();
    let moved = 0;
    for (const row of due) {
      if (!(await this.#move(tx, row.id, row.state as ConsentState, "EXPIRED", {}))) continue;
      await this.#recordChange(tx, row.id, "expire", row.state as ConsentState, "authority");
      moved += 1;
    }
    return moved;
  }

  /**
   * Destroys what says who the person is. For consents that are over; what the log committed to stays closed for good.
   * @throws WjfError `consent-transition` while the consent could still be used.
   */
  async erase(tx: ConsentDb, id: string): Promise<void> {
    const gone = `erased:${id}`;
    const { numUpdatedRows } = await tx
      .updateTable("consent")
      .set({
        subject_sealed: null,
        evidence_sealed: null,
        subject_index: gone,
        contact_index: gone,
        changed_at: this.#timeOf(tx),
      })
      .where("id", "=", id)
      .where("state", "in", ["REVOKED", "EXPIRED", "CONSUMED", "DENIED"])
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw new WjfError("consent-transition", "erase: it is not over");
  }

  #get(db: ConsentDb, id: string): Promise<Consent> {
    return readConsent(db, this.#atRest, id);
  }

  /** Applies `action` from whichever legal state the consent is in; returns that state. */
  async #change(
    tx: ConsentDb,
    id: string,
    action: ConsentAction,
    set: Updateable<ConsentTable>,
  ): Promise<ConsentState> {
    const { from, to } = TRANSITIONS[action];
    const now = this.#timeOf(tx);
    for (const state of from) {
      if (await this.#move(tx, id, state, to, set, now)) return state;
    }
    const consent = await this.#get(tx, id);
    if ((from as readonly string[]).includes(consent.state)) throw new WjfError("consent-expired");
    throw new WjfError("consent-transition", `${action}: it is ${consent.state}`);
  }

  /** The one statement that changes a state: it changes nothing unless the consent is in `from`. */
  async #move(
    tx: ConsentDb,
    id: string,
    from: ConsentState,
    to: ConsentState,
    set: Updateable<ConsentTable>,
    unexpiredAt?: number,
  ): Promise<boolean> {
    let update = tx
      .updateTable("consent")
      .set({ ...set, state: to, changed_at: this.#timeOf(tx) })
      .where("id", "=", id)
      .where("state", "=", from);
    if (unexpiredAt !== undefined) update = update.where("expires_at", ">", unexpiredAt);
    const { numUpdatedRows } = await update.executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  async #recordChange(
    tx: ConsentDb,
    id: string,
    action: ConsentAction,
    from: ConsentState,
    by: Actor,
  ): Promise<Consent> {
    const consent = await this.#get(tx, id);
    await this.#record(tx, consent, { action, by, from, at: this.#timeOf(tx) });
    return consent;
  }

  async #record(
    tx: ConsentDb,
    consent: Consent,
    change: Pick<ConsentEvent, "action" | "by" | "from" | "at">,
  ): Promise<void> {
    const tag =
      change.action === "request" || change.action === "approve" ? consent.subjectTag : null;
    await this.#recordEvent(tx, {
      ...change,
      to: consent.state,
      consent_id: consent.id,
      client_id: consent.clientId,
      audience: consent.audience,
      purpose: consent.purpose,
      terms: consent.terms,
      expires_at: consent.expiresAt,
      notice: consent.notice,
      evidence_hash: consent.evidenceHash,
      personal: tag === null ? undefined : { subject_tag: tag.toString("base64url") },
    });
  }
}
