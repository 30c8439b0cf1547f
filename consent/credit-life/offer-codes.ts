// One-time codes for offers. Making a code is giving a consent: for this merchant, this offer's threshold, one answer, yes
// or no; consent, leaves and code are one transaction. Redeeming is a CIBA request that names the code instead of a person
// (consent/oidc/backchannel.ts). A code that is unknown, over, used, withdrawn or another merchant's is the same nothing.
import { sql } from "kysely";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { SubjectTag } from "../../core/ids.ts";
import type { FindProduct } from "../approval/data-classes.ts";
import {
  composeNotice,
  grantedProducts,
  keepNotice,
  type NoticeBody,
  sensitiveClasses,
} from "../approval/notice.ts";
import type { AtRest } from "../at-rest.ts";
import { type Client, findClient } from "../clients.ts";
import { AUTHORIZATION_TYPE, type QueryAuthorization } from "../consent-claims.ts";
import { type Consent, readConsent } from "../consent-record.ts";
import type { ConsentLifecycle } from "../lifecycle.ts";
import type { ConsentDb, Transact } from "../schema.ts";
import { newCode, parseCode } from "./code-text.ts";
import { type LiveOffer, liveOffers, mayOffer, OFFER_PURPOSE } from "./offers.ts";

const HOUR_MS = 3_600_000;
export const CODE_TTL_MS = 10 * 60_000;
export const CODES_PER_HOUR = 10;
/** Wrong codes of one merchant: against 2^50, with thousands of codes waiting, hopeless. */
export const WRONG_PER_HOUR = 20;

const CODE_LABEL = "offer.code";

export interface OfferCodeOptions {
  readonly db: ConsentDb;
  readonly transact: Transact;
  readonly atRest: AtRest;
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly audiences: readonly [string, ...string[]];
  readonly products: FindProduct;
  readonly lifecycle: ConsentLifecycle;
}

/** An offer, and all that somebody is told before making a code for it. */
export interface ShownOffer {
  readonly offer: LiveOffer;
  readonly notice: NoticeBody;
}

export interface CodeWish {
  readonly contactIndex: string;
  readonly subjectTag: SubjectTag;
  /** Ids of the sensitive classes that were ticked, each by its own box. */
  readonly classes: readonly string[];
  readonly recipient: boolean;
  readonly lang: string;
}

export type MadeCode =
  | { readonly kind: "made"; readonly code: string; readonly expiresAt: number }
  | { readonly kind: "recipient-missing" | "nothing-granted" | "too-many-codes" | "gone" };

export interface FoundCode {
  readonly mac: string;
  readonly consent: Consent;
}

export class OfferCodes {
  readonly #options: OfferCodeOptions;

  constructor(options: OfferCodeOptions) {
    this.#options = options;
  }

  /** What there is now. */
  async list(): Promise<LiveOffer[]> {
    const { db, clock, products } = this.#options;
    const offers = await liveOffers(db, clock.nowMs());
    return offers.filter(({ product }) => products(product) !== undefined);
  }

  async show(id: string): Promise<ShownOffer | undefined> {
    const { db, clock } = this.#options;
    return (await this.#open(db, id, clock.nowMs()))?.shown;
  }

  async make(offerId: string, wish: CodeWish): Promise<MadeCode> {
    const { transact, lifecycle, atRest, random, clock, issuer, audiences } = this.#options;
    return await transact<MadeCode>(async (tx) => {
      const nowMs = clock.nowMs();
      const opened = await this.#open(tx, offerId, nowMs);
      if (opened === undefined) return { kind: "gone" };
      const { client, shown } = opened;
      const { offer, notice } = shown;
      if (!wish.recipient) return { kind: "recipient-missing" };
      if (grantedProducts(notice, new Set(wish.classes)).length === 0) {
        return { kind: "nothing-granted" };
      }
      if ((await codesWithin(tx, wish.contactIndex, nowMs - HOUR_MS)) >= CODES_PER_HOUR) {
        return { kind: "too-many-codes" };
      }
      const { terms } = notice;
      const kept = await keepNotice(tx, clock, issuer, notice);
      const id = random.bytes(18).toString("base64url");
      const expiresAt = nowMs + CODE_TTL_MS;
      await lifecycle.request(tx, {
        id,
        clientId: client.client_id,
        recipient: client.name,
        purpose: OFFER_PURPOSE,
        terms,
        audience: audiences[0],
        subjectTag: wish.subjectTag,
        contactIndex: wish.contactIndex,
        notice: kept,
        lapsesAt: expiresAt,
      });
      const evidence = {
        consent_id: id,
        notice_sha256: kept.sha256,
        method: "offer-code",
        offer: { id: offer.id, ...offer.title },
        classes_offered: sensitiveClasses(notice).map((each) => each.id),
        classes_ticked: [...wish.classes],
        recipient_ticked: true,
        products: [...terms.actions],
        lang: wish.lang,
      };
      await lifecycle.approve(tx, id, { terms, evidence });
      const code = newCode(random);
      await tx
        .insertInto("offer_code")
        .values({
          code_mac: atRest.index(CODE_LABEL, code),
          offer_id: offer.id,
          consent_id: id,
          created_at: nowMs,
          expires_at: expiresAt,
          redeemed_at: null,
        })
        .execute();
      return { kind: "made", code, expiresAt };
    });
  }

  /**
   * The consent that a code is, if this merchant may redeem it now; nothing has been redeemed by that. An attempt is
   * counted before the code is looked at, and given back when it is right: a race or a crash buys no further guess.
   * @throws WjfError `rate-limited`.
   */
  async find(clientId: string, text: string): Promise<FoundCode | undefined> {
    const { db, atRest, clock } = this.#options;
    const nowMs = clock.nowMs();
    const hour = Math.floor(nowMs / HOUR_MS);
    await countAttempt(db, clientId, hour);
    // Whatever does not read as a code is looked up too, so it takes as long.
    const mac = atRest.index(CODE_LABEL, parseCode(text) ?? "");
    const row = await db
      .selectFrom("offer_code")
      .innerJoin("offer", "offer.id", "offer_code.offer_id")
      .innerJoin("consent", "consent.id", "offer_code.consent_id")
      .select("offer_code.consent_id")
      .where("offer_code.code_mac", "=", mac)
      .where("offer_code.redeemed_at", "is", null)
      .where("offer_code.expires_at", ">", nowMs)
      .where("offer.client_id", "=", clientId)
      .where("offer.retired_at", "is", null)
      .where("offer.valid_until", ">", nowMs)
      .whereRef("offer.uses", "<", "offer.max_uses")
      .where("consent.state", "=", "ACTIVE")
      .executeTakeFirst();
    if (row === undefined) return undefined;
    await db
      .updateTable("offer_attempt")
      .set((eb) => ({ failures: eb("failures", "-", 1) }))
      .where("client_id", "=", clientId)
      .where("hour", "=", hour)
      .execute();
    return { mac, consent: await readConsent(db, atRest, row.consent_id) };
  }

  /** Uses the code up, once. @throws WjfError `offer-code-refused`, `consent-*`; the transaction must roll back then. */
  async redeem(tx: ConsentDb, { mac }: FoundCode): Promise<Consent> {
    const { clock, lifecycle } = this.#options;
    const nowMs = clock.nowMs();
    const code = await tx
      .updateTable("offer_code")
      .set({ redeemed_at: nowMs })
      .where("code_mac", "=", mac)
      .where("redeemed_at", "is", null)
      .where("expires_at", ">", nowMs)
      .returning(["offer_id", "consent_id"])
      .executeTakeFirst();
    if (code === undefined) throw new WjfError("offer-code-refused");
    const { numUpdatedRows } = await tx
      .updateTable("offer")
      .set((eb) => ({ uses: eb("uses", "+", 1) }))
      .where("id", "=", code.offer_id)
      .where("retired_at", "is", null)
      .where("valid_until", ">", nowMs)
      .whereRef("uses", "<", "max_uses")
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw new WjfError("offer-code-refused");
    return await lifecycle.requireActive(tx, code.consent_id);
  }

  /** Forgets what is too old to count for anything. */
  async forgetOld(db: ConsentDb): Promise<void> {
    const hourAgo = this.#options.clock.nowMs() - HOUR_MS;
    await db.deleteFrom("offer_code").where("expires_at", "<", hourAgo).execute();
    await db
      .deleteFrom("offer_attempt")
      .where("hour", "<", Math.floor(hourAgo / HOUR_MS))
      .execute();
  }

  async #open(
    db: ConsentDb,
    id: string,
    nowMs: number,
  ): Promise<{ readonly client: Client; readonly shown: ShownOffer } | undefined> {
    const [offer] = await liveOffers(db, nowMs, id);
    if (offer === undefined) return undefined;
    const product = this.#options.products(offer.product);
    const client = await findClient(db, offer.client_id);
    if (product === undefined || client === undefined || !mayOffer(client, offer.product)) {
      return undefined;
    }
    const notice = composeNotice({
      recipient: client,
      purpose: OFFER_PURPOSE,
      products: [product],
      terms: termsOf(offer),
    });
    return { client, shown: { offer, notice } };
  }
}

/** One yes or no. The hour is for asking after the code has been redeemed. */
function termsOf({ product }: LiveOffer): QueryAuthorization {
  return {
    type: AUTHORIZATION_TYPE,
    actions: [product],
    fetch: "ONETIME",
    max_uses: 1,
    result: "boolean",
    retention: { unit: "DAY", value: 30 },
    term: { unit: "HOUR", value: 1 },
  };
}

async function codesWithin(tx: ConsentDb, contactIndex: string, sinceMs: number): Promise<number> {
  const { count } = await tx
    .selectFrom("offer_code")
    .innerJoin("consent", "consent.id", "offer_code.consent_id")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("consent.contact_index", "=", contactIndex)
    .where("offer_code.created_at", ">", sinceMs)
    .executeTakeFirstOrThrow();
  return count;
}

async function countAttempt(db: ConsentDb, clientId: string, hour: number): Promise<void> {
  const { failures } = await db
    .insertInto("offer_attempt")
    .values({ client_id: clientId, hour, failures: 1 })
    .onConflict((conflict) =>
      conflict
        .columns(["client_id", "hour"])
        .doUpdateSet({ failures: sql`offer_attempt.failures + 1` }),
    )
    .returning("failures")
    .executeTakeFirstOrThrow();
  if (failures > WRONG_PER_HOUR) throw new WjfError("rate-limited", "codes");
}
