// The institution's side of its alerts over HTTP: reads the stream from a cursor, opens what is sealed to it, has dead letters
// delivered after all. Every request is proven with the institution's key (docs/decisions/072-alerts.md).
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { importPrivate, openJson } from "../crypto/index.ts";
import { signProof } from "./batch-client.ts";
import { type InstitutionKeys, readInstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";
import { type Output, table } from "./output.ts";
import { sendProven } from "./proven-request.ts";

export interface AlertOptions {
  readonly client: string;
  /** Without it the institution's key says who asks, and what its own watches told is what there is. */
  readonly token?: string;
}

export interface PageOptions extends AlertOptions {
  readonly after: string;
  readonly follow?: boolean;
}

const ALERTS = "/v1/alerts";
const DEAD_LETTERS = `${ALERTS}/dead-letters`;
const FOLLOW_EVERY_MS = 2000;

const Page = z.looseObject({
  alerts: z.array(
    z.looseObject({
      cursor: z.int(),
      state: z.string(),
      attempts: z.int(),
      outcome: z.string().nullable(),
      event: z.looseObject({
        type: z.string(),
        subject: z.string(),
        time: z.string(),
        data: z.record(z.string(), z.unknown()),
      }),
    }),
  ),
  next: z.int(),
});
type Alert = z.infer<typeof Page>["alerts"][number];

const Redelivered = z.looseObject({ redelivered: z.int() });

export async function tailAlerts(output: Output, options: PageOptions): Promise<void> {
  const stream = AlertStream.open(options);
  let after = cursorOf(options.after);
  for (;;) {
    const { alerts, next } = await stream.readAll(ALERTS, after);
    printAlerts(output, alerts);
    output.result({ alerts, next });
    if (options.follow !== true) return;
    after = next;
    await delay(FOLLOW_EVERY_MS);
  }
}

export async function printDeadLetters(output: Output, options: PageOptions): Promise<void> {
  const found = await AlertStream.open(options).readAll(DEAD_LETTERS, cursorOf(options.after));
  printAlerts(output, found.alerts);
  output.result(found);
}

export async function redeliverAlerts(
  output: Output,
  cursor: string | undefined,
  options: AlertOptions,
): Promise<void> {
  const path = cursor === undefined ? DEAD_LETTERS : `${ALERTS}/${cursorOf(cursor)}`;
  const stream = AlertStream.open(options);
  const text = await stream.call("POST", `${path}/redeliver`);
  const { redelivered } = parseJsonWith(Redelivered, text, "internal", "redelivered");
  output.line(`${redelivered} to be delivered again`);
  output.result({ redelivered });
}

class AlertStream {
  readonly #keys: InstitutionKeys;
  readonly #token: string | undefined;
  readonly #origin: string;

  private constructor(keys: InstitutionKeys, token: string | undefined, origin: string) {
    this.#keys = keys;
    this.#token = token;
    this.#origin = origin;
  }

  static open({ client, token }: AlertOptions): AlertStream {
    const { home, gatewayUrl } = readSettings();
    const keys = readInstitutionKeys(home, client);
    return new AlertStream(keys, token === undefined ? undefined : readToken(token), gatewayUrl);
  }

  /** All pages; what is sealed is opened. */
  async readAll(path: string, after: number): Promise<{ alerts: Alert[]; next: number }> {
    const alerts: Alert[] = [];
    for (;;) {
      const text = await this.call("GET", path, `?after=${after}`);
      const page = parseJsonWith(Page, text, "internal", "alerts");
      if (page.alerts.length === 0) return { alerts, next: after };
      for (const alert of page.alerts) alerts.push(await this.#opened(alert));
      after = page.next;
    }
  }

  /** @throws WjfError the gateway's code. */
  async call(method: "GET" | "POST", path: string, query = ""): Promise<string> {
    const url = new URL(path, this.#origin).href;
    if (this.#token === undefined) {
      return await sendProven(this.#keys.signing, { method, url, query });
    }
    const ath = sha256Base64url(this.#token);
    const dpop = await signProof(this.#keys.signing, { htm: method, htu: url, ath });
    const headers = { authorization: `DPoP ${this.#token}`, dpop };
    const response = await fetch(`${url}${query}`, { method, headers });
    const text = await response.text();
    if (!response.ok) throw refusal(text);
    return text;
  }

  async #opened(alert: Alert): Promise<Alert> {
    const { jwe } = alert.event.data;
    if (typeof jwe !== "string") return alert;
    const key = importPrivate(this.#keys.encryption);
    const data = { sealed: await openJson(jwe, key, "data-invalid") };
    return { ...alert, event: { ...alert.event, data } };
  }
}

function readToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new WjfError("data-invalid", "--token: not readable", { cause });
  }
}

function cursorOf(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new WjfError("request-malformed", "a cursor: a number");
  return Number(text);
}

function printAlerts(output: Output, alerts: readonly Alert[]): void {
  if (alerts.length === 0) return;
  output.line(
    table(
      alerts.map(({ cursor, state, attempts, outcome, event }) => [
        String(cursor),
        event.time,
        event.type,
        event.subject,
        state,
        `${attempts}×`,
        outcome ?? "-",
        JSON.stringify(event.data),
      ]),
    ),
  );
}
