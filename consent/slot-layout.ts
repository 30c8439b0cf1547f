// Where the rows of a manifest lie in a batch's ciphertexts: in order, packed, none across the edge of two. Slot 0 of every
// ciphertext counts the participants. Node and authority compute it alike from the catalogue's slot widths.
import { type Catalogue, requireProduct, slotWidth } from "../catalogue/index.ts";
import { WjfError } from "../core/errors.ts";
import type { ProductRef } from "../core/ids.ts";
import { HE_PARAMETERS } from "../crypto/index.ts";

const SLOTS = HE_PARAMETERS.polyModulusDegree;

/** Reply, merge and audit of 31 provinces stay below the largest message. */
export const MAX_CIPHERTEXTS = 12;

/** Places rows one after another; slots are counted over all ciphertexts in a row. */
export class SlotPacker {
  readonly #catalogue: Catalogue;
  readonly #widths = new Map<ProductRef, number>();
  #next = 1;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** One past the last slot in use. */
  get slotsUsed(): number {
    return this.#next;
  }

  get ciphertexts(): number {
    return Math.ceil(this.#next / SLOTS);
  }

  /** The row's first slot. @throws WjfError `product-unknown`. */
  place(product: ProductRef): number {
    const width = this.width(product);
    const within = this.#next % SLOTS;
    if (within === 0 || within + width > SLOTS) {
      this.#next = Math.ceil(this.#next / SLOTS) * SLOTS + 1;
    }
    const offset = this.#next;
    this.#next += width;
    return offset;
  }

  width(product: ProductRef): number {
    const known = this.#widths.get(product);
    if (known !== undefined) return known;
    const width = slotWidth(requireProduct(this.#catalogue, product));
    this.#widths.set(product, width);
    return width;
  }
}

export interface SlotLayout {
  readonly ciphertexts: number;
  /** Per row. */
  readonly offsets: Uint32Array;
  readonly slotsUsed: number;
}

/** @throws WjfError `product-unknown`; `descriptor-invalid` when it needs more ciphertexts than a fan-out may have. */
export function layOut(products: readonly ProductRef[], catalogue: Catalogue): SlotLayout {
  const packer = new SlotPacker(catalogue);
  const offsets = Uint32Array.from(products, (product) => packer.place(product));
  const { ciphertexts, slotsUsed } = packer;
  if (ciphertexts > MAX_CIPHERTEXTS) throw new WjfError("descriptor-invalid", "too many slots");
  return { ciphertexts, offsets, slotsUsed };
}
