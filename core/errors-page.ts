// The page a problem's `type` points to (`/errors#code`): what each code means and what to do next, for people.
import { type ErrorCode, errorEntry, ERRORS } from "./errors.ts";
import { html, type Html } from "./html.ts";

export const ERRORS_PATH = "/errors";

/** A whole document, without scripts or styles of its own. */
export function errorsPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>WeiJiFen: errors</title>
    </head>
    <body>
      <h1>Errors</h1>
      ${codes.map(section)}
    </body>
  </html>`;
  return `<!doctype html>\n${page.toString()}\n`;
}

function section(code: ErrorCode): Html {
  const { title, next, http, retryable } = errorEntry(code);
  return html`<h2 id="${code}">${code}</h2>
    <p>${title} ${next}</p>
    <p>HTTP ${http}${retryable === true && "; the same request may succeed later"}</p>`;
}
