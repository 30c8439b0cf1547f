// What the approval page says of a product: its name, and the classes of data that its declarations draw on.
import { type Catalogue, type RawTableName, sourceTables } from "../catalogue/index.ts";
import type { DataClassId, FindProduct } from "./approval/data-classes.ts";

const CLASSES: Readonly<Record<RawTableName, readonly DataClassId[]>> = {
  subscriber: ["identity", "account"],
  bill: ["spending"],
  payment: ["payment"],
  call: ["contacts"],
  message: ["contacts"],
  location_day: ["location"],
  roaming: ["location"],
  app_day: ["online"],
  web_day: ["online"],
  search_day: ["online"],
  device: ["device"],
  sim: ["device"],
  risk_number: ["risk"],
};

export function productNotices(catalogue: Catalogue): FindProduct {
  return (ref) => {
    const product = catalogue.products.get(ref);
    if (product === undefined) return undefined;
    const classes = [...sourceTables(product, catalogue)].flatMap((table) => CLASSES[table]);
    return { ref, zh: product.zh, en: product.en, dataClasses: [...new Set(classes)] };
  };
}
