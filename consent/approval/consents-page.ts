// A person's own consents: sign in with a code, see what was agreed to and how often it was used, pause, resume or
// withdraw. Drawn from the stored notices; knows nothing of requests, sessions or the database.
import type { Consent } from "../consent-record.ts";
import { personNav } from "../portal/person-nav.ts";
import { html, type Html } from "../../core/html.ts";
import { renderPage } from "./layout.ts";
import type { NoticeBody } from "./notice.ts";
import { inLang, termsList } from "./terms-list.ts";
import { type Lang, type PageError, type Wording, wording } from "./wording.ts";

export interface ShownConsent {
  readonly consent: Consent;
  readonly notice: NoticeBody;
}

interface Frame {
  readonly lang: Lang;
  readonly path: string;
  readonly error?: PageError;
}

function alertBox({ error }: Frame, words: Wording): Html | undefined {
  return error && html`<p role="alert" class="alert">${words.errors[error]}</p>`;
}

/** Asks for the phone, and after that (with a ticket) for the code. */
export function signInPage(
  frame: Frame & { readonly ticket?: string; readonly next: string },
): string {
  const { lang, path, ticket, next } = frame;
  const words = wording(lang);
  const body = html`${alertBox(frame, words)}
    <form method="post" action="/consents/session?lang=${lang}" autocomplete="off">
      <input type="hidden" name="next" value="${next}" />
      ${ticket === undefined ? phoneField(words) : codeField(words, ticket)}
      <div class="actions">
        <button>${ticket === undefined ? words.sendCode : words.signIn}</button>
      </div>
    </form>`;
  return renderPage({ lang, path, title: words.signInTitle, body });
}

function phoneField(words: Wording): Html {
  return html`<label for="phone">${words.phone}</label>
    <p class="help" id="phone-help">${words.phoneHelp}</p>
    <input
      type="tel"
      id="phone"
      name="phone"
      autocomplete="tel"
      aria-describedby="phone-help"
      required
    />`;
}

function codeField(words: Wording, ticket: string): Html {
  return html`<input type="hidden" name="ticket" value="${ticket}" />
    <label for="code">${words.code}</label>
    <p class="help" id="phone-help">${words.phoneHelp}</p>
    <input
      type="text"
      id="code"
      name="code"
      inputmode="numeric"
      autocomplete="one-time-code"
      maxlength="6"
      aria-describedby="phone-help"
      required
    />`;
}

export function consentListPage(
  frame: Frame & { readonly consents: readonly ShownConsent[]; readonly formToken: string },
): string {
  const { lang, path, consents, formToken } = frame;
  const words = wording(lang);
  const items = consents.map(
    ({ consent, notice }) =>
      html`<li>
        <strong>${consent.recipient}</strong> · ${inLang(lang, notice.purpose)} ·
        ${words.states[consent.state]} ·
        <a
          href="/consents/${consent.id}?lang=${lang}"
          aria-label="${words.details}: ${consent.recipient}"
          >${words.details}</a
        >
      </li> `,
  );
  const list =
    items.length === 0
      ? html`<p>${words.none}</p>`
      : html`<ul>
          ${items}
        </ul>`;
  const body = html`${personNav(lang, path)} ${alertBox(frame, words)} ${list}
    <form method="post" action="/consents/session/end?lang=${lang}">
      <input type="hidden" name="form_token" value="${formToken}" />
      <button class="plain">${words.signOut}</button>
    </form>`;
  return renderPage({ lang, path, title: words.mine, body });
}

export function consentPage(
  frame: Frame & { readonly shown: ShownConsent; readonly formToken: string },
): string {
  const { lang, path, shown, formToken } = frame;
  const { consent, notice } = shown;
  const words = wording(lang);
  const body = html`${personNav(lang, path)} ${alertBox(frame, words)}
    <p>
      ${words.state}: <strong>${words.states[consent.state]}</strong> ·
      ${words.used(consent.uses, consent.maxUses)} · ${words.until}:
      <time datetime="${new Date(consent.expiresAt).toISOString()}"
        >${shanghaiTime(consent.expiresAt, lang)}</time
      >
    </p>
    ${termsList(asGranted(shown), lang, words)} ${actions(consent, formToken, lang, words)}
    <p><a href="/consents?lang=${lang}">${words.mine}</a></p>`;
  return renderPage({ lang, path, title: notice.recipient.name, body });
}

/** The person may have granted less than the notice asked for. */
function asGranted({ consent, notice }: ShownConsent): NoticeBody {
  const actions: readonly string[] = consent.terms.actions;
  const products = notice.products.filter(({ ref }) => actions.includes(ref));
  const used = new Set(products.flatMap(({ classes }) => classes));
  const classes = notice.classes.filter(({ id }) => used.has(id));
  return { ...notice, products, classes, terms: consent.terms };
}

function actions(
  consent: Consent,
  formToken: string,
  lang: Lang,
  words: Wording,
): Html | undefined {
  const possible = { ACTIVE: ["pause", "revoke"], PAUSED: ["resume", "revoke"] } as const;
  if (consent.state === "REQUESTED") return html`<p class="note">${words.decideHelp}</p>`;
  if (consent.state !== "ACTIVE" && consent.state !== "PAUSED") return undefined;
  return html`<p class="help" id="revoke-help">${words.revokeHelp}</p>
    <form method="post" action="/consents/${consent.id}?lang=${lang}" class="actions">
      <input type="hidden" name="form_token" value="${formToken}" />
      ${possible[consent.state].map(
        (action) =>
          html`<button name="action" value="${action}" aria-describedby="revoke-help">
            ${words[action]}
          </button> `,
      )}
    </form>`;
}

export function notFoundPage(frame: Frame): string {
  const words = wording(frame.lang);
  const body = html`<p><a href="/consents?lang=${frame.lang}">${words.mine}</a></p>`;
  return renderPage({ ...frame, title: words.notFoundTitle, body });
}

function shanghaiTime(ms: number, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, {
    dateStyle: "long",
    timeStyle: "short",
    timeZone: "Asia/Shanghai",
  }).format(ms);
}
