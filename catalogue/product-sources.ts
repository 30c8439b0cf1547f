// Which raw tables a product draws on, found by walking what it evaluates: what a person is told before they agree is
// derived from the declarations, and cannot drift from them.
import type { Catalogue } from "./catalogue.ts";
import { derivedFrom } from "./load.ts";
import type { Product } from "./product.ts";
import { RAW_TABLES, type RawTableName } from "./raw-tables.ts";

export function sourceTables(product: Product, catalogue: Catalogue): ReadonlySet<RawTableName> {
  const tables = new Set<RawTableName>();
  const seen = new Set<object>();
  const visitSource = (from: string): void => {
    const view = catalogue.views.find(({ id }) => id === from);
    if (view !== undefined) for (const table of view.tables) visitSource(table);
    else if (Object.hasOwn(RAW_TABLES, from)) tables.add(from as RawTableName);
  };
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if ("from" in value && typeof value.from === "string") visitSource(value.from);
    for (const id of namedIndicators(value)) visit(catalogue.indicatorById.get(id));
    const children = value instanceof Map ? value.values() : Object.values(value);
    for (const child of children) visit(child);
  };
  visit(product.evaluation);
  // Who somebody is comes from the subscriber table, also where only identifiers are compared.
  return tables.add("subscriber");
}

function namedIndicators(value: object): readonly string[] {
  const named =
    "indicator" in value && typeof value.indicator === "string" ? [value.indicator] : [];
  const isDerived = "from" in value && value.from === "derived" && "sql" in value;
  return isDerived ? [...named, ...derivedFrom(value as never)] : named;
}
