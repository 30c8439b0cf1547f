// A person at the portal without a browser: signs in with the code from the sandbox's outbox, and keeps the cookie.
import { join } from "node:path";
import { latestMessage } from "../../cli/consent-flow.ts";
import { partyFolder } from "../../core/config.ts";
import { inputs, openPage, type Opened, post } from "../consent/approval-browser.ts";
import type { Federation } from "../federation/federation.ts";

export function hidden(page: string, name: string): string {
  return inputs(page).find((input) => input.name === name)?.value ?? "";
}

/** Waits for the message that signing in sends after it has answered. */
export async function signInCode({ settings }: Federation, msisdn: string): Promise<string> {
  const outbox = join(partyFolder(settings.home, "authority"), "outbox.ndjson");
  for (;;) {
    const message = await latestMessage(outbox, msisdn);
    if (message.template === "sign-in") return message.code;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class SignedIn {
  readonly cookie: string;
  /** Where the person has come to by signing in. */
  readonly location: string;
  readonly #origin: string;

  private constructor(origin: string, cookie: string, location: string) {
    this.#origin = origin;
    this.cookie = cookie;
    this.location = location;
  }

  static async as(federation: Federation, msisdn: string, next: string): Promise<SignedIn> {
    const { url } = federation.authority;
    const { html } = await post(`${url}/consents/session`, { phone: msisdn, next });
    const code = await signInCode(federation, msisdn);
    const form = { ticket: hidden(html, "ticket"), code, next };
    const { response } = await post(`${url}/consents/session`, form);
    const cookie = (response.headers.get("set-cookie") ?? "").split(";")[0] as string;
    return new SignedIn(url, cookie, response.headers.get("location") ?? "");
  }

  open(path: string): Promise<Opened> {
    return openPage(`${this.#origin}${path}`, { headers: { cookie: this.cookie } });
  }

  post(path: string, form: Record<string, string | readonly string[]>): Promise<Opened> {
    return post(`${this.#origin}${path}`, form, { cookie: this.cookie });
  }
}
