// The terms of a consent in the person's words, the same on the approval page and in the list of consents.
import { html, type Html } from "../../core/html.ts";
import { type NoticeBody, sensitiveClasses } from "./notice.ts";
import { type Lang, periodText, type Wording } from "./wording.ts";

/** The Chinese or the English of something that has both. */
export function inLang(lang: Lang, both: { readonly zh: string; readonly en: string }): string {
  return lang === "en" ? both.en : both.zh;
}

function howOften({ terms }: NoticeBody, words: Wording): string {
  const { frequency, max_uses: uses } = terms;
  if (frequency === undefined) return words.onetime(uses);
  return words.periodic(uses, words.unitNames[frequency.unit], frequency.value);
}

/** Who, what for, what, which data, what comes out, how often, how long: everything a person decides on. */
export function termsList(notice: NoticeBody, lang: Lang, words: Wording): Html {
  const { terms } = notice;
  const sensitive = new Set(sensitiveClasses(notice).map(({ id }) => id));
  return html`<dl>
    <dt>${words.who}</dt>
    <dd>${notice.recipient.name}</dd>
    <dt>${words.contact}</dt>
    <dd>${notice.recipient.contact}</dd>
    <dt>${words.why}</dt>
    <dd>${inLang(lang, notice.purpose)}</dd>
    <dt>${words.what}</dt>
    <dd>
      <ul>
        ${notice.products.map((product) => html`<li>${inLang(lang, product)}</li> `)}
      </ul>
    </dd>
    <dt>${words.data}</dt>
    <dd>
      <ul>
        ${notice.classes.map(
          (item) =>
            html`<li>
              ${inLang(lang, item)}${sensitive.has(item.id) && html` <strong>${words.sensitive}</strong>`}
            </li> `,
        )}
      </ul>
    </dd>
    <dt>${words.answer}</dt>
    <dd>${words.results[terms.result]}</dd>
    <dt>${words.howOften}</dt>
    <dd>${howOften(notice, words)}</dd>
    <dt>${words.term}</dt>
    <dd>${terms.term && words.termFrom(periodText(terms.term, lang))}</dd>
    <dt>${words.retention}</dt>
    <dd>${periodText(terms.retention, lang)}</dd>
  </dl>`;
}
