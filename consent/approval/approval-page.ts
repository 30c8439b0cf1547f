// The question put to the person, and the page after the answer. Drawn from the notice (what the token's digest proves)
// and the fixed wording; one form, a box for each sensitive class and one for the recipient, none ticked beforehand, and
// yes and no of the same weight.
import { agreementBoxes, type Entered } from "./agreement-boxes.ts";
import type { ApprovalResult, PendingApproval } from "./approvals.ts";
import { html, type Html } from "../../core/html.ts";
import { renderPage } from "./layout.ts";
import { termsList } from "./terms-list.ts";
import { type Lang, type PageError, type Wording, wording } from "./wording.ts";

export interface ApprovalPage {
  readonly lang: Lang;
  readonly path: string;
  readonly pending: PendingApproval;
  readonly entered?: Entered;
  readonly error?: PageError;
  readonly resent?: boolean;
}

export function approvalPage(page: ApprovalPage): string {
  const { lang, path, pending } = page;
  const words = wording(lang);
  const { notice, bindingMessage } = pending;
  const body = html`
    ${page.error && errorBox(page.error, words)}
    ${page.resent && html`<p role="status" class="note">${words.resent}</p>`}
    <p><strong>${words.asks(notice.recipient.name)}</strong></p>
    ${bindingMessage !== null && html`<p>${words.binding}: <strong>${bindingMessage}</strong></p>`}
    ${termsList(notice, lang, words)}
    <p class="note">${words.rawStays}</p>
    <p class="note">${words.rights}</p>
    ${decisionForm(page, words)}
    <form method="post" action="${path}/code?lang=${lang}">
      <button class="plain">${words.resend}</button>
    </form>
  `;
  const title = page.error ? `${words.problem}: ${words.askTitle}` : words.askTitle;
  return renderPage({ lang, title, path, body });
}

function errorBox(error: PageError, words: Wording): Html {
  return html`<div role="alert" class="alert" id="problem">
    <strong>${words.problem}:</strong> ${words.errors[error]}
  </div>`;
}

function decisionForm({ lang, path, pending, entered, error }: ApprovalPage, words: Wording): Html {
  const { notice } = pending;
  const codeWrong = error === "code-wrong";
  return html`<form method="post" action="${path}?lang=${lang}" autocomplete="off">
    ${agreementBoxes(notice, entered, lang, words)}
    <label for="code">${words.code}</label>
    <p class="help" id="code-help">${words.codeHelp}</p>
    <input
      type="text"
      id="code"
      name="code"
      inputmode="numeric"
      autocomplete="one-time-code"
      maxlength="6"
      aria-describedby="code-help${codeWrong && " problem"}"
      aria-invalid="${codeWrong ? "true" : "false"}"
    />
    <div class="actions">
      <button name="decision" value="approve">${words.approve}</button>
      <button name="decision" value="deny">${words.deny}</button>
    </div>
  </form>`;
}

/** After the answer, or when there is nothing to answer (any more). */
export function outcomePage(
  lang: Lang,
  path: string,
  kind: Extract<ApprovalResult["kind"], "approved" | "denied" | "locked" | "closed">,
): string {
  const words = wording(lang);
  const texts = {
    approved: [words.approvedTitle, words.approvedText],
    denied: [words.deniedTitle, words.deniedText],
    locked: [words.lockedTitle, words.lockedText],
    closed: [words.closedTitle, words.closedText],
  } as const;
  const [title, text] = texts[kind];
  const body = html`<p role="status">${text}</p>
    <p><a href="/consents?lang=${lang}">${words.mine}</a></p>`;
  return renderPage({ lang, title, path, body });
}
