// What is sent: one CloudEvents 1.0 event in JSON (structured mode, as CAMARA's event subscriptions have it), and beside it a
// detached JWS of its bytes (RFC 7515 appendix F), by the key that the roster names as the gateway's. docs/decisions/072-alerts.md.
import { createPublicKey, type KeyObject } from "node:crypto";
import { CompactSign } from "jose";
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { PublicP256Jwk, thumbprint } from "../../crypto/index.ts";
import type { Alert } from "./alert-store.ts";

export const SIGNATURE_HEADER = "x-jws-signature";
const SIGNATURE_TYPE = "weijifen-alert+jws";

export const CloudEvent = z
  .object({
    specversion: z.literal("1.0"),
    id: z.string(),
    source: z.string().describe("The gateway"),
    type: z.string(),
    subject: z.string().describe("The watch"),
    time: z.iso.datetime(),
    /** An extension: without it, an institution could pass off its own alerts to another as that one's. */
    recipient: z.string().describe("The client_id of the institution it is for"),
    datacontenttype: z.literal("application/json"),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "CloudEvent" });
export type CloudEvent = z.infer<typeof CloudEvent>;

export function toCloudEvent(alert: Alert, source: string): CloudEvent {
  const { id, type, subject, client_id: recipient } = alert;
  const time = new Date(alert.time * 1000).toISOString();
  const data = JSON.parse(alert.data) as CloudEvent["data"];
  const datacontenttype = "application/json";
  return { specversion: "1.0", id, source, type, subject, time, recipient, datacontenttype, data };
}

export interface Envelope {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export class Envelopes {
  readonly #key: KeyObject;
  readonly #kid: string;
  readonly #source: string;

  constructor(key: KeyObject, source: string) {
    this.#key = key;
    this.#source = source;
    this.#kid = thumbprint(PublicP256Jwk.parse(createPublicKey(key).export({ format: "jwk" })));
  }

  /** Every attempt at one alert has the same body. */
  async seal(alert: Alert): Promise<Envelope> {
    const body = Buffer.from(canonicalJson(toCloudEvent(alert, this.#source)));
    // The type keeps it apart from whatever else this key signs: statements have a context before them, and are no JWS.
    const jws = await new CompactSign(body)
      .setProtectedHeader({ alg: "ES256", kid: this.#kid, typ: SIGNATURE_TYPE })
      .sign(this.#key);
    const [header = "", , signature = ""] = jws.split(".");
    return {
      body,
      headers: {
        "content-type": "application/cloudevents+json; charset=utf-8",
        [SIGNATURE_HEADER]: `${header}..${signature}`,
      },
    };
  }
}
