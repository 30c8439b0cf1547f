// The links among a person's own pages.
import { html, type Html } from "../../core/html.ts";
import type { Lang } from "../approval/wording.ts";
import { portalWording } from "./portal-wording.ts";

const PAGES = [
  ["score", "/portal"],
  ["queries", "/portal/queries"],
  ["consents", "/consents"],
  ["objections", "/portal/objections"],
  ["offers", "/portal/offers"],
] as const;

export function personNav(lang: Lang, path: string): Html {
  const words = portalWording(lang);
  const links = PAGES.map(([name, href]) =>
    href === path
      ? html`<a href="${href}?lang=${lang}" aria-current="page">${words[name]}</a> `
      : html`<a href="${href}?lang=${lang}">${words[name]}</a> `,
  );
  return html`<nav class="pages" aria-label="${words.nav}">${links}</nav>`;
}
