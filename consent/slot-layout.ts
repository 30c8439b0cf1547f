// Where the rows of a manifest lie in a batch's ciphertexts: in order, packed, none across the edge of two. Slot 0 of every
// ciphertext counts the participants. Node, gateway and authority compute it alike from the catalogue's slot widths.
import { type Catalogue, requireProduct, slotWidth } from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import type { ProductRef } from "../core/ids.ts";
import { HE_PARAMETERS } from "../crypto/index.ts";

const SLOTS = HE_PARAMETERS.polyModulusDegree;

/** Reply, merge and audit of 31 provinces stay below the largest message. */
export const MAX_CIPHERTEXTS = 12;

export interface SlotLayout {
  readonly ciphertexts: number;
  /** Per row, counted over all ciphertexts in a row. */
  readonly offsets: Uint32Array;
  /** Slots in use, up to the last row's last. */
  readonly slotsUsed: number;
}

/** @throws WjfError `product-unknown`; `descriptor-invalid` when it needs more ciphertexts than a fan-out may have. */
export function layOut(products: readonly ProductRef[], catalogue: Catalogue): SlotLayout {
  const offsets = new Uint32Array(products.length);
  const widths = new Map<ProductRef, number>();
  let next = 1;
  for (const [i, ref] of products.entries()) {
    const width = widths.get(ref) ?? slotWidth(requireProduct(catalogue, ref));
    widths.set(ref, width);
    if ((next % SLOTS) + width > SLOTS || next % SLOTS === 0) {
      next = Math.ceil(next / SLOTS) * SLOTS + 1;
    }
    offsets[i] = next;
    next += width;
  }
  const ciphertexts = Math.ceil(next / SLOTS);
  if (ciphertexts > MAX_CIPHERTEXTS) throw new WjfError("descriptor-invalid", "too many slots");
  return { ciphertexts, offsets, slotsUsed: next };
}
