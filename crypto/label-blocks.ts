// Encrypted labels at a province, and the sums it takes with its own columns: Σ x·Enc(y) per column, without ever learning y.
// What leaves is blinded, masked, re-randomised and flooded here, in one step (docs/decisions/070 has the argument).
// A slot-wise product never leaves unblinded: after decryption only a segment's total means anything.
import { WjfError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { Steps } from "../core/steps.ts";
import { type Plaintext, type SealCiphertext } from "./seal-scheme.ts";
import { randomResidues, type TrainingMasks } from "./training-masks.ts";
import {
  TRAINING_PARAMETERS,
  type TrainingEncryptor,
  type TrainingScheme,
} from "./training-scheme.ts";

const { polyModulusDegree: N, plainModulus: T } = TRAINING_PARAMETERS;

/** How people lie in slots: every ciphertext holds `block` labels, repeated N / block times, one copy per column. */
export interface Layout {
  readonly block: number;
  readonly tiles: number;
}

/** What an uploaded block and a returned ciphertext cost relative to each other, measured. */
const UPLOAD_COST = 1;
const RETURN_COST = 2;

/** @param people the most that any province holds: all provinces must use one layout, or nothing adds up. */
export function chooseLayout(people: number, columns: number): Layout {
  const cost = (block: number): number =>
    UPLOAD_COST * Math.ceil(people / block) + RETURN_COST * Math.ceil((columns * block) / N);
  const blocks = Array.from({ length: 10 }, (_, i) => N >> i);
  const block = blocks.reduce((best, each) => (cost(each) <= cost(best) ? each : best));
  return { block, tiles: N / block };
}

/** One block of labels as slots, for the bank to encrypt. */
export function labelSlots(
  labels: Uint8Array,
  from: number,
  { block, tiles }: Layout,
): Float64Array {
  const slots = new Float64Array(N);
  const some = labels.subarray(from, from + block);
  for (let tile = 0; tile < tiles; tile++) slots.set(some, tile * block);
  return slots;
}

export interface LabelBlockParts {
  readonly scheme: TrainingScheme;
  readonly encryptor: TrainingEncryptor;
  readonly masks: TrainingMasks;
  readonly random: Random;
}

/** A column of residues, one per person of this province in the order of the labels. */
export type Column = (person: number) => number;

export class LabelBlocks implements Disposable {
  readonly #parts: LabelBlockParts;
  readonly #layout: Layout;
  readonly #people: number;
  readonly #blocks: SealCiphertext[] = [];

  private constructor(parts: LabelBlockParts, layout: Layout, people: number) {
    this.#parts = parts;
    this.#layout = layout;
    this.#people = people;
  }

  /** A piece per ciphertext. @throws WjfError `ciphertext-invalid`, or `data-invalid` when there is not a label for everyone. */
  static *open(
    parts: LabelBlockParts,
    ciphertexts: Iterable<Uint8Array>,
    layout: Layout,
    people: number,
  ): Steps<LabelBlocks> {
    using opening = new DisposableStack();
    const blocks = opening.use(new LabelBlocks(parts, layout, people));
    for (const bytes of ciphertexts) {
      const cipher = parts.scheme.loadChecked(bytes);
      blocks.#blocks.push(cipher);
      // Products are taken in the transformed domain: once per block instead of once per product.
      parts.scheme.evaluator.cipherTransformToNttInplace(cipher);
      yield;
    }
    if (blocks.#blocks.length !== Math.ceil(people / layout.block)) {
      throw new WjfError("data-invalid", "label blocks do not fit the cohort");
    }
    opening.move();
    return blocks;
  }

  /**
   * A piece per product of a label block with columns.
   * @param digestOf D of the i-th ciphertext: never the same for two vectors under one roster.
   */
  *sums(columns: readonly Column[], digestOf: (part: number) => Buffer): Steps<Uint8Array[]> {
    const { tiles } = this.#layout;
    const sums: Uint8Array[] = [];
    for (let at = 0; at < columns.length; at += tiles) {
      sums.push(yield* this.#sum(columns.slice(at, at + tiles), digestOf(at / tiles)));
      yield;
    }
    return sums;
  }

  *#sum(columns: readonly Column[], digest: Buffer): Steps<Uint8Array> {
    const { scheme, masks } = this.#parts;
    // The flood carries a fresh encryption of zero, so an empty province's reply looks like any other.
    using total = this.#flood();
    for (const [block, labels] of this.#blocks.entries()) {
      yield;
      using plain = this.#transformed(this.#slotsOf(columns, block));
      using product = new scheme.seal.Ciphertext(scheme.context);
      if (plain.isZero()) continue;
      scheme.evaluator.multiplyPlain(labels, plain, product);
      scheme.evaluator.addInplace(total, product);
    }
    yield;
    scheme.evaluator.cipherTransformFromNttInplace(total);
    const blind = this.#blind(columns.length);
    masks.apply(blind, digest);
    using plain = scheme.encode(blind);
    scheme.evaluator.addPlainInplace(total, plain);
    return scheme.save(total);
  }

  #slotsOf(columns: readonly Column[], index: number): Float64Array {
    const { block } = this.#layout;
    const slots = new Float64Array(N);
    const first = index * block;
    const count = Math.min(block, this.#people - first);
    columns.forEach((column, tile) => {
      for (let i = 0; i < count; i++) slots[tile * block + i] = column(first + i);
    });
    return slots;
  }

  /** Uniform slots whose total is zero modulo t in each segment. */
  #blind(segments: number): Float64Array {
    const { block } = this.#layout;
    const slots = randomResidues(this.#parts.random, segments * block);
    for (let segment = 0; segment < segments; segment++) {
      const last = (segment + 1) * block - 1;
      let sum = 0;
      for (let i = segment * block; i < last; i++) sum = (sum + (slots[i] as number)) % T;
      slots[last] = (T - sum) % T;
    }
    return slots;
  }

  /**
   * Enc(0)·p₁·p₂ for uniform p₁, p₂, in the transformed domain: zero whose noise is 2⁴¹ times (m) that of the products,
   * which depends on the columns, and which the holder of the secret key sees.
   */
  #flood(): SealCiphertext {
    const { scheme, encryptor, random } = this.#parts;
    const zero = encryptor.zero();
    scheme.evaluator.cipherTransformToNttInplace(zero);
    for (let i = 0; i < 2; i++) {
      using factor = this.#transformed(randomResidues(random, N));
      scheme.evaluator.multiplyPlainInplace(zero, factor);
    }
    return zero;
  }

  #transformed(slots: Float64Array): Plaintext {
    const { scheme } = this.#parts;
    const plain = scheme.encode(slots);
    if (plain.isZero()) return plain;
    using parmsId = scheme.context.firstParmsId();
    scheme.evaluator.plainTransformToNttInplace(plain, parmsId);
    return plain;
  }

  [Symbol.dispose](): void {
    for (const block of this.#blocks) block.delete();
    this.#blocks.length = 0;
  }
}
