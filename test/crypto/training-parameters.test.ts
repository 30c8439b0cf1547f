// The parameters of training, which SEAL takes from us: each prime lets it transform, together they are within 128-bit security,
// and those of a ciphertext multiply to 1 modulo t. Failure would be weaker keys, or every encryption at twice its price.
import { checkPrimeSync } from "node:crypto";
import { expect, test } from "vitest";
import { TRAINING_PARAMETERS } from "../../crypto/training-scheme.ts";

const { polyModulusDegree, coeffModulus, plainModulus } = TRAINING_PARAMETERS;

test("four different primes that are 1 modulo 2N, of at most 214 bits together (eprint 2024/463)", () => {
  expect(new Set<bigint>(coeffModulus).size).toBe(4);
  for (const prime of coeffModulus) {
    expect(checkPrimeSync(prime)).toBe(true);
    expect(prime % BigInt(2 * polyModulusDegree)).toBe(1n);
  }
  expect(product(coeffModulus)).toBeLessThan(2n ** 214n);
});

test("those of a ciphertext: nearly 180 bits, and 1 modulo t", () => {
  const q = product(coeffModulus.slice(0, -1));
  expect(q).toBeGreaterThan(2n ** 179n);
  expect(q % BigInt(plainModulus)).toBe(1n);
});

function product(factors: readonly bigint[]): bigint {
  return factors.reduce((all, factor) => all * factor, 1n);
}
