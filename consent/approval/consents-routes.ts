// HTTP for a person's own consents: sign in by code, list, look, pause, resume, withdraw. A session sees only what was
// asked over its phone; any other id is not found. Changes go through the lifecycle, which records them.
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { WjfError } from "../../core/errors.ts";
import type { ConsentOptions } from "../consent-options.ts";
import { type Consent, listConsents, readConsent } from "../consent-record.ts";
import type { ConsentLifecycle } from "../lifecycle.ts";
import { consentListPage, consentPage, notFoundPage, signInPage } from "./consents-page.ts";
import { readNotice } from "./notice.ts";
import { formOf, langOf, pathOf, sendPage } from "./page-request.ts";
import type { PersonSession, PersonSessions } from "./person-session.ts";
import type { PageError } from "./wording.ts";

export const SESSION_COOKIE = "wjf_person";

export interface ConsentRouteParts {
  readonly options: ConsentOptions;
  readonly sessions: PersonSessions;
  readonly lifecycle: ConsentLifecycle;
}

interface IdRoute {
  Params: { id: string };
}

const ACTIONS = ["pause", "resume", "revoke"] as const;

/** The session of the person who makes this request, if any. Other pages for people use it too. */
export function personOfRequest(
  request: FastifyRequest,
  sessions: PersonSessions,
): { readonly session: PersonSession; readonly formToken: string } | undefined {
  const value = request.cookies[SESSION_COOKIE];
  const session = sessions.open(value);
  if (value === undefined || session === undefined) return undefined;
  return { session, formToken: sessions.formToken(value) };
}

export function consentRoutes(app: FastifyInstance, parts: ConsentRouteParts): void {
  const { options, sessions } = parts;
  signInRoutes(app, parts);

  app.get("/consents", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply);
    const { db, atRest } = options;
    const own = await listConsents(db, atRest, "contact_index", person.session.contactIndex);
    const consents = await Promise.all(own.map((consent) => shown(consent, options)));
    const { formToken } = person;
    const page = consentListPage({ ...frame(request), consents, formToken });
    return sendPage(reply, page);
  });

  app.get<IdRoute>("/consents/:id", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply);
    return sendConsent(request, reply, parts, person);
  });

  app.post<IdRoute>("/consents/:id", async (request, reply) => {
    const person = personOfRequest(request, sessions);
    if (person === undefined) return sendSignIn(request, reply, "session-over");
    requireFormToken(request, sessions);
    const action = ACTIONS.find((known) => known === formOf(request).get("action"));
    if (action === undefined) throw new WjfError("request-malformed", "action");
    if ((await ownConsent(request.params.id, person.session, options)) === undefined) {
      return sendPage(reply, notFoundPage(frame(request)), 404);
    }
    const error = await options
      .transact((tx) => parts.lifecycle.change(tx, request.params.id, action, "person"))
      .then(() => undefined, changedMeanwhile);
    return sendConsent(request, reply, parts, person, error);
  });
}

function signInRoutes(app: FastifyInstance, { options, sessions }: ConsentRouteParts): void {
  app.post("/consents/session", async (request, reply) => {
    const form = formOf(request);
    const ticket = form.get("ticket");
    if (ticket === null) return startSession(request, reply, sessions);
    const value = await sessions.finish(ticket, (form.get("code") ?? "").trim());
    if (value === undefined) {
      const page = {
        ...frame(request),
        ticket,
        next: nextOf(request),
        error: "code-wrong",
      } as const;
      return sendPage(reply, signInPage(page), 422);
    }
    return reply
      .setCookie(SESSION_COOKIE, value, cookieOptions(options.issuer))
      .redirect(`${nextOf(request)}?lang=${langOf(request)}`, 303);
  });

  app.post("/consents/session/end", async (request, reply) => {
    requireFormToken(request, sessions);
    return reply
      .clearCookie(SESSION_COOKIE, cookieOptions(options.issuer))
      .redirect(`/consents?lang=${langOf(request)}`, 303);
  });
}

async function startSession(
  request: FastifyRequest,
  reply: FastifyReply,
  sessions: PersonSessions,
): Promise<FastifyReply> {
  try {
    const ticket = await sessions.start(formOf(request).get("phone") ?? "");
    return sendPage(reply, signInPage({ ...frame(request), ticket, next: nextOf(request) }));
  } catch (error) {
    if (!(error instanceof WjfError)) throw error;
    return sendSignIn(request, reply, "phone-wrong");
  }
}

function cookieOptions(issuer: string) {
  const secure = issuer.startsWith("https:");
  return { path: "/", httpOnly: true, sameSite: "strict", secure } as const;
}

function frame(request: FastifyRequest) {
  return { lang: langOf(request), path: pathOf(request) };
}

/** Only ever one of our own paths. */
function nextOf(request: FastifyRequest): string {
  const next = formOf(request).get("next") ?? pathOf(request);
  const consent = /^\/consents\/[A-Za-z0-9_-]{1,64}$/.test(next);
  const portal = /^\/portal(\/[a-z]{1,16}(\/[0-9a-z-]{1,63})?)?$/.test(next);
  return portal || (consent && !next.startsWith("/consents/session")) ? next : "/consents";
}

/** Whoever signs in comes back to the page that was asked for. */
export function sendSignIn(
  request: FastifyRequest,
  reply: FastifyReply,
  error?: PageError,
): FastifyReply {
  const next = nextOf(request);
  const page = { ...frame(request), next, ...(error && { error }) };
  const path = next.startsWith("/portal") ? next : "/consents";
  return sendPage(reply, signInPage({ ...page, path }), error ? 422 : 200);
}

/** @throws WjfError `request-malformed` for a form that is not from this session. */
export function requireFormToken(request: FastifyRequest, sessions: PersonSessions): void {
  const value = request.cookies[SESSION_COOKIE] ?? "";
  if (!sessions.formTokenMatches(value, formOf(request).get("form_token") ?? "")) {
    throw new WjfError("request-malformed", "form_token");
  }
}

async function ownConsent(
  id: string,
  session: PersonSession,
  { db, atRest }: ConsentOptions,
): Promise<Consent | undefined> {
  const consent = await readConsent(db, atRest, id).catch((error: unknown) => {
    if (error instanceof WjfError && error.code === "consent-unknown") return undefined;
    throw error;
  });
  return consent?.contactIndex === session.contactIndex ? consent : undefined;
}

async function shown(consent: Consent, { db }: ConsentOptions) {
  return { consent, notice: await readNotice(db, consent.notice.sha256) };
}

async function sendConsent(
  request: FastifyRequest<IdRoute>,
  reply: FastifyReply,
  { options }: ConsentRouteParts,
  person: { readonly session: PersonSession; readonly formToken: string },
  error?: PageError,
): Promise<FastifyReply> {
  const consent = await ownConsent(request.params.id, person.session, options);
  if (consent === undefined) return sendPage(reply, notFoundPage(frame(request)), 404);
  const page = consentPage({
    ...frame(request),
    shown: await shown(consent, options),
    formToken: person.formToken,
    ...(error && { error }),
  });
  return sendPage(reply, page, error ? 409 : 200);
}

function changedMeanwhile(error: unknown): PageError {
  const codes = ["consent-transition", "consent-expired"];
  if (error instanceof WjfError && codes.includes(error.code)) return "transition";
  throw error;
}
