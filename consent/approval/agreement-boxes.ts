// What takes a person's separate agreement (PIPL articles 23 and 29): a box for each sensitive class and one for the
// recipient, none ticked beforehand. Part of the form of whatever page the person agrees on.
import { html, type Html } from "../../core/html.ts";
import { type NoticeBody, sensitiveClasses } from "./notice.ts";
import { inLang } from "./terms-list.ts";
import type { Lang, Wording } from "./wording.ts";

/** What the person had entered, to be shown again with the error. Never the code. */
export interface Entered {
  readonly classes: readonly string[];
  readonly recipient: boolean;
}

export function agreementBoxes(
  notice: NoticeBody,
  entered: Entered | undefined,
  lang: Lang,
  words: Wording,
): Html {
  const boxes = sensitiveClasses(notice).map((item) =>
    choice(
      `class-${item.id}`,
      "class",
      item.id,
      words.classBox(inLang(lang, item)),
      entered?.classes.includes(item.id) === true,
    ),
  );
  const recipient = words.recipientBox(notice.recipient.name);
  return html`<fieldset>
    <legend>${words.separate}</legend>
    <p class="help">${words.separateHelp}</p>
    ${boxes} ${choice("recipient", "recipient", "yes", recipient, entered?.recipient === true)}
  </fieldset>`;
}

function choice(id: string, name: string, value: string, label: string, ticked: boolean): Html {
  return html`<div class="choice">
    <input type="checkbox" id="${id}" name="${name}" value="${value}" ${ticked && html`checked`} />
    <label for="${id}">${label}</label>
  </div> `;
}
