// One pending question to one person: opened when an institution asks (CIBA), closed by the person's yes or no, by too
// many wrong codes, or by time. The link in the message is a capability: who holds it may read the request and refuse
// it; only who also has the code may agree. Consent, grant and the institution's answer change in one transaction.
import { sha256Base64url } from "../../core/canonical.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { AtRest } from "../at-rest.ts";
import { type Consent, readConsent } from "../consent-record.ts";
import type { QueryAuthorization } from "../consent-claims.ts";
import type { ConsentLifecycle } from "../lifecycle.ts";
import type { ConsentDb, Transact } from "../schema.ts";
import type { SmsProvider } from "../sms.ts";
import { grantedProducts, type NoticeBody, readNotice, sensitiveClasses } from "./notice.ts";
import type { SmsChallenges } from "./sms-challenge.ts";

/** Tells the waiting institution, within the caller's transaction. The OpenID provider implements it. */
export interface Outcome {
  granted(tx: ConsentDb, authReqId: string, consent: Consent): Promise<void>;
  refused(tx: ConsentDb, authReqId: string): Promise<void>;
}

export interface ApprovalOptions {
  readonly db: ConsentDb;
  readonly transact: Transact;
  readonly atRest: AtRest;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifecycle: ConsentLifecycle;
  readonly challenges: SmsChallenges;
  readonly sms: SmsProvider;
  readonly issuer: string;
  readonly outcome: Outcome;
}

export interface OpenApproval {
  readonly consent: Consent;
  readonly authReqId: string;
  readonly phone: string;
  readonly bindingMessage: string | undefined;
}

/** What the page shows. */
export interface PendingApproval {
  readonly id: string;
  readonly consent: Consent;
  readonly notice: NoticeBody;
  readonly bindingMessage: string | null;
  readonly open: boolean;
}

export interface Decision {
  readonly code: string;
  /** Ids of the sensitive classes that were ticked, each by its own box. */
  readonly classes: readonly string[];
  /** The box for handing the answer to this very recipient (PIPL article 23). */
  readonly recipient: boolean;
  readonly lang: string;
}

export type ApprovalResult =
  | { readonly kind: "approved"; readonly consent: Consent }
  | { readonly kind: "denied" }
  | { readonly kind: "code-wrong" }
  | { readonly kind: "locked" }
  | { readonly kind: "recipient-missing" }
  | { readonly kind: "nothing-granted" }
  | { readonly kind: "closed" };

const AUTH_REQ_LABEL = "approval.auth_req_id";
const PHONE_LABEL = "approval.phone";

export class Approvals {
  readonly #options: ApprovalOptions;

  constructor(options: ApprovalOptions) {
    this.#options = options;
  }

  /** Within the transaction that made the request. The returned function sends the message, after the commit. */
  async open(tx: ConsentDb, request: OpenApproval): Promise<() => Promise<void>> {
    const { atRest, clock, random, challenges } = this.#options;
    const capability = random.bytes(24).toString("base64url");
    const id = sha256Base64url(capability);
    await tx
      .insertInto("consent_approval")
      .values({
        id,
        consent_id: request.consent.id,
        auth_req_id_sealed: atRest.seal(AUTH_REQ_LABEL, request.authReqId),
        phone_sealed: atRest.seal(PHONE_LABEL, request.phone),
        binding_message: request.bindingMessage ?? null,
        created_at: clock.nowMs(),
        expires_at: request.consent.expiresAt,
        closed_at: null,
      })
      .execute();
    const code = await challenges.issue(tx, id, request.consent.contactIndex);
    return () => this.#send(request.phone, capability, request.consent.recipient, code);
  }

  /** Undefined when there is no such request. */
  async find(capability: string): Promise<PendingApproval | undefined> {
    const { db, atRest, clock } = this.#options;
    const row = await this.#row(capability);
    if (row === undefined) return undefined;
    const consent = await readConsent(db, atRest, row.consent_id);
    return {
      id: row.id,
      consent,
      notice: await readNotice(db, consent.notice.sha256),
      bindingMessage: row.binding_message,
      open: row.closed_at === null && row.expires_at > clock.nowMs(),
    };
  }

  /** A new code to the same phone. @throws WjfError `rate-limited`. False when the request is no longer open. */
  async resend(capability: string): Promise<boolean> {
    const { db, atRest, challenges } = this.#options;
    const pending = await this.find(capability);
    const row = await this.#row(capability);
    if (!pending?.open || row === undefined || row.phone_sealed === null) return false;
    const phone = atRest.open(PHONE_LABEL, row.phone_sealed).toString();
    const code = await db
      .transaction()
      .execute((tx) => challenges.issue(tx, row.id, pending.consent.contactIndex));
    await this.#send(phone, capability, pending.consent.recipient, code);
    return true;
  }

  /** The person's yes. What was not ticked is not granted, nor is any product that needs it. */
  async approve(capability: string, decision: Decision): Promise<ApprovalResult> {
    const { db, challenges } = this.#options;
    const pending = await this.find(capability);
    if (!pending?.open) return { kind: "closed" };
    // Checked before the code, so that a forgotten box does not use one up.
    if (!decision.recipient) return { kind: "recipient-missing" };
    const terms = narrow(pending, decision);
    if (terms === undefined) return { kind: "nothing-granted" };
    const verdict = await challenges.verify(db, pending.id, decision.code);
    if (verdict === "wrong") return { kind: "code-wrong" };
    if (verdict === "exhausted") {
      await this.#close(capability, pending.consent.id, "authority");
      return { kind: "locked" };
    }
    return this.#grant(capability, pending, terms, decision);
  }

  /** The person's no; it takes no code, and cannot be turned into a yes. */
  async deny(capability: string): Promise<ApprovalResult> {
    const pending = await this.find(capability);
    if (!pending?.open) return { kind: "closed" };
    const closed = await this.#close(capability, pending.consent.id, "person");
    return { kind: closed ? "denied" : "closed" };
  }

  /** Forgets the phones of requests that lapsed without an answer. */
  async forgetLapsed(tx: ConsentDb): Promise<void> {
    await tx
      .updateTable("consent_approval")
      .set({ phone_sealed: null })
      .where("phone_sealed", "is not", null)
      .where("expires_at", "<=", this.#options.clock.nowMs())
      .execute();
  }

  async #grant(
    capability: string,
    pending: PendingApproval,
    terms: QueryAuthorization,
    decision: Decision,
  ): Promise<ApprovalResult> {
    const { transact, lifecycle, outcome } = this.#options;
    const evidence = {
      consent_id: pending.consent.id,
      notice_sha256: pending.consent.notice.sha256,
      method: "sms-code",
      classes_offered: sensitiveClasses(pending.notice).map(({ id }) => id),
      classes_ticked: [...decision.classes],
      recipient_ticked: true,
      products: [...terms.actions],
      lang: decision.lang,
    };
    try {
      return await transact(async (tx) => {
        const authReqId = await this.#take(tx, capability);
        const consent = await lifecycle.approve(tx, pending.consent.id, { terms, evidence });
        await outcome.granted(tx, authReqId, consent);
        return { kind: "approved", consent };
      });
    } catch (error) {
      return closedMeanwhile(error);
    }
  }

  async #close(
    capability: string,
    consentId: string,
    by: "person" | "authority",
  ): Promise<boolean> {
    const { transact, lifecycle, outcome } = this.#options;
    try {
      await transact(async (tx) => {
        const authReqId = await this.#take(tx, capability);
        await lifecycle.deny(tx, consentId, by);
        await outcome.refused(tx, authReqId);
      });
      return true;
    } catch (error) {
      closedMeanwhile(error);
      return false;
    }
  }

  /** Closes the request, once, and forgets the phone. @throws WjfError `consent-transition` when it is closed. */
  async #take(tx: ConsentDb, capability: string): Promise<string> {
    const { atRest, clock } = this.#options;
    const row = await tx
      .updateTable("consent_approval")
      .set({ closed_at: clock.nowMs(), phone_sealed: null })
      .where("id", "=", sha256Base64url(capability))
      .where("closed_at", "is", null)
      .returning("auth_req_id_sealed")
      .executeTakeFirst();
    if (row === undefined) throw new WjfError("consent-transition", "the request is closed");
    return atRest.open(AUTH_REQ_LABEL, row.auth_req_id_sealed).toString();
  }

  #row(capability: string) {
    return this.#options.db
      .selectFrom("consent_approval")
      .selectAll()
      .where("id", "=", sha256Base64url(capability))
      .executeTakeFirst();
  }

  async #send(to: string, capability: string, institution: string, code: string): Promise<void> {
    const link = new URL(`/approvals/${capability}`, this.#options.issuer).href;
    await this.#options.sms.send({ to, template: "consent-request", code, link, institution });
  }
}

function narrow(pending: PendingApproval, decision: Decision): QueryAuthorization | undefined {
  const granted = new Set(grantedProducts(pending.notice, new Set(decision.classes)));
  const { terms } = pending.consent;
  const actions = terms.actions.filter((ref) => granted.has(ref));
  return actions.length === 0 ? undefined : { ...terms, actions };
}

/** Lost a race against another tab, the deadline, or an operator: nothing changed. */
function closedMeanwhile(error: unknown): ApprovalResult {
  const codes = ["consent-transition", "consent-expired"];
  if (error instanceof WjfError && codes.includes(error.code)) return { kind: "closed" };
  throw error;
}
