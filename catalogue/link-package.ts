// Puts admitted model packages on top of a catalogue: each becomes one model and one product, checked as the built-in
// ones are (references, bounds, 31 · max < t). The catalogue underneath is not changed. Pure.
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { Catalogue } from "./catalogue.ts";
import { linkModel } from "./link-model.ts";
import { linkProduct } from "./link-product.ts";
import { reasonTexts } from "./load.ts";
import type { OpenedPackage } from "./package.ts";
import { type Product, ProductDeclaration } from "./product.ts";

/** @throws WjfError `model-invalid`, naming the package and the field. */
export function withPackage(catalogue: Catalogue, opened: OpenedPackage): Catalogue {
  const { ref, body, sha256 } = opened;
  try {
    return link(plain(catalogue), opened);
  } catch (error) {
    if (!(error instanceof WjfError) || error.code !== "data-invalid") throw error;
    throw new WjfError("model-invalid", error.detail ?? `${ref} of ${body.owner}, ${sha256}`);
  }
}

/** A live catalogue's fields are getters, which a spread would leave behind. */
function plain(catalogue: Catalogue): Catalogue {
  const { version, digest, indicators, indicatorById, positions, views, lists } = catalogue;
  const { verifications, subScores, models, tagClasses, products, watches, reasons } = catalogue;
  const values = { version, digest, indicators, indicatorById, positions, views, lists };
  return { ...values, verifications, subScores, models, tagClasses, products, watches, reasons };
}

function link(catalogue: Catalogue, { ref, body, sha256 }: OpenedPackage): Catalogue {
  if (catalogue.products.has(ref)) throw new WjfError("model-invalid", `${ref}: exists already`);
  const builtIn = [...catalogue.products.values()].some(
    (product) => product.id === body.model.id && product.package?.owner !== body.owner,
  );
  if (builtIn) throw new WjfError("model-invalid", `${body.model.id}: belongs to somebody else`);
  const parts = {
    indicators: catalogue.indicatorById,
    subScores: catalogue.subScores,
    version: catalogue.version,
  };
  const model = linkModel(body.model, parts, ref);
  const models = new Map([...catalogue.models, [model.ref, model]]);
  const lists = new Map(catalogue.lists.map((list) => [list.id, list]));
  const product: Product = {
    ...linkProduct(productOf(body), { ...catalogue, models, lists }, ref),
    package: { owner: body.owner, sha256 },
  };
  return {
    ...catalogue,
    models,
    products: new Map([...catalogue.products, [product.ref, product]]),
    reasons: reasonTexts(models),
    digest: sha256Hex(canonicalJson([catalogue.digest, sha256])),
  };
}

/** Every package answers the same way: a score, released as a weighted mean, that stands when it is known. */
function productOf({ model, description }: OpenedPackage["body"]): ProductDeclaration {
  return ProductDeclaration.parse({
    id: model.id,
    version: model.version,
    zh: model.zh,
    en: model.en,
    description,
    kind: "score",
    subjects: ["msisdn", "cn-id"],
    claims: "none",
    partial: "known",
    rule: { type: "weighted-mean", model: `${model.id}@${model.version}` },
  });
}
