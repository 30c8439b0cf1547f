// The portal's pages, drawn from what was read; they know nothing of requests, sessions or the database. What an answer
// said is shown to the person it is about, and to nobody else.
import type { Catalogue, ScoreAnswer } from "../../catalogue/index.ts";
import { html, type Html } from "../../core/html.ts";
import { renderPage } from "../approval/layout.ts";
import { inLang } from "../approval/terms-list.ts";
import type { Lang } from "../approval/wording.ts";
import { type Objection, STATEMENT_MAX } from "../objections.ts";
import { findPurpose } from "../purposes.ts";
import { personNav } from "./person-nav.ts";
import type { PersonQuery } from "./person-queries.ts";
import { type PortalWording, portalWording, shanghaiTime } from "./portal-wording.ts";
import { radar, type Spoke } from "./radar.ts";

export interface PortalFrame {
  readonly lang: Lang;
  readonly path: string;
  readonly catalogue: Pick<Catalogue, "products" | "models" | "reasons">;
}

function page({ lang, path }: PortalFrame, title: string, body: Html): string {
  return renderPage({ lang, path, title, body: html`${personNav(lang, path)} ${body}` });
}

function timeOf(ms: number, lang: Lang): Html {
  return html`<time datetime="${new Date(ms).toISOString()}">${shanghaiTime(ms, lang)}</time>`;
}

interface ScoreQuery {
  readonly query: PersonQuery;
  readonly answer: ScoreAnswer & { readonly value: number };
}

/** The personal scores that came out, the newest first. */
function personalScores(queries: readonly PersonQuery[]): ScoreQuery[] {
  return queries.flatMap((query) => {
    const answer = query.stored?.answer;
    if (!query.product.startsWith("personal-score@")) return [];
    if (answer?.kind !== "score" || answer.value === null) return [];
    return [{ query, answer: { ...answer, value: answer.value } }];
  });
}

export function scorePage(frame: PortalFrame, queries: readonly PersonQuery[]): string {
  const words = portalWording(frame.lang);
  const scores = personalScores(queries);
  const [latest] = scores;
  const shown =
    latest === undefined
      ? html`<p>${words.noScore}</p>`
      : html`${scoreCard(latest, frame, words)} ${history(scores, frame.lang, words)}`;
  const body = html`${shown}
    <h2>${words.export}</h2>
    <p>
      ${words.exportHelp}
      <a href="/portal/export" download="weijifen-export.json">${words.export}</a>
    </p>`;
  return page(frame, words.score, body);
}

function scoreCard({ query, answer }: ScoreQuery, frame: PortalFrame, words: PortalWording): Html {
  const { lang } = frame;
  const spokes = spokesOf(query, answer, frame);
  const label = spokes.map(({ name, share }) => `${name} ${share}`).join(", ");
  return html`<p class="score"><strong>${answer.value}</strong></p>
    <p>${words.scoreAt(shanghaiTime(query.releasedAt, lang), query.institution)}</p>
    <h2>${words.dimensions}</h2>
    ${radar(spokes, label)}
    <table>
      <thead>
        <tr>
          <th scope="col">${words.dimension}</th>
          <th scope="col">${words.share}</th>
        </tr>
      </thead>
      <tbody>
        ${spokes.map(
          ({ name, share }) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${share}%</td>
            </tr> `,
        )}
      </tbody>
    </table>
    <h2>${words.improve}</h2>
    ${reasonList(answer, frame)}`;
}

function spokesOf({ stored }: PersonQuery, answer: ScoreAnswer, frame: PortalFrame): Spoke[] {
  const { id = "", version = "" } = stored?.model ?? {};
  const declared = frame.catalogue.models.get(`${id}@${version}`)?.dimensions ?? [];
  return Object.entries(answer.dimensions ?? {}).map(([dimension, share]) => {
    const named = declared.find((each) => each.id === dimension);
    return { name: named === undefined ? dimension : inLang(frame.lang, named), share };
  });
}

function reasonList({ reasons = [] }: ScoreAnswer, { lang, catalogue }: PortalFrame): Html {
  const texts = reasons.map((code) => {
    const text = catalogue.reasons.get(code);
    return html`<li>${text === undefined ? code : inLang(lang, text)}</li> `;
  });
  return html`<ul>
    ${texts}
  </ul>`;
}

function history(scores: readonly ScoreQuery[], lang: Lang, words: PortalWording): Html {
  const items = scores.map(
    ({ query, answer }) =>
      html`<li>
        ${timeOf(query.releasedAt, lang)}: <strong>${answer.value}</strong> · ${query.institution}
      </li> `,
  );
  return html`<h2>${words.history}</h2>
    <ol reversed>
      ${items}
    </ol>`;
}

function productName(ref: string, { lang, catalogue }: PortalFrame): string {
  const product = catalogue.products.get(ref);
  return product === undefined ? ref : inLang(lang, product);
}

function purposeName(id: string, lang: Lang): string {
  const purpose = findPurpose(id);
  return purpose === undefined ? id : inLang(lang, purpose);
}

export function queriesPage(frame: PortalFrame, queries: readonly PersonQuery[]): string {
  const { lang } = frame;
  const words = portalWording(lang);
  const items = queries.map(
    (query) =>
      html`<li>
        <strong>${query.institution}</strong> · ${timeOf(query.releasedAt, lang)}<br />
        ${purposeName(query.purpose, lang)} · ${productName(query.product, frame)} ·
        ${words.got}${lang === "en" ? ": " : "："}${query.kind && words.kinds[query.kind]}<br />
        <a
          href="/portal/queries/${query.queryId}?lang=${lang}"
          aria-label="${words.details}: ${query.institution}, ${shanghaiTime(query.releasedAt, lang)}"
          >${words.details}</a
        >
      </li> `,
  );
  const body =
    items.length === 0
      ? html`<p>${words.none}</p>`
      : html`<ul>
          ${items}
        </ul>`;
  return page(frame, words.queries, body);
}

export interface ShownQuery {
  readonly query: PersonQuery;
  /** About this very answer, the newest first. */
  readonly objections: readonly Objection[];
  readonly formToken: string;
  readonly wrong?: boolean;
}

export function queryPage(frame: PortalFrame, shown: ShownQuery): string {
  const { lang } = frame;
  const { query, objections } = shown;
  const words = portalWording(lang);
  const { stored } = query;
  const model = stored?.model ?? undefined;
  const coverage = stored && `${stored.coverage.answered} / ${stored.coverage.of}`;
  const body = html`<dl>
      <dt>${words.when}</dt>
      <dd>${timeOf(query.releasedAt, lang)}</dd>
      <dt>${words.who}</dt>
      <dd>${query.institution}</dd>
      <dt>${words.contact}</dt>
      <dd>${query.contact}</dd>
      <dt>${words.why}</dt>
      <dd>${purposeName(query.purpose, lang)}</dd>
      <dt>${words.what}</dt>
      <dd>${productName(query.product, frame)}</dd>
      <dt>${words.got}</dt>
      <dd>${query.kind && words.kinds[query.kind]}</dd>
      <dt>${words.answer}</dt>
      <dd>${stored === undefined ? words.answerGone : answerText(stored, frame, words)}</dd>
      ${model && entry(words.model, `${model.id}@${model.version}`)}
      ${coverage && entry(words.coverage, coverage)}
      <dt>${words.consent}</dt>
      <dd><a href="/consents/${query.consentId}?lang=${lang}">${query.institution}</a></dd>
      <dt>${words.logLine}</dt>
      <dd>${query.leafIndex}</dd>
    </dl>
    ${stored?.answer.kind === "score" && explanation(stored.answer, frame, words)}
    ${objections.map((objection) => objectionNote(objection, lang, words))}
    ${!objections.some(({ state }) => state === "OPEN") && objectionForm(shown, lang, words)}`;
  return page(frame, productName(query.product, frame), body);
}

function entry(name: string, value: string): Html {
  return html`<dt>${name}</dt>
    <dd>${value}</dd>`;
}

function answerText(
  { answer, model }: NonNullable<PersonQuery["stored"]>,
  { lang, catalogue }: PortalFrame,
  words: PortalWording,
): string {
  const bands = model ? catalogue.models.get(`${model.id}@${model.version}`)?.bands : undefined;
  const bandName = (id: string | undefined): string => {
    const named = bands?.find((band) => band.id === id);
    return named === undefined ? (id ?? "") : inLang(lang, named);
  };
  switch (answer.kind) {
    case "yes_no":
      return words[answer.value];
    case "score":
      if (answer.value === null) return words.unknown;
      return [answer.value, bandName(answer.band)].join(" ").trim();
    case "alerts":
      return answer.changes.map(({ state }) => words.changed[state]).join(", ") || words.noChanges;
    case "tags":
      return answer.tags.length === 0 ? words.noTags : answer.tags.join(", ");
  }
}

function explanation(answer: ScoreAnswer, frame: PortalFrame, words: PortalWording): Html {
  return html`<h2>${words.reasons}</h2>
    ${reasonList(answer, frame)}
    <p class="note">${words.automated}</p>`;
}

function objectionNote(objection: Objection, lang: Lang, words: PortalWording): Html {
  return html`<section class="note">
    <p><strong>${words.states[objection.state]}</strong> · ${timeOf(objection.filedAt, lang)}</p>
    <p>${objection.statement}</p>
    ${objection.humanReview && html`<p>${words.reviewAsked}</p>`}
    ${objection.state === "OPEN" && html`<p>${words.due}: ${timeOf(objection.dueAt, lang)}</p>`}
    ${objection.reply !== null && html`<p>${words.reply}: ${objection.reply}</p>`}
  </section>`;
}

function objectionForm({ query, formToken, wrong }: ShownQuery, lang: Lang, words: PortalWording) {
  return html`<h2>${words.object}</h2>
    ${wrong === true && html`<p role="alert" class="alert">${words.statementWrong}</p>`}
    <form method="post" action="/portal/queries/${query.queryId}?lang=${lang}">
      <input type="hidden" name="form_token" value="${formToken}" />
      <label for="statement">${words.statement}</label>
      <p class="help" id="statement-help">${words.objectHelp}</p>
      <textarea
        id="statement"
        name="statement"
        rows="4"
        maxlength="${STATEMENT_MAX}"
        aria-describedby="statement-help"
        required
      ></textarea>
      <div class="choice">
        <input type="checkbox" id="review" name="review" value="yes" />
        <label for="review">${words.review}</label>
      </div>
      <div class="actions"><button>${words.send}</button></div>
    </form>`;
}

export function objectionsPage(frame: PortalFrame, objections: readonly Objection[]): string {
  const { lang } = frame;
  const words = portalWording(lang);
  const items = objections.map(
    (objection) =>
      html`<h2>
          <a href="/portal/queries/${objection.queryId}?lang=${lang}"
            >${productName(objection.product, frame)}</a
          >
        </h2>
        ${objectionNote(objection, lang, words)} `,
  );
  return page(
    frame,
    words.objections,
    items.length === 0 ? html`<p>${words.none}</p>` : html`${items}`,
  );
}

export function noQueryPage(frame: PortalFrame): string {
  return page(frame, portalWording(frame.lang).notFound, html``);
}
