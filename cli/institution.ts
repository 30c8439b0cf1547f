// The institution's side of a question, as `wjf ask` and the demo use it: consent by CIBA, claims sealed to the group key
// of a roster that the authority signed, the request signed with DPoP, a sealed answer opened.
import { randomUUID, webcrypto } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { partyFolder, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import {
  importPrivate,
  importPublic,
  openJson,
  openRoster,
  type PrivateP256Jwk,
  sealJson,
} from "../crypto/index.ts";
import { OFFER_PURPOSE, type Period, QUERIES_PATH, type ResultForm } from "../consent/index.ts";
import {
  approveInSandbox,
  latestMessage,
  obtainConsent,
  type ObtainedConsent,
} from "./consent-flow.ts";
import { consentRefused, unreachable } from "./consent-refusal.ts";
import { refusal } from "./gateway-problem.ts";
import type { InstitutionKeys } from "./demo-institution.ts";

export interface Subject {
  readonly kind: "msisdn" | "cn-id";
  readonly value: string;
}

interface Wish {
  readonly products: readonly string[];
  readonly purpose: string;
  readonly result: ResultForm;
  readonly maxUses: number;
  /** Asked again and again, at most so often, for so long; once without it. */
  readonly periodic?: { readonly frequency: Period; readonly term: Period };
  /** Binds the token to the institution's own key, as the rows of a batch have to be. */
  readonly boundToOwnKey?: boolean;
}

export interface ConsentOptions extends Wish {
  readonly subject: Subject;
  /** The sandbox's person agrees at once; otherwise a real person has to. */
  readonly sandboxApproves: boolean;
}

export const GatewayAnswer = z.looseObject({
  query_id: z.string(),
  product: z.string(),
  answer: z.looseObject({ kind: z.string() }),
  coverage: z.object({ answered: z.int(), of: z.int() }),
  receipt: z.string(),
});
export type GatewayAnswer = z.infer<typeof GatewayAnswer>;

export interface TimedAnswer {
  readonly reply: GatewayAnswer;
  readonly ms: number;
}

const Products = z.looseObject({
  products: z.array(
    z.looseObject({
      product: z.string(),
      title: z.object({ zh: z.string(), en: z.string() }),
      kind: z.enum(["yes_no", "score", "tags", "alerts"]),
    }),
  ),
});
export type ListedProduct = z.infer<typeof Products>["products"][number];

const RosterHolder = z.looseObject({ roster: z.string() });

export class Institution {
  readonly #settings: Settings;
  readonly #keys: InstitutionKeys;

  constructor(settings: Settings, keys: InstitutionKeys) {
    this.#settings = settings;
    this.#keys = keys;
  }

  /** @throws WjfError `consent-refused`, `person-unknown`, `scope-refused`, `rate-limited`, `client-unknown`: cli/consent-refusal.ts. */
  async consent(options: ConsentOptions): Promise<ObtainedConsent> {
    const outbox = join(partyFolder(this.#settings.home, "authority"), "outbox.ndjson");
    const approve = async (): Promise<void> => approveInSandbox(await latestMessage(outbox));
    const hint = loginHint(options.subject);
    return await this.#obtain(hint, options, options.sandboxApproves ? approve : undefined).catch(
      consentRefused,
    );
  }

  /** The consent that a person gave as a code for one of our offers. @throws WjfError `offer-code-refused`, `rate-limited`. */
  async redeem(code: string, product: string): Promise<ObtainedConsent> {
    const wish = { products: [product], purpose: OFFER_PURPOSE, maxUses: 1 } as const;
    const decided = async (): Promise<void> => {};
    const hint = `offer-code:${code}`;
    return await this.#obtain(hint, { ...wish, result: "boolean" }, decided).catch(codeRefused);
  }

  /** @param approve resolves when the person has decided */
  async #obtain(
    loginHint: string,
    { purpose, products, maxUses, result, periodic, boundToOwnKey }: Wish,
    approve: (() => Promise<void>) | undefined,
  ): Promise<ObtainedConsent> {
    const { privateKey, publicKey } = await importPair(this.#keys.signing);
    const { kid } = this.#keys.signing;
    return await obtainConsent({
      issuer: this.#settings.authorityUrl,
      clientId: this.#keys.clientId,
      clientKey: { kid: kid ?? "", privateKey },
      loginHint,
      purpose,
      products,
      limits: {
        fetch: periodic === undefined ? "ONETIME" : "PERIODIC",
        ...periodic,
        max_uses: maxUses,
        result,
        retention: { unit: "DAY", value: 30 },
      },
      ...(approve && { approve }),
      ...(boundToOwnKey === true && { dpopKey: { privateKey, publicKey } }),
    });
  }

  /** @throws WjfError `federation-unavailable` when nobody is there. */
  async #get(path: string): Promise<Response> {
    return await fetch(new URL(path, this.#settings.gatewayUrl)).catch((error: unknown) =>
      unreachable("the gateway", error),
    );
  }

  /** As the gateway lists it, institutions' own models included. @throws WjfError `product-unknown`. */
  async product(ref: string): Promise<ListedProduct> {
    const response = await this.#get("/v1/products");
    const { products } = parseWith(Products, await response.json(), "internal", "products");
    const found = products.find(({ product }) => product === ref);
    if (found === undefined) throw new WjfError("product-unknown");
    return found;
  }

  /** Seals claims to the provinces' group key. */
  async sealClaims(claims: unknown): Promise<string> {
    const seal = await this.claimsSealer();
    return await seal(claims);
  }

  /** Seals many to the key that is the provinces' now, once the roster's signature has been verified. */
  async claimsSealer(): Promise<(claims: unknown) => Promise<string>> {
    const response = await this.#get("/v1/federation");
    const holder = parseWith(RosterHolder, await response.json(), "federation-unavailable");
    const { roster } = await openRoster(holder.roster, this.#keys.trustAnchor);
    const header = { typ: "weijifen-claims+jwe", kid: roster.group_key.kid };
    const key = importPublic(roster.group_key);
    return async (claims) => await sealJson(claims, key, header);
  }

  /** Repeats what the gateway says may be repeated. @throws WjfError the gateway's code. */
  async post(
    consent: ObtainedConsent,
    path: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const url = new URL(path, this.#settings.gatewayUrl);
    let response = await consent.post(url, body, headers);
    for (let attempt = 1; mayComeAgain(response) && attempt < ATTEMPTS; attempt++) {
      await response.body?.cancel();
      await pause(Number(response.headers.get("retry-after")) * 1000);
      response = await consent.post(url, body, headers);
    }
    if (!response.ok) throw refusal(await response.text());
    return response;
  }

  /** @throws WjfError the gateway's code. */
  async ask(
    consent: ObtainedConsent,
    product: string,
    options: { readonly claims?: unknown; readonly sealed?: boolean } = {},
  ): Promise<TimedAnswer> {
    const sealed =
      options.claims === undefined ? {} : { claims: await this.sealClaims(options.claims) };
    // An id of its own makes a repetition the same question, which is answered and spent once.
    const body = JSON.stringify({ product, query_id: randomUUID(), ...sealed });
    const accept = options.sealed === true ? "application/jose" : "application/json";
    const startedMs = performance.now();
    const response = await this.post(consent, QUERIES_PATH, body, { accept });
    const text = await response.text();
    const ms = performance.now() - startedMs;
    const type = response.headers.get("content-type") ?? "";
    const value = type.startsWith("application/jose")
      ? await openJson(text, importPrivate(this.#keys.encryption), "internal")
      : (JSON.parse(text) as unknown);
    return { reply: parseWith(GatewayAnswer, value, "internal", "answer"), ms };
  }
}

async function importPair(jwk: PrivateP256Jwk): Promise<webcrypto.CryptoKeyPair> {
  const { kty, crv, x, y, d } = jwk;
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey("jwk", { kty, crv, x, y, d }, algorithm, false, ["sign"]),
    publicKey: await subtle.importKey("jwk", { kty, crv, x, y }, algorithm, true, ["verify"]),
  };
}

function loginHint({ kind, value }: Subject): string {
  return `${kind === "msisdn" ? "tel" : "cn-id"}:${value}`;
}

/** What the authority says of a code that it will not take (CIBA §13), or of too many. */
function codeRefused(error: unknown): never {
  const { error: code } = error as { readonly error?: unknown };
  if (code === "unknown_user_id") throw new WjfError("offer-code-refused");
  if (code === "temporarily_unavailable") throw new WjfError("rate-limited", "codes");
  return consentRefused(error);
}

const ATTEMPTS = 5;

function mayComeAgain({ ok, headers }: Response): boolean {
  return !ok && headers.has("retry-after");
}
