// Reads the declarations under data/, links and checks them: names exist and are unique, trees fit their scope,
// windows can be written out, sums stay below the plaintext modulus (DESIGN §4). A fault names file and field.
// Not run per query: the result is cached per folder.
import { join } from "node:path";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import type { Catalogue } from "./catalogue.ts";
import { Declarations, type Entry } from "./declarations.ts";
import { Indicator, KeyedList, timeColumn, View } from "./indicator.ts";
import { linkModel, type ModelParts, SubScore } from "./link-model.ts";
import { linkProduct } from "./link-product.ts";
import { type Model, ModelDeclaration } from "./model.ts";
import { readPredicate } from "./predicate.ts";
import { ProductDeclaration } from "./product.ts";
import { RAW_TABLES } from "./raw-tables.ts";
import { type TagClass, TagClassDeclaration } from "./tag.ts";
import { type CommonScope, linkVerification, VerificationDeclaration } from "./verification.ts";
import { linkWatch, WatchDeclaration } from "./watch.ts";
import { expandSql } from "./window.ts";

const DATA = join(import.meta.dirname, "data");

const cache = new Map<string, Catalogue>();

/** The catalogue in `folder`. @throws WjfError `data-invalid`, naming file and field. */
export function loadCatalogue(folder: string = DATA): Catalogue {
  const cached = cache.get(folder);
  if (cached !== undefined) return cached;
  const catalogue = linkCatalogue(new Declarations(folder));
  cache.set(folder, catalogue);
  return catalogue;
}

function invalid(where: string, rule: string): never {
  throw new WjfError("data-invalid", `${where}: ${rule}`);
}

function linkCatalogue(data: Declarations): Catalogue {
  const { version } = data.one("catalogue.json", z.strictObject({ version: z.int().min(1) }));
  const views = loadViews(data);
  const viewById = new Map(views.map((view) => [view.id, view]));
  const indicators = loadIndicators(data, viewById);
  const indicatorById = new Map(indicators.map((each) => [each.id, each]));
  const lists = loadLists(data, viewById);
  const subScores = byId(data.all("sub-scores.json", SubScore));
  const models = loadModels(data, { indicators: indicatorById, subScores, version });
  const common: CommonScope = {
    indicators: indicatorById,
    lists: new Map(lists.map((list) => [list.id, list])),
    models: new Set(models.keys()),
  };
  const verifications = byId(
    data.all("verifications.json", VerificationDeclaration).map(({ value, where }) => ({
      value: linkVerification(value, common, where),
      where,
    })),
  );
  const tagClasses = loadTags(data, common);
  const watches = byId(
    data.all("watches.json", WatchDeclaration).map(({ value, where }) => ({
      value: linkWatch(value, common, where),
      where,
    })),
  );
  const positions = new Map(indicators.map((each, i) => [each.id, i]));
  const parts = {
    positions,
    models,
    indicatorById,
    lists: common.lists,
    verifications,
    tagClasses,
    watches,
  };
  const products = data
    .all("products.json", ProductDeclaration)
    .map(({ value, where }) => ({ value: linkProduct(value, parts, where), where }));
  return {
    version,
    indicators,
    indicatorById,
    positions,
    views,
    lists,
    verifications,
    subScores,
    models,
    tagClasses,
    products: uniqueBy(products, (product) => product.ref),
    watches,
    reasons: reasonTexts(models),
    digest: data.digest(),
  };
}

function uniqueBy<T>(entries: readonly Entry<T>[], key: (value: T) => string): Map<string, T> {
  const map = new Map<string, T>();
  for (const { value, where } of entries) {
    if (map.has(key(value))) invalid(`${where}.id`, "is declared twice");
    map.set(key(value), value);
  }
  return map;
}

function byId<T extends { readonly id: string }>(entries: readonly Entry<T>[]): Map<string, T> {
  return uniqueBy(entries, ({ id }) => id);
}

function loadViews(data: Declarations): View[] {
  const entries = data.all("views.json", View).map(({ value, where }) => {
    if (Object.hasOwn(RAW_TABLES, value.id)) invalid(`${where}.id`, "is the name of a raw table");
    return {
      value: { ...value, sql: expandSql(value.sql, value.window, value.time, where) },
      where,
    };
  });
  return [...byId(entries).values()];
}

function loadIndicators(data: Declarations, views: ReadonlyMap<string, View>): Indicator[] {
  const entries = data.files("indicators").flatMap((file) => data.all(file, Indicator));
  const linked = entries.map(({ value, where }) => {
    checkSource(value.from, views, where, true);
    const time = value.from === "derived" ? undefined : timeColumn(value.from, views);
    return { value: { ...value, sql: expandSql(value.sql, value.window, time, where) }, where };
  });
  const known = byId(linked);
  for (const { value, where } of linked) {
    if (value.from === "derived") checkReferences(value, known, where);
  }
  return [...known.values()];
}

function checkSource(
  from: string,
  views: ReadonlyMap<string, View>,
  where: string,
  derived: boolean,
): void {
  if (Object.hasOwn(RAW_TABLES, from) || views.has(from) || (derived && from === "derived")) return;
  invalid(`${where}.from`, "is neither a raw table nor a view");
}

/** The indicators that a derived one reads, as quoted columns in its SQL. */
export function derivedFrom(indicator: Indicator): readonly string[] {
  const quoted = indicator.sql.matchAll(/"([a-z]+\.[a-z0-9_]+)"/g);
  return [...new Set([...quoted].map((match) => match[1] as string))];
}

function checkReferences(
  value: Indicator,
  known: ReadonlyMap<string, Indicator>,
  where: string,
): void {
  const references = derivedFrom(value);
  if (references.length === 0) invalid(`${where}.sql`, "a derived indicator must read others");
  for (const id of references) {
    const other =
      known.get(id) ?? invalid(`${where}.sql`, "reads an indicator that is not declared");
    // One derived pass: everything it reads must be there already.
    if (other.from === "derived")
      invalid(`${where}.sql`, "reads an indicator that is itself derived");
  }
}

function loadLists(data: Declarations, views: ReadonlyMap<string, View>): KeyedList[] {
  const entries = data.all("lists.json", KeyedList).map(({ value, where }) => {
    checkSource(value.from, views, where, false);
    const time = timeColumn(value.from, views);
    const expand = (sql: string) => expandSql(sql, value.window, time, where);
    const columns = Object.fromEntries(
      Object.entries(value.columns).map(([id, c]) => [id, { ...c, sql: expand(c.sql) }]),
    );
    const wheres = value.where === undefined ? {} : { where: expand(value.where) };
    return { value: { ...value, ...wheres, key: expand(value.key), columns }, where };
  });
  return [...byId(entries).values()];
}

function loadModels(data: Declarations, parts: ModelParts): Map<string, Model> {
  const entries = data.files("models").map((file) => {
    const declared = data.one(file, ModelDeclaration);
    return { value: linkModel(declared, parts, file), where: file };
  });
  return uniqueBy(entries, (model) => model.ref);
}

function loadTags(data: Declarations, common: CommonScope): Map<string, TagClass> {
  const scope = { ...common, params: new Map(), claims: [], baseline: false };
  const classes = data.all("tags.json", TagClassDeclaration).map(({ value, where }) => {
    const tags = value.tags.map((tag, i) => ({
      ...tag,
      class: value.id,
      test: readPredicate(tag.test, scope, `${where}.tags.${i}.test`),
    }));
    return { value: { ...value, tags }, where };
  });
  byId(classes.flatMap(({ value, where }) => value.tags.map((tag) => ({ value: tag, where }))));
  return byId(classes);
}

/** @throws WjfError `data-invalid`: one code has one text. */
export function reasonTexts(models: ReadonlyMap<string, Model>) {
  const texts = new Map<string, { zh: string; en: string }>();
  for (const model of models.values()) {
    for (const { id, reason } of [...model.dimensions, ...model.authority]) {
      const { code, zh, en } = reason;
      const known = texts.get(code);
      if (known !== undefined && (known.zh !== zh || known.en !== en)) {
        invalid(`model ${model.ref}: ${id}.reason.code`, "has another text elsewhere");
      }
      texts.set(code, { zh, en });
    }
  }
  return texts;
}
