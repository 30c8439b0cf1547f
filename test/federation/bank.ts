// An institution in tests: registered with the authority, given consents by the lifecycle (as an approval would), and
// asking the gateway over HTTP with a token and a DPoP proof. Every part of a request can be bent before it is sent.
import { createPrivateKey, type KeyObject, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";
import { addClient, type ClientLimits, DEFAULT_LIMITS } from "../../consent/clients.ts";
import { systemClock } from "../../core/clock.ts";
import { sha256Base64url } from "../../core/canonical.ts";
import {
  generateP256,
  importPublic,
  normaliseCnId,
  normaliseMsisdn,
  publicP256,
  sealJson,
  sealSubject,
  subjectTag,
} from "../../crypto/index.ts";
import { readFederation } from "../../consent/epochs.ts";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import type { Federation } from "./federation.ts";

export const PRODUCTS = ["identity-verification@1", "location-verification@1", "credit-score@1"];

const NO_BUDGET = { queries_per_person_per_day: null, claims_per_person_per_day: null };

export interface ConsentWish {
  /** A phone number, or an 18-character ID number. */
  readonly subject: string;
  readonly products?: readonly string[];
  readonly maxUses?: number;
  readonly result?: "boolean" | "score" | "tags";
  /** PERIODIC, at most so often. */
  readonly frequency?: { readonly unit: "HOUR" | "DAY"; readonly value: number };
}

export interface GivenConsent {
  readonly id: string;
  readonly token: string;
  readonly claims: Record<string, unknown>;
}

export interface Sent {
  readonly token?: string | null;
  readonly proof?: string | null;
  readonly body?: string;
  readonly accept?: string;
}

export class Bank {
  readonly clientId: string;
  readonly encryptionKey = generateP256("enc");
  readonly #federation: Federation;
  readonly #dpop: CryptoKey;
  readonly #jwk: Record<string, unknown>;
  readonly #jkt: string;

  private constructor(
    federation: Federation,
    clientId: string,
    dpop: CryptoKey,
    jwk: Record<string, unknown>,
    jkt: string,
  ) {
    this.clientId = clientId;
    this.#federation = federation;
    this.#dpop = dpop;
    this.#jwk = jwk;
    this.#jkt = jkt;
  }

  static async register(
    federation: Federation,
    options: {
      clientId?: string;
      sealedOnly?: boolean;
      products?: readonly string[];
      /** Without them it may ask as often as its consents allow. */
      limits?: Partial<ClientLimits>;
    } = {},
  ): Promise<Bank> {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const jwk = await exportJWK(publicKey);
    const jkt = await calculateJwkThumbprint(jwk);
    const clientId = options.clientId ?? `bank-${randomUUID().slice(0, 8)}`;
    const bank = new Bank(federation, clientId, privateKey, jwk, jkt);
    const { kty, crv, x, y } = publicP256(bank.encryptionKey);
    const keys = [
      { kty: "EC", crv: "P-256", x: jwk.x, y: jwk.y, kid: jkt, use: "sig" },
      { kty, crv, x, y, kid: "enc-1", use: "enc" },
    ];
    await addClient(federation.authority.service.options.db, systemClock, {
      client_id: clientId,
      name: "Test Bank",
      contact: "test@bank.example",
      jwks: { keys: keys as never },
      products: [...(options.products ?? PRODUCTS)] as never,
      purposes: ["dpv:CreditChecking"],
      sealed_only: options.sealedOnly ?? false,
      limits: { ...DEFAULT_LIMITS, ...NO_BUDGET, ...options.limits },
    });
    return bank;
  }

  async consent(wish: ConsentWish): Promise<GivenConsent> {
    const { service } = this.#federation.authority;
    const { options, lifecycle } = service;
    const id = randomUUID().replaceAll("-", "");
    const terms = {
      type: "weijifen_query" as const,
      actions: [...(wish.products ?? PRODUCTS)] as never,
      ...(wish.frequency === undefined
        ? { fetch: "ONETIME" as const }
        : { fetch: "PERIODIC" as const, frequency: wish.frequency }),
      max_uses: wish.maxUses ?? 10,
      result: wish.result ?? ("score" as const),
      retention: { unit: "DAY" as const, value: 30 },
      term: { unit: "DAY" as const, value: 1 },
    };
    const notice = {
      uri: `${options.issuer}/notices/test`,
      version: "test",
      sha256: sha256Base64url("test notice"),
    };
    const isId = /^\d{17}[\dXx]$/.test(wish.subject);
    const tag = isId
      ? subjectTag(options.subjectKey, "cn-id", normaliseCnId(wish.subject))
      : subjectTag(options.subjectKey, "msisdn", normaliseMsisdn(wish.subject));
    const consent = await options.transact(async (tx) => {
      await lifecycle.request(tx, {
        id,
        clientId: this.clientId,
        recipient: "Test Bank",
        purpose: "dpv:CreditChecking",
        terms,
        audience: options.audiences[0],
        subjectTag: tag,
        contactIndex: "test",
        notice,
        lapsesAt: Date.now() + 600_000,
      });
      return await lifecycle.approve(tx, id, { terms, evidence: { by: "test" } });
    });
    const jti = randomUUID();
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: options.issuer,
      aud: options.audiences[0],
      client_id: this.clientId,
      sub: sealSubject(options.subjectMasterKey, 1, tag, jti),
      jti,
      iat: now,
      nbf: now,
      exp: now + (wish.frequency === undefined ? 3600 : 86_400),
      cnf: { jkt: this.#jkt },
      scope: ["dpv:CreditChecking", ...terms.actions].join(" "),
      authorization_details: [terms],
      recipient: "Test Bank",
      notice,
      collection: {
        method: "test",
        time: new Date().toISOString(),
        evidence_hash: sha256Base64url("evidence"),
      },
      grant_id: id,
      status: {
        status_list: { idx: consent.status?.index ?? -1, uri: service.statusLists.uri(0) },
      },
    };
    return { id, claims, token: await this.signToken(claims) };
  }

  /** Signs any claims as the authority would; header and key can be bent. */
  async signToken(
    claims: Record<string, unknown>,
    bent: { header?: Record<string, unknown>; key?: KeyObject } = {},
  ): Promise<string> {
    const secrets = readAuthoritySecrets(`${this.#federation.settings.home}/authority/secrets`);
    const { current } = secrets.tokenKeys;
    const { kty, crv, x, y, d, kid } = current;
    const key = bent.key ?? createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" });
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid, ...bent.header })
      .sign(key);
  }

  async proof(
    token: string,
    body: string,
    bent: {
      claims?: Record<string, unknown>;
      header?: Record<string, unknown>;
      key?: CryptoKey;
    } = {},
  ): Promise<string> {
    const claims = {
      jti: randomUUID(),
      htm: "POST",
      htu: `${this.#federation.settings.gatewayUrl}/v1/queries`,
      iat: Math.floor(Date.now() / 1000),
      ath: sha256Base64url(token),
      "camara:bh": sha256Base64url(body),
      ...bent.claims,
    };
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: this.#jwk, ...bent.header })
      .sign(bent.key ?? this.#dpop);
  }

  /** A request as it goes over the wire, signed by this institution; every part can be bent. */
  async sign(
    consent: GivenConsent,
    body: object | string,
    bent: { token?: string; proof?: Parameters<Bank["proof"]>[2] } = {},
  ): Promise<{ token: string; proof: string; body: Buffer }> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const token = bent.token ?? consent.token;
    return { token, proof: await this.proof(token, text, bent.proof), body: Buffer.from(text) };
  }

  async sealClaims(claims: unknown): Promise<string> {
    const path = `${this.#federation.settings.home}/authority/federation.json`;
    const { group_key } = readFederation(path);
    const header = { typ: "weijifen-claims+jwe", kid: group_key.kid };
    return await sealJson(claims, importPublic(group_key), header);
  }

  /** Sends one question; `null` leaves a part out. */
  async send(consent: GivenConsent, body: object | string, sent: Sent = {}): Promise<Response> {
    const text = sent.body ?? (typeof body === "string" ? body : JSON.stringify(body));
    const token = sent.token === undefined ? consent.token : sent.token;
    const proof =
      sent.proof === undefined ? await this.proof(token ?? consent.token, text) : sent.proof;
    return await fetch(`${this.#federation.gateway.url}/v1/queries`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === null ? {} : { authorization: `DPoP ${token}` }),
        ...(proof === null ? {} : { dpop: proof }),
        ...(sent.accept === undefined ? {} : { accept: sent.accept }),
      },
      body: text,
    });
  }

  async ask(consent: GivenConsent, product: string, claims?: unknown): Promise<Reply> {
    const sealed = claims === undefined ? {} : { claims: await this.sealClaims(claims) };
    const response = await this.send(consent, { product, ...sealed });
    return { status: response.status, ...((await response.json()) as object) } as Reply;
  }
}

export interface Reply {
  readonly status: number;
  readonly code?: string;
  readonly query_id: string;
  readonly answer: Record<string, unknown> & { readonly value: unknown };
  readonly coverage: { readonly answered: number; readonly of: number };
  readonly receipt: string;
}

export { importJWK };
