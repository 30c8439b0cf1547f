// The catalogue as one flat list of named things, for commands that print it.
import type { Catalogue, Model, Product, Tag } from "../catalogue/index.ts";

export const KINDS = [
  "indicators",
  "verifications",
  "products",
  "models",
  "sub-scores",
  "tags",
  "watches",
  "lists",
  "views",
] as const;
export type Kind = (typeof KINDS)[number];

export interface Entry {
  readonly kind: Kind;
  readonly id: string;
  /** Family, dimension, class or group: what `--family` compares. */
  readonly group: string;
  readonly zh: string;
  readonly en: string;
  readonly note: string;
  /** The declaration, as plain JSON. */
  readonly value: unknown;
}

export function entriesOf(catalogue: Catalogue): readonly Entry[] {
  return [
    ...catalogue.indicators.map((i) =>
      entry("indicators", i, i.family, `${i.unit}, ${windowText(i.window)}`, i),
    ),
    ...[...catalogue.verifications.values()].map((v) =>
      entry("verifications", v, v.dimension, Object.keys(v.params).join(", "), plain(v)),
    ),
    ...[...catalogue.products.values()].map((p) =>
      entry("products", { ...p, id: p.ref }, p.kind, productNote(p), productValue(p)),
    ),
    ...[...catalogue.models.values()].map((m) =>
      entry("models", { ...m, id: m.ref }, m.owner, modelNote(m), m),
    ),
    ...[...catalogue.subScores.values()].map((s) =>
      entry("sub-scores", s, "risk", `${s.features.length} features`, s),
    ),
    ...[...catalogue.tagClasses.values()].flatMap(({ tags }) =>
      tags.map((t: Tag) => entry("tags", t, t.class, "", plain(t))),
    ),
    ...[...catalogue.watches.values()].map((w) =>
      entry("watches", w, w.group, Object.keys(w.params).join(", "), plain(w)),
    ),
    ...catalogue.lists.map((l) => entry("lists", l, l.kind, `top ${l.top}`, l)),
    ...catalogue.views.map((v) =>
      entry("views", { id: v.id, zh: "", en: "" }, v.tables.join(", "), "", v),
    ),
  ];
}

function entry(
  kind: Kind,
  { id, zh, en }: { readonly id: string; readonly zh: string; readonly en: string },
  group: string,
  note: string,
  value: unknown,
): Entry {
  return { kind, id, group, zh, en, note, value };
}

function windowText(window: Catalogue["indicators"][number]["window"]): string {
  if (typeof window === "string") return window;
  const span = "days" in window ? `${window.days} days` : `${window.months} months`;
  return window.before === undefined ? span : `${span}, ${window.before} before`;
}

function productNote(product: Product): string {
  const { slots, claims, rule } = product;
  return `${rule.type}, ${slots.length} slots, claims ${claims}`;
}

function productValue({ ref, context: _c, claimsSchema: _s, evaluation, ...rest }: Product) {
  const evaluates = evaluation.type === "model" ? { model: evaluation.model.ref } : {};
  return { ref, ...rest, evaluation: evaluation.type, ...evaluates };
}

function modelNote({ min, max, dimensions, bands }: Model): string {
  return `${min}–${max}, ${dimensions.length} dimensions, ${bands.length} bands`;
}

/** Linked trees hold maps and whole indicators; shown, an indicator is its id. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, field: unknown) => {
      if (field instanceof Map) return Object.fromEntries(field as Map<string, unknown>);
      const named = typeof field === "object" && field !== null && "sql" in field && "id" in field;
      return named ? field.id : field;
    }),
  ) as unknown;
}
