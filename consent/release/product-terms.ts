// What follows from a product's declaration for its release: which consents allow its form of answer, and whether the
// authority has to count for it.
import type { Product } from "../../catalogue/index.ts";

/** A `boolean` consent never lets a score out; crossed or back is as yes and no. */
export function resultAllows(result: string, kind: Product["kind"]): boolean {
  return kind === "yes_no" || kind === "alerts" || result === kind;
}

/** Whether how many other institutions asked about the person is part of its answer. */
export function countsInstitutions(product: Product | undefined): boolean {
  const rule = product?.rule;
  return rule?.type === "weighted-mean" && rule.scale.authority.length > 0;
}
