// The frame of every page for people: language, title, one main landmark, one style sheet of our own. No script is ever
// needed or allowed (Content-Security-Policy); headings, labels, contrast and focus order follow WCAG 2.2 AA.
import { html, type Html } from "../../core/html.ts";
import { type Lang, LANGS, wording } from "./wording.ts";

/** Served at STYLE_PATH. */
export const STYLE = `:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#6b7280;--accent:#0b5cab;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#f2f2f2;--paper:#16181c;--line:#9aa3af;--accent:#8ec5ff;--bad:#ffb4ab}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
header,main{max-width:42rem;margin:0 auto;padding:1rem}
header{display:flex;justify-content:space-between;gap:1rem;border-bottom:1px solid var(--line)}
nav a{margin-inline-start:.75rem}
a{color:var(--accent)}
h1{font-size:1.5rem;line-height:1.3}h2{font-size:1.15rem;margin-top:1.75rem}
dl{display:grid;grid-template-columns:minmax(7rem,13rem) 1fr;gap:.4rem 1rem}
dt{font-weight:600}dd{margin:0}dd ul{margin:0;padding-inline-start:1.1rem}dd li{margin:0 0 .25rem}
@media(max-width:32rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}
fieldset{border:1px solid var(--line);border-radius:.5rem;margin:1.25rem 0;padding:1rem}
legend{font-weight:600;padding:0 .4rem}
.choice{display:grid;grid-template-columns:1.25rem 1fr;column-gap:.75rem;align-items:start;margin:.75rem 0}
.choice input{width:1.25rem;height:1.25rem;margin-top:.2rem}
label{font-weight:600}.choice label{font-weight:400}
form+form{margin-top:1.5rem}
.help{margin:.2rem 0 .5rem;color:inherit;opacity:.85}
input[type=text],input[type=tel]{font:inherit;padding:.5rem .75rem;width:100%;max-width:16rem;border:1px solid var(--line);border-radius:.375rem;background:var(--paper);color:var(--ink)}
.actions{display:flex;flex-wrap:wrap;gap:1rem;margin-top:1.25rem}
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.75rem;border:2px solid var(--accent);border-radius:.375rem;background:var(--paper);color:var(--accent);cursor:pointer}
button.plain{border-width:1px;min-height:2.25rem;padding:.25rem 1rem;font-weight:400}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.alert{border:2px solid var(--bad);border-radius:.5rem;padding:.75rem 1rem}.alert strong{color:var(--bad)}
.note{border-inline-start:4px solid var(--accent);padding-inline-start:1rem}
li{margin:.4rem 0}
nav.pages{display:flex;flex-wrap:wrap;gap:.25rem .8rem;margin-bottom:1rem}nav.pages a{margin:0;padding:.4rem 0}
nav.pages a[aria-current]{color:inherit;font-weight:600;text-decoration:none}
textarea{font:inherit;padding:.5rem .75rem;width:100%;border:1px solid var(--line);border-radius:.375rem;background:var(--paper);color:var(--ink)}
table{border-collapse:collapse}th,td{padding:.2rem 1.5rem .2rem 0;text-align:start;border-bottom:1px solid var(--line)}tbody th{font-weight:400}
.score strong{font-size:3rem;line-height:1}
.code{font:600 2rem/1.2 ui-monospace,monospace;letter-spacing:.08em;margin:.5rem 0;white-space:nowrap}
.qr{display:block;width:12rem;height:auto;background:#fff}.qr path{fill:#000}
.radar{display:block;width:100%;max-width:30rem;height:auto}.radar text{font-size:15px;fill:var(--ink)}
.radar .ring{fill:none;stroke:var(--line);stroke-opacity:.45}.radar .shape{fill:var(--accent);fill-opacity:.3;stroke:var(--accent);stroke-width:2}`;

export const STYLE_PATH = "/assets/consent.css";

/** Sent with every page. The link in a message is a capability, so nothing may carry it elsewhere. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  // same-origin, not no-referrer: under the latter browsers send `Origin: null` with forms (Fetch §3.2).
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

export interface Page {
  readonly lang: Lang;
  readonly title: string;
  /** The page's own path, for the language switch. */
  readonly path: string;
  readonly body: Html;
}

const LANG_NAMES: Record<Lang, string> = { "zh-CN": "中文", en: "English" };

export function renderPage({ lang, title, path, body }: Page): string {
  const words = wording(lang);
  const others = LANGS.filter((other) => other !== lang);
  const page = html`<html lang="${lang}">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>${title}</title>
      <link rel="stylesheet" href="${STYLE_PATH}" />
    </head>
    <body>
      <header>
        <span>${words.site}</span>
        <nav aria-label="${words.language}">
          ${others.map(
            (other) =>
              html`<a href="${path}?lang=${other}" lang="${other}" hreflang="${other}"
                >${LANG_NAMES[other]}</a
              >`,
          )}
        </nav>
      </header>
      <main>
        <h1>${title}</h1>
        ${body}
      </main>
    </body>
  </html> `;
  return `<!doctype html>\n${page.toString()}`;
}
