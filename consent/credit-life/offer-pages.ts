// The pages of credit life: what there is, one offer with all that making a code means, and the code itself, as text and to
// scan. Drawn from what was read; they know nothing of requests, sessions or the database.
import { encode } from "uqr";
import { html, type Html } from "../../core/html.ts";
import { agreementBoxes, type Entered } from "../approval/agreement-boxes.ts";
import type { FindProduct } from "../approval/data-classes.ts";
import { renderPage } from "../approval/layout.ts";
import { inLang, termsList } from "../approval/terms-list.ts";
import { type Lang, type PageError, wording } from "../approval/wording.ts";
import { personNav } from "../portal/person-nav.ts";
import { shanghaiTime } from "../portal/portal-wording.ts";
import { showCode } from "./code-text.ts";
import type { ShownOffer } from "./offer-codes.ts";
import type { LiveOffer } from "./offers.ts";
import { offerWording } from "./offer-wording.ts";

export interface OfferFrame {
  readonly lang: Lang;
  readonly path: string;
}

const OFFERS_PATH = "/portal/offers";

function page({ lang, path }: OfferFrame, title: string, body: Html): string {
  return renderPage({ lang, path, title, body: html`${personNav(lang, path)} ${body}` });
}

export function offersPage(
  frame: OfferFrame,
  offers: readonly LiveOffer[],
  products: FindProduct,
): string {
  const { lang } = frame;
  const words = offerWording(lang);
  const items = offers.map(({ id, title, merchant, product, valid_until: until }) => {
    const named = products(product);
    const name = inLang(lang, title);
    return html`<li>
      <strong>${name}</strong> · ${merchant}<br />
      ${words.condition}${lang === "en" ? ": " : "："}${named === undefined ? product : inLang(lang, named)}
      · ${words.until(shanghaiTime(until, lang))}<br />
      <a href="${OFFERS_PATH}/${id}?lang=${lang}" aria-label="${words.get}: ${name}"
        >${words.get}</a
      >
    </li> `;
  });
  const list =
    items.length === 0
      ? html`<p>${words.none}</p>`
      : html`<ul>
          ${items}
        </ul>`;
  return page(
    frame,
    words.title,
    html`<p>${words.lead}</p>
      ${list}`,
  );
}

export interface OfferForm extends ShownOffer {
  readonly formToken: string;
  readonly entered?: Entered;
  readonly error?: PageError;
}

export function offerPage(frame: OfferFrame, form: OfferForm): string {
  const { lang, path } = frame;
  const { offer, notice, formToken, entered, error } = form;
  const words = offerWording(lang);
  const common = wording(lang);
  const body = html`${error && html`<p role="alert" class="alert">${common.errors[error]}</p>`}
    <p>${words.lead}</p>
    ${termsList(notice, lang, common)}
    <p class="note">${common.rawStays}</p>
    <form method="post" action="${path}?lang=${lang}">
      <input type="hidden" name="form_token" value="${formToken}" />
      ${agreementBoxes(notice, entered, lang, common)}
      <p class="help" id="make-help">${words.makeHelp}</p>
      <div class="actions"><button aria-describedby="make-help">${words.make}</button></div>
    </form>`;
  return page(frame, inLang(lang, offer.title), body);
}

/** The only time that the code is shown: nothing here keeps it. */
export function codePage(
  frame: OfferFrame,
  { offer }: ShownOffer,
  made: { readonly code: string; readonly expiresAt: number },
): string {
  const { lang } = frame;
  const words = offerWording(lang);
  const body = html`<p><strong>${inLang(lang, offer.title)}</strong> · ${offer.merchant}</p>
    <p class="code">${showCode(made.code)}</p>
    ${qr(made.code, words.scan)}
    <p class="note">${words.valid(shanghaiTime(made.expiresAt, lang))}</p>
    <p>${words.withdraw} <a href="/consents?lang=${lang}">${wording(lang).mine}</a></p>
    <p><a href="${OFFERS_PATH}?lang=${lang}">${words.all}</a></p>`;
  return page(frame, words.code, body);
}

export function offerGonePage(frame: OfferFrame): string {
  const words = offerWording(frame.lang);
  const body = html`<p><a href="${OFFERS_PATH}?lang=${frame.lang}">${words.all}</a></p>`;
  return page(frame, words.goneTitle, body);
}

/** ISO/IEC 18004, with the quiet zone of four modules that it asks for. */
function qr(text: string, label: string): Html {
  const { data, size } = encode(text, { ecc: "M", border: 4 });
  const dark = data.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="0 0 ${size} ${size}">
    <path d="${dark.join("")}" />
  </svg>`;
}
