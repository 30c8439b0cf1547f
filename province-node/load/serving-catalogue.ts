// The part of the catalogue that a serving store is built from and read by. Apart from the loader, so that a node which
// only serves does not load the loader's engine.
import type { Catalogue } from "../../catalogue/index.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";

/** What loading and serving need of the catalogue. */
export type ServingCatalogue = Pick<Catalogue, "views" | "indicators" | "lists">;

/** Of the part that a store depends on: a new product or model needs no new load. */
export function servingDigest({ views, indicators, lists }: ServingCatalogue): string {
  return sha256Hex(canonicalJson({ format: 1, views, indicators, lists }));
}
