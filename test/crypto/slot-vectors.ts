// Vectors of residues for the scheme's and the masks' tests. Random ones come from the system: what is asserted about
// them must hold for all.
import { randomFillSync, randomInt } from "node:crypto";

/** Uniform in [0, t) up to a bias of 2⁻³⁸. */
export function randomSlots(length: number, t: number): Uint32Array {
  const words = randomFillSync(new BigUint64Array(length));
  return Uint32Array.from(words, (word) => Number(word % BigInt(t)));
}

/** Slot by slot, modulo t. */
export function sumModulo(vectors: readonly Uint32Array[], t: number): Uint32Array {
  const total = new Uint32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) {
    for (let i = 0; i < total.length; i++) {
      total[i] = ((total[i] as number) + (vector[i] as number)) % t;
    }
  }
  return total;
}

export function shuffled<T>(values: readonly T[]): T[] {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}
