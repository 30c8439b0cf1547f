// A browser without script, for the tests of the pages: opens them, reads their controls, posts their forms.
import {
  initiateBackchannelAuthentication,
  allowInsecureRequests,
  discovery,
  PrivateKeyJwt,
} from "openid-client";
import type { Fixture } from "./oidc-fixture.ts";
import { PHONE } from "./oidc-fixture.ts";

export interface Opened {
  readonly response: Response;
  readonly html: string;
}

export async function openPage(url: string, init: RequestInit = {}): Promise<Opened> {
  const response = await fetch(url, { redirect: "manual", ...init });
  return { response, html: await response.text() };
}

export interface Input {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly value: string;
  readonly checked: boolean;
}

export function inputs(html: string): Input[] {
  return [...html.matchAll(/<input\b([^>]*)>/g)].map(([, attributes = ""]) => {
    const read = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    return {
      type: read("type"),
      id: read("id"),
      name: read("name"),
      value: read("value"),
      checked: /\bchecked\b/.test(attributes),
    };
  });
}

export function post(
  url: string,
  fields: Record<string, string | readonly string[]>,
  headers: Record<string, string> = {},
): Promise<Opened> {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of typeof value === "string" ? [value] : value) form.append(name, one);
  }
  return openPage(url, { method: "POST", body: form, headers });
}

export const decide = post;

/** An institution asks; the answer is what the person gets by SMS. */
export async function askForConsent(
  fixture: Fixture,
  products: readonly string[] = ["credit-score@1", "id-check@1"],
): Promise<{ link: string; code: string; id: string }> {
  const { kid, privateKey } = fixture.keys;
  const config = await discovery(
    new URL(fixture.origin),
    "demo-bank",
    undefined,
    PrivateKeyJwt({ key: privateKey, kid }),
    { execute: [allowInsecureRequests] },
  );
  await initiateBackchannelAuthentication(config, {
    scope: ["openid dpv:CreditChecking", ...products].join(" "),
    login_hint: `tel:${PHONE}`,
    binding_message: "A-117",
    authorization_details: JSON.stringify([
      {
        type: "weijifen_query",
        actions: products,
        fetch: "ONETIME",
        max_uses: 2,
        result: "score",
        retention: { unit: "DAY", value: 30 },
      },
    ]),
  });
  const { link = "", code = "" } = fixture.outbox.at(-1) ?? {};
  return { link, code, id: fixture.events.at(-1)?.consent_id ?? "" };
}
