// HTML by tagged template: whatever is interpolated is escaped, unless it is itself the result of a template. There is
// no other way to make `Html`, so nothing from outside can become markup. (The few lines of this replace a template
// engine; the rule is OWASP's XSS prevention rule 1 and 2: element content and quoted attributes only.)
const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export class Html {
  readonly #text: string;
  private constructor(text: string) {
    this.#text = text;
  }
  /** Markup from this program's own source text only; `html` is the caller. */
  static fromTemplate(strings: TemplateStringsArray, values: readonly Interpolated[]): Html {
    const parts = strings.map((text, i) => text + (i < values.length ? render(values[i]) : ""));
    return new Html(parts.join(""));
  }
  toString(): string {
    return this.#text;
  }
}

type Interpolated = Html | string | number | false | undefined | readonly Interpolated[];

function render(value: Interpolated): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.map(render).join("");
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character] as string);
}

/** Interpolate only into element content and double-quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: readonly Interpolated[]): Html {
  return Html.fromTemplate(strings, values);
}
