// "No partial, ever" (DESIGN §1): what a province sends means nothing alone, even to the holder of the secret key, and
// everything together. Ciphertexts come from province-node/reply.ts; the adversary here decrypts them.
import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecryptor } from "../../crypto/decrypt.ts";
import { type HeDecryptor, type HeEncryptor, SealScheme } from "../../crypto/index.ts";
import {
  describeFanOut,
  FULL_WIDTH,
  makeNodes,
  MODULUS as t,
  partialsLike,
  replyOf,
  someOf,
} from "./masked-fan-out.ts";
import { sumModulo } from "./slot-vectors.ts";
import {
  cellsByRange,
  cellsByRemainder,
  chiSquare,
  chiSquareLimit,
  correlation,
} from "./statistics.ts";

const resources = new DisposableStack();
const nodes = makeNodes(31);
let scheme: SealScheme;
let encryptor: HeEncryptor;
let decryptor: HeDecryptor;

beforeAll(async () => {
  scheme = resources.use(await SealScheme.create());
  const { publicKey, secretKey } = scheme.generateKeys();
  encryptor = resources.use(scheme.encryptor(publicKey));
  decryptor = resources.use(openDecryptor(scheme, secretKey));
});
afterAll(() => resources.dispose());

/** Fifty ciphertexts of one node, 2,047 slots each, with what the node had put in. */
function observe(province: string, participants: number) {
  const own = nodes.codes.find((code) => code === province) as (typeof nodes.codes)[number];
  const partials: number[] = [];
  const opened: number[] = [];
  for (let fanOut = 0; fanOut < 50; fanOut++) {
    const others = someOf(
      nodes.codes.filter((code) => code !== own),
      participants - 1,
    );
    const digested = describeFanOut(nodes, [own, ...others], FULL_WIDTH);
    // Half of the fan-outs are about nobody here, which is what a curious authority would most like to tell apart.
    const partial = partialsLike(digested.slotsUsed, fanOut % 2 === 0);
    const { ciphertext } = replyOf(nodes, own, partial, digested, encryptor);
    partials.push(...partial.subarray(1));
    opened.push(...decryptor.decrypt(ciphertext).subarray(1));
  }
  return { partials, opened };
}

describe.each([
  ["11", 2],
  ["44", 3],
  ["65", 31],
])("one ciphertext of %s and the secret key, %i participants", (province, participants) => {
  const cells = 256;
  let partials: number[];
  let opened: number[];
  beforeAll(() => {
    ({ partials, opened } = observe(province, participants));
  });

  test("its slots are uniform, in the high bits, the low bits and from slot to slot", () => {
    expect(opened.length).toBeGreaterThan(100_000);
    const steps = opened.map((value, i) => (value + t - (opened[i - 1] ?? 0)) % t);
    for (const counts of [
      cellsByRange(opened, t, cells),
      cellsByRemainder(opened, cells - 5),
      cellsByRange(steps, t, cells),
    ]) {
      expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(counts.length));
    }
  });

  test("they are unrelated to the partial: uncorrelated, and the same whether the person is held or not", () => {
    expect(Math.abs(correlation(partials, opened))).toBeLessThan(6 / Math.sqrt(opened.length));
    const held = opened.filter((_, i) => partials[i] !== 0);
    const nobody = opened.filter((_, i) => partials[i] === 0);
    for (const values of [held, nobody]) {
      expect(values.length).toBeGreaterThan(50_000);
      expect(chiSquare(cellsByRange(values, t, cells))).toBeLessThan(chiSquareLimit(cells));
    }
    const difference = opened.map((value, i) => (value + t - (partials[i] as number)) % t);
    expect(chiSquare(cellsByRange(difference, t, cells))).toBeLessThan(chiSquareLimit(cells));
  });

  test("the same statistics do see a partial that was not masked", () => {
    expect(chiSquare(cellsByRange(partials, t, cells))).toBeGreaterThan(1_000_000);
    const lightlyMasked = partials.map((value) => value + randomInt(t >>> 4));
    expect(chiSquare(cellsByRange(lightlyMasked, t, cells))).toBeGreaterThan(100_000);
    expect(correlation(partials, lightlyMasked)).toBeGreaterThan(0.01);
  });
});

describe("together they are exact", () => {
  test("1,000 random fan-outs over 2, 3 and 31 nodes: the masked vectors add up to the partials' sum", () => {
    for (let round = 0; round < 1000; round++) {
      const some = someOf(nodes.codes, [2, 3, 31][round % 3] as number);
      const digested = describeFanOut(nodes, some, randomInt(1, 120));
      const partials = some.map(() => partialsLike(digested.slotsUsed, randomInt(3) === 0));
      const masked = some.map((code, i) => {
        const slots = Uint32Array.from(partials[i] as Uint32Array);
        nodes.masks.get(code)?.apply(slots, digested.descriptor.provinces, digested.digest);
        return slots;
      });
      expect(sumModulo(masked, t)).toEqual(sumModulo(partials, t));
    }
  });

  // The full thousand through real ciphertexts: fan-outs.slow.ts.
  test.each([
    [2, 50],
    [3, 50],
    [31, 25],
  ])("over %i nodes, %i real fan-outs decrypt to the sum and the count", (size, rounds) => {
    for (let round = 0; round < rounds; round++) {
      const some = someOf(nodes.codes, size);
      const digested = describeFanOut(nodes, some, randomInt(1, FULL_WIDTH));
      const partials = some.map(() => partialsLike(digested.slotsUsed, randomInt(3) === 0));
      using sum = scheme.sum();
      for (const [i, code] of some.entries()) {
        sum.add(replyOf(nodes, code, partials[i] as Uint32Array, digested, encryptor).ciphertext);
      }
      const opened = decryptor.decrypt(sum.finish()).subarray(0, digested.slotsUsed);
      expect(opened[0]).toBe(size);
      expect(opened.subarray(1)).toEqual(sumModulo(partials, t).subarray(1));
    }
  });
});

describe("with any one left out they are noise", () => {
  test("over 31 nodes, whichever is missing: slot 0 shows it, and the rest is uniform", () => {
    const digested = describeFanOut(nodes, nodes.codes, FULL_WIDTH);
    const replies = nodes.codes.map((code) =>
      replyOf(nodes, code, partialsLike(digested.slotsUsed, true), digested, encryptor),
    );
    const opened: number[] = [];
    for (const missing of nodes.codes.keys()) {
      using sum = scheme.sum();
      for (const [i, { ciphertext }] of replies.entries()) if (i !== missing) sum.add(ciphertext);
      const slots = decryptor.decrypt(sum.finish());
      expect([30, 31]).not.toContain(slots[0]);
      opened.push(...slots.subarray(1));
    }
    expect(chiSquare(cellsByRange(opened, t, 256))).toBeLessThan(chiSquareLimit(256));
  });

  test("the same node twice, or a reply of another fan-out, does not help", () => {
    const some = nodes.codes.slice(0, 3);
    const [one, other] = [0, 1].map(() => describeFanOut(nodes, some, 10));
    const reply = (code: (typeof some)[number], fanOut = one) =>
      replyOf(nodes, code, new Uint32Array(11), fanOut as NonNullable<typeof one>, encryptor);
    const [a, b, c] = some as [(typeof some)[number], (typeof some)[number], (typeof some)[number]];
    for (const parts of [
      [reply(a), reply(b), reply(b)],
      [reply(a), reply(b), reply(c, other)],
      [reply(a), reply(b), reply(c), reply(a)],
    ]) {
      using sum = scheme.sum();
      for (const { ciphertext } of parts) sum.add(ciphertext);
      expect([2, 3, 4]).not.toContain(decryptor.decrypt(sum.finish())[0]);
    }
  });
});
