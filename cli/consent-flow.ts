// Getting a consent token as an institution does, with the stock OAuth client: OpenID CIBA, private_key_jwt, DPoP. The
// person's part is a callback; for the sandbox there is one that reads the code from the outbox and sends the approval
// form, as a person would. Nothing here is known to the authority that a stranger's client would not send.
import { readFile } from "node:fs/promises";
import { createHash, type webcrypto } from "node:crypto";
import * as oauth from "openid-client";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { AUTHORIZATION_TYPE, type Period, type ResultForm } from "../consent/consent-claims.ts";
import { OutboxMessage } from "../consent/sms.ts";

export interface ClientKey {
  readonly kid: string;
  /** ECDSA P-256 private key. */
  readonly privateKey: webcrypto.CryptoKey;
}

export interface ConsentWish {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientKey: ClientKey;
  /** `tel:+86…` or `cn-id:…`. */
  readonly loginHint: string;
  /** `dpv:CreditChecking` and the like. */
  readonly purpose: string;
  readonly products: readonly string[];
  readonly limits: {
    readonly fetch: "ONETIME" | "PERIODIC";
    readonly frequency?: Period;
    readonly max_uses: number;
    readonly result: ResultForm;
    readonly retention: Period;
    readonly term?: Period;
  };
  /** The gateway; without it the authority's default. */
  readonly resource?: string;
  readonly bindingMessage?: string;
  /** Binds the token to this key instead of a fresh one: a batch needs one key for all its tokens. */
  readonly dpopKey?: webcrypto.CryptoKeyPair;
  /** Called once the authority has taken the request: gets the person to decide, and resolves when they have. */
  readonly approve?: () => Promise<void>;
}

export interface ObtainedConsent {
  readonly token: string;
  readonly expiresInS: number;
  /** The key the token is bound to. */
  readonly dpopKey: webcrypto.CryptoKeyPair;
  /** Sends a request with this token and a proof over its body. */
  post(url: URL, body: string, headers?: Record<string, string>): Promise<Response>;
}

/** @throws openid-client's errors, with the OAuth error code in `error` and `cause`. */
export async function obtainConsent(wish: ConsentWish): Promise<ObtainedConsent> {
  const config = await discover(wish);
  const pending = await oauth.initiateBackchannelAuthentication(config, {
    scope: ["openid", wish.purpose, ...wish.products].join(" "),
    login_hint: wish.loginHint,
    authorization_details: JSON.stringify([
      { type: AUTHORIZATION_TYPE, actions: wish.products, ...wish.limits },
    ]),
    ...(wish.resource !== undefined && { resource: wish.resource }),
    ...(wish.bindingMessage !== undefined && { binding_message: wish.bindingMessage }),
  });
  const dpopKey = wish.dpopKey ?? (await oauth.randomDPoPKeyPair("ES256"));
  await wish.approve?.();
  // When the decision has been waited for, the first poll need not wait for the interval again.
  const response = wish.approve === undefined ? pending : { ...pending, interval: 0 };
  const tokens = await oauth.pollBackchannelAuthenticationGrant(config, response, undefined, {
    DPoP: oauth.getDPoPHandle(config, dpopKey),
  });
  const { access_token: token } = tokens;
  return {
    token,
    expiresInS: tokens.expires_in ?? 0,
    dpopKey,
    post: (url, body, headers) => postWithProof(config, dpopKey, token, url, body, headers),
  };
}

async function discover({
  issuer,
  clientId,
  clientKey,
}: ConsentWish): Promise<oauth.Configuration> {
  const { kid, privateKey } = clientKey;
  const insecure = issuer.startsWith("http:") ? [oauth.allowInsecureRequests] : [];
  return oauth.discovery(
    new URL(issuer),
    clientId,
    { id_token_signed_response_alg: "ES256" },
    oauth.PrivateKeyJwt({ key: privateKey, kid }),
    { execute: insecure },
  );
}

/** RFC 9449 proof whose `camara:bh` binds the body: base64url(SHA-256(body)). */
async function postWithProof(
  config: oauth.Configuration,
  dpopKey: webcrypto.CryptoKeyPair,
  token: string,
  url: URL,
  body: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const bodyHash = createHash("sha256").update(body).digest("base64url");
  const handle = oauth.getDPoPHandle(config, dpopKey, {
    [oauth.modifyAssertion]: (_header, payload) => {
      payload["camara:bh"] = bodyHash;
    },
  });
  return oauth.fetchProtectedResource(
    config,
    token,
    url,
    "POST",
    body,
    new Headers({ "content-type": "application/json", ...headers }),
    { DPoP: handle },
  );
}

/**
 * The newest message in the sandbox's outbox, to this phone or to any.
 * @throws WjfError `data-invalid` when there is none.
 */
export async function latestMessage(outboxPath: string, to?: string): Promise<OutboxMessage> {
  const lines = (await readFile(outboxPath, "utf8").catch(() => "")).split("\n").filter(Boolean);
  const messages = lines.map((line) =>
    parseJsonWith(OutboxMessage, line, "data-invalid", "outbox"),
  );
  const latest = messages.findLast((message) => to === undefined || message.to === to);
  if (latest === undefined) throw new WjfError("data-invalid", "outbox: no message");
  return latest;
}

/** Says yes to everything, as the person would: fills in the form that the page shows, with the code from the message. */
export async function approveInSandbox(message: OutboxMessage): Promise<void> {
  if (message.link === undefined) throw new WjfError("data-invalid", "outbox: no link");
  const page = await fetch(message.link);
  const form = new URLSearchParams({ decision: "approve", recipient: "yes", code: message.code });
  for (const [, id] of (await page.text()).matchAll(/name="class"\s+value="([a-z]+)"/g)) {
    form.append("class", id as string);
  }
  const answer = await fetch(message.link, { method: "POST", body: form });
  if (answer.status !== 200) throw new WjfError("consent-transition", "the approval was not taken");
}
