// The CIBA hooks: from a checked request to a stored consent, a pending approval and a message on the person's phone,
// and back from the person's decision to the waiting institution. What a hook learns is handed to the next in a WeakMap
// by request context; the raw login hint leaves the parameters before anything is stored.
import { errors as oidcErrors, type KoaContextWithOIDC, type Provider } from "oidc-provider";
import { WjfError } from "../../core/errors.ts";
import type { Approvals, Outcome } from "../approval/approvals.ts";
import { composeNotice, keepNotice } from "../approval/notice.ts";
import { type Client, findClient } from "../clients.ts";
import { type Consent, contactIndex, readConsent } from "../consent-record.ts";
import type { ConsentOptions } from "../consent-options.ts";
import type { FoundCode, OfferCodes } from "../credit-life/offer-codes.ts";
import type { ConsentLifecycle } from "../lifecycle.ts";
import { within } from "./adapter.ts";
import { type Person, personOf } from "./login-hint.ts";
import { parseRequest, type RequestedConsent } from "./request-profile.ts";

const MINUTE_MS = 60_000;

interface Pending {
  readonly client: Client;
  readonly requested: RequestedConsent;
  person?: Person;
  /** The consent is there already, given as a code. */
  code?: FoundCode;
  consentId?: string;
}

export interface BackchannelParts {
  readonly options: ConsentOptions;
  readonly lifecycle: ConsentLifecycle;
  readonly approvals: Approvals;
  readonly offerCodes: OfferCodes;
  readonly outcome: Outcome;
}

/** A `login_hint` that names a code for an offer instead of a person. */
const OFFER_CODE_HINT = "offer-code:";

type Parameters = Record<string, unknown>;

function parametersOf(ctx: KoaContextWithOIDC): Parameters {
  return ctx.oidc.params as Parameters;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export class Backchannel {
  readonly #parts: BackchannelParts;
  readonly #pending = new WeakMap<KoaContextWithOIDC, Pending>();

  constructor(parts: BackchannelParts) {
    this.#parts = parts;
  }

  /** validateRequestContext: the first hook that sees the whole request, so the profile is checked here. */
  async validate(ctx: KoaContextWithOIDC, requestContext: unknown): Promise<void> {
    if (requestContext !== undefined) {
      throw new oidcErrors.InvalidRequest("request_context is not supported");
    }
    const { db, products, clock } = this.#parts.options;
    const client = await findClient(db, ctx.oidc.client?.clientId ?? "");
    if (client === undefined) throw new oidcErrors.InvalidClientAuth("client not found");
    await this.#requireRate(client, clock.nowMs());
    const parameters = parametersOf(ctx);
    const requested = parseRequest(
      {
        scope: text(parameters["scope"]) ?? "",
        authorizationDetails: text(parameters["authorization_details"]),
      },
      client,
      products,
    );
    this.#pending.set(ctx, { client, requested });
  }

  /** processLoginHint: the "account" is this one consent, so nothing that leaves here is the same for one person. */
  async processLoginHint(ctx: KoaContextWithOIDC, hint: string): Promise<string | undefined> {
    const { subjectKey, directory, random } = this.#parts.options;
    const pending = this.#of(ctx);
    if (hint.startsWith(OFFER_CODE_HINT)) {
      parametersOf(ctx)["login_hint"] = undefined;
      return await this.#findCode(pending, hint.slice(OFFER_CODE_HINT.length));
    }
    const person = await personOf(hint, subjectKey, directory).catch((error: unknown) => {
      if (!(error instanceof WjfError)) throw error;
      throw new oidcErrors.InvalidRequest(`login_hint: ${error.detail ?? error.code}`);
    });
    // From here on nothing that the provider stores or logs holds the identifier.
    parametersOf(ctx)["login_hint"] = undefined;
    if (person === undefined) return undefined;
    pending.person = person;
    pending.consentId = random.bytes(18).toString("base64url");
    return pending.consentId;
  }

  /** A code that is right but asked under another purpose or product than its consent's is as good as wrong. */
  async #findCode(pending: Pending, text: string): Promise<string | undefined> {
    const { client, requested } = pending;
    const code = await this.#parts.offerCodes.find(client.client_id, text).catch(asOAuthError);
    if (code === undefined) return undefined;
    const { purpose, terms } = code.consent;
    const asked = requested.terms.actions;
    const same = asked.length === 1 && asked[0] === terms.actions[0];
    if (!same || requested.purpose !== purpose) return undefined;
    pending.code = code;
    pending.consentId = code.consent.id;
    return pending.consentId;
  }

  /** True while the account named is the request in this very context. */
  knows(ctx: KoaContextWithOIDC, accountId: string): boolean {
    return this.#pending.get(ctx)?.consentId === accountId;
  }

  /** triggerAuthenticationDevice: stores the question, then sends the message. Who gave a code has agreed already. */
  async trigger(ctx: KoaContextWithOIDC, authReqId: string, expiresInS: number): Promise<void> {
    const { code } = this.#of(ctx);
    if (code !== undefined) return await this.#redeem(code, authReqId);
    const { options, lifecycle, approvals } = this.#parts;
    const { transact, clock, issuer, atRest } = options;
    const { client, requested, person, consentId } = this.#of(ctx);
    if (person === undefined || consentId === undefined) throw new WjfError("internal");
    const audience = Object.keys(ctx.oidc.resourceServers ?? {})[0] ?? options.audiences[0];
    const body = composeNotice({ recipient: client, ...requested });
    const send = await transact(async (tx) => {
      const consent = await lifecycle.request(tx, {
        id: consentId,
        clientId: client.client_id,
        recipient: client.name,
        purpose: requested.purpose,
        terms: requested.terms,
        audience,
        subjectTag: person.tag,
        contactIndex: contactIndex(atRest, person.phone),
        notice: await keepNotice(tx, clock, issuer, body),
        lapsesAt: clock.nowMs() + expiresInS * 1000,
      });
      const bindingMessage = text(parametersOf(ctx)["binding_message"]);
      return approvals.open(tx, { consent, authReqId, phone: person.phone, bindingMessage });
    }).catch(asOAuthError);
    await send();
  }

  async #redeem(code: FoundCode, authReqId: string): Promise<void> {
    const { options, offerCodes, outcome } = this.#parts;
    await options
      .transact(async (tx) => outcome.granted(tx, authReqId, await offerCodes.redeem(tx, code)))
      .catch((error: unknown) => {
        if (!(error instanceof WjfError)) throw error;
        // Somebody was faster: the same words as for a code that never was (oidc-provider's own).
        throw new oidcErrors.UnknownUserId("could not identify end-user");
      });
  }

  async #requireRate(client: Client, now: number): Promise<void> {
    const { count } = await this.#parts.options.db
      .selectFrom("consent")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("client_id", "=", client.client_id)
      .where("requested_at", ">", now - MINUTE_MS)
      .executeTakeFirstOrThrow();
    if (count >= client.limits.consent_requests_per_minute) throw tooMany();
  }

  #of(ctx: KoaContextWithOIDC): Pending {
    const pending = this.#pending.get(ctx);
    if (pending === undefined) throw new WjfError("internal", "request not validated");
    return pending;
  }
}

/** RFC 6749 §4.1.2.1 `temporarily_unavailable`, as HTTP 429. */
function tooMany(): Error {
  const error = new oidcErrors.CustomOIDCProviderError(
    "temporarily_unavailable",
    "too many consent requests for now",
  );
  return Object.assign(error, { status: 429, statusCode: 429 });
}

function asOAuthError(error: unknown): never {
  throw error instanceof WjfError && error.code === "rate-limited" ? tooMany() : error;
}

/** Completes the waiting request with the person's decision; what the provider stores joins `tx`. */
export function outcomeThrough(provider: () => Provider): Outcome {
  return {
    async granted(tx, authReqId, consent) {
      await within(tx, async () => {
        const grantId = await saveGrant(provider(), consent);
        await provider().backchannelResult(authReqId, grantId, {
          authTime: Math.floor((consent.decidedAt ?? 0) / 1000),
          amr: ["sms"],
          rar: [consent.terms],
        });
      });
    },
    async refused(tx, authReqId) {
      await within(tx, () =>
        provider().backchannelResult(
          authReqId,
          new oidcErrors.AccessDenied("the person has refused"),
        ),
      );
    },
  };
}

/** The grant has the consent's id: a token's `grant_id` names both. Only what the person granted is in it. */
async function saveGrant(provider: Provider, consent: Consent): Promise<string> {
  const grant = new provider.Grant({ accountId: consent.id, clientId: consent.clientId });
  grant.jti = consent.id;
  grant.addOIDCScope("openid");
  grant.addResourceScope(consent.audience, [consent.purpose, ...consent.terms.actions].join(" "));
  return grant.save();
}

/** findAccount: a consent that has been asked for in this request, or one that is in force. */
export async function accountOf(
  ctx: KoaContextWithOIDC,
  id: string,
  backchannel: Backchannel,
  { db, atRest, clock }: ConsentOptions,
): Promise<boolean> {
  if (backchannel.knows(ctx, id)) return true;
  const consent = await readConsent(db, atRest, id).catch(() => undefined);
  return consent?.state === "ACTIVE" && consent.expiresAt > clock.nowMs();
}
