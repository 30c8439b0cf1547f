// Looking a product up, with the refusal that everybody gives when there is none.
import { WjfError } from "../core/errors.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Product } from "./product.ts";

/** @param ref `id@version`. @throws WjfError `product-unknown`. */
export function requireProduct(catalogue: Pick<Catalogue, "products">, ref: string): Product {
  const product = catalogue.products.get(ref);
  if (product === undefined) throw new WjfError("product-unknown");
  return product;
}
