// A person's session: who can read a code sent to a phone may see and change the consents that were asked over that
// phone. The session is a sealed cookie value with a deadline; the server keeps nothing. Signing in looks the same
// whether or not the phone is known here, so it tells nobody who has consents.
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { Random } from "../../core/random.ts";
import { normaliseMsisdn, subjectTag } from "../../crypto/subject.ts";
import type { AtRest } from "../at-rest.ts";
import { contactIndex } from "../consent-record.ts";
import type { ConsentDb } from "../schema.ts";
import type { SmsProvider } from "../sms.ts";
import type { SmsChallenges } from "./sms-challenge.ts";

const SESSION_MS = 15 * 60_000;
const SESSION_LABEL = "person.session";
const SIGN_IN_LABEL = "person.sign-in";

const Ticket = z.object({ id: z.string(), index: z.string(), subjectTag: z.string() });
const Session = z.object({
  contactIndex: z.string(),
  /** Base64url, of the phone: whom a consent that is given here is about. */
  subjectTag: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
});
export type PersonSession = z.infer<typeof Session>;

export interface SessionOptions {
  readonly db: ConsentDb;
  readonly atRest: AtRest;
  readonly subjectKey: Buffer;
  readonly clock: Clock;
  readonly random: Random;
  readonly sms: SmsProvider;
  readonly log: Logger;
  readonly challenges: SmsChallenges;
}

export class PersonSessions {
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * Sends a code if the phone has any consent here. The ticket goes into the next form, and is always given.
   * @throws WjfError `request-malformed` for what is not a phone number.
   */
  async start(phone: string): Promise<string> {
    const { atRest, random, log, subjectKey } = this.#options;
    const msisdn = normaliseMsisdn(phone);
    const id = random.bytes(18).toString("base64url");
    const index = contactIndex(atRest, msisdn);
    // Not awaited: how long it takes would tell whether the phone is known.
    void this.#sendIfKnown(id, msisdn, index).catch((error: unknown) =>
      log.warn({ err: error }, "a sign-in code could not be sent"),
    );
    const tag = subjectTag(subjectKey, "msisdn", msisdn).toString("base64url");
    const ticket = { id, index, subjectTag: tag };
    return atRest.seal(SIGN_IN_LABEL, JSON.stringify(ticket)).toString("base64url");
  }

  /** A session value for the cookie, or undefined when the code is not right. */
  async finish(ticket: string, code: string): Promise<string | undefined> {
    const { atRest, db, challenges, clock } = this.#options;
    const opened = openJson(atRest, SIGN_IN_LABEL, Ticket, ticket);
    if (opened === undefined) return undefined;
    if ((await challenges.verify(db, opened.id, code)) !== "right") return undefined;
    const session: PersonSession = {
      contactIndex: opened.index,
      subjectTag: opened.subjectTag,
      expiresAt: clock.nowMs() + SESSION_MS,
    };
    return atRest.seal(SESSION_LABEL, JSON.stringify(session)).toString("base64url");
  }

  /** Whose session a cookie value is; undefined when it is none of ours, or over. */
  open(value: string | undefined): PersonSession | undefined {
    if (value === undefined) return undefined;
    const session = openJson(this.#options.atRest, SESSION_LABEL, Session, value);
    return session && session.expiresAt > this.#options.clock.nowMs() ? session : undefined;
  }

  /** For a hidden field of forms within a session, against cross-site requests. */
  formToken(value: string): string {
    return this.#options.atRest.index("person.form", value);
  }

  formTokenMatches(value: string, token: string): boolean {
    return this.#options.atRest.matches("person.form", value, token);
  }

  async #sendIfKnown(id: string, to: string, index: string): Promise<void> {
    const { db, challenges, sms } = this.#options;
    const known = await db
      .selectFrom("consent")
      .select("id")
      .where("contact_index", "=", index)
      .limit(1)
      .executeTakeFirst();
    if (known === undefined) return;
    const code = await db.transaction().execute((tx) => challenges.issue(tx, id, index));
    await sms.send({ to, template: "sign-in", code });
  }
}

/** Undefined for whatever we did not seal ourselves under this label. */
function openJson<S extends z.ZodType>(
  atRest: AtRest,
  label: string,
  schema: S,
  value: string,
): z.output<S> | undefined {
  try {
    const text = atRest.open(label, Buffer.from(value, "base64url")).toString();
    return parseJsonWith(schema, text, "internal");
  } catch {
    return undefined;
  }
}
