// What a province and the authority may see of a training round, and what is refused: tiny cohorts, lone classes, labels that are
// not labels, cohorts that differ by a few, a province that is missing.
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemRandom } from "../../core/random.ts";
import { atOnce } from "../../core/steps.ts";
import { PROVINCES } from "../../core/provinces.ts";
import {
  type CohortDifference,
  labelDifference,
  requireSameOrApart,
} from "../../consent/release/training-cohorts.ts";
import { fromResidue, TRAINING_PARAMETERS, TrainingScheme } from "../../crypto/index.ts";
import { openTrainingDecryptor } from "../../crypto/decrypt.ts";
import { coefficientPrimes } from "../../crypto/seal-scheme.ts";
import { train, TRAINING_DEFAULTS } from "../../cli/train-job.ts";

function people(each: number, label: (person: number) => number) {
  return PROVINCES.slice(0, 2).map(({ code }) => ({
    code,
    columns: [Float64Array.from({ length: each }, (_, i) => i % 7)],
    labels: Uint8Array.from({ length: each }, (_, i) => label(i)),
  }));
}

const job = { id: "t", client: "b", purpose: "p", features: ["x"], random: systemRandom };
const options = { ...TRAINING_DEFAULTS, columns: "raw", evaluate: false } as const;
const refused = { code: "training-refused" };

let scheme: TrainingScheme;
beforeAll(async () => {
  scheme = await TrainingScheme.create();
});
afterAll(() => scheme[Symbol.dispose]());

test("a tiny cohort is refused", async () => {
  const provinces = people(499, (i) => i % 2);
  await expect(train({ ...job, provinces }, options)).rejects.toMatchObject(refused);
});

test("a label file that singles out one person is refused", async () => {
  const provinces = people(500, (i) => (i === 3 ? 1 : 0));
  await expect(train({ ...job, provinces }, options)).rejects.toMatchObject(refused);
});

test("labels that outweigh the cohort are refused", async () => {
  const provinces = people(500, (i) => (i === 3 ? 255 : 10));
  await expect(train({ ...job, provinces }, options)).rejects.toMatchObject(refused);
});

test("labels that do not fit the people are refused", async () => {
  const provinces = people(500, (i) => i % 2);
  const short = provinces.map((each) => ({ ...each, labels: each.labels.subarray(1) }));
  await expect(train({ ...job, provinces: short }, options)).rejects.toMatchObject({
    code: "data-invalid",
  });
});

type Labels = ReadonlyMap<number, 0 | 1>;

/** Of those from `from` on, the first `bad` are bad. */
function cohort(from: number, people: number, bad: number): Labels {
  const labels = Array.from({ length: people }, (_, i) => [from + i, i < bad ? 1 : 0] as const);
  return new Map(labels);
}

/** Between cohorts as the authority hears of them; `labelled`: both have labels. */
function differenceOf(earlier: Labels, now: Labels, labelled: boolean): CohortDifference {
  const both = [...earlier].filter(([person]) => now.has(person));
  const relabelled = both.filter(([person, label]) => now.get(person) !== label).length;
  const [before, size] = [earlier, now].map((labels) => {
    return { people: labels.size, bad: [...labels.values()].filter((label) => label === 1).length };
  });
  const labels = labelDifference(before!, size!, relabelled);
  return {
    gone: earlier.size - both.length,
    added: now.size - both.length,
    shared: both.length,
    ...(labelled && { labels }),
  };
}

function admits(earlier: readonly Labels[], now: Labels, labelled = true): boolean {
  try {
    for (const each of earlier) requireSameOrApart(differenceOf(each, now, labelled), false);
    return true;
  } catch (error) {
    expect(error).toMatchObject(refused);
    return false;
  }
}

test("a cohort that is not the same people as an earlier one, nor others, is refused, however many they differ by", () => {
  const earlier = [cohort(0, 1000, 300)];
  for (const labelled of [true, false]) {
    expect(admits(earlier, cohort(0, 1000, 300), labelled)).toBe(true);
    expect(admits(earlier, cohort(1000, 5000, 300), labelled)).toBe(true);
    for (const [from, people] of [
      [1, 999],
      [0, 1001],
      [0, 1050],
      [0, 5000],
      [500, 1000],
      [989, 2000],
    ] as const) {
      expect(admits(earlier, cohort(from, people, 300), labelled)).toBe(false);
    }
  }
});

test.each([
  // gone, added, shared
  [0, 50, 1000],
  [50, 0, 1000],
  [0, 9000, 1000],
  [9000, 0, 1000],
  [500, 500, 500],
  [979, 979, 21],
  [100_000, 1000, 21],
])("of an earlier cohort %i gone, %i added, %i in both: refused", (gone, added, shared) => {
  expect(() => requireSameOrApart({ gone, added, shared }, false)).toThrow(
    expect.objectContaining(refused),
  );
});

test("in both a hundredth of the smaller cohort; with labels, of the smallest class", () => {
  const [earlier, now] = [[cohort(0, 1000, 300)], cohort(990, 2000, 300)];
  expect(admits(earlier, now, false)).toBe(true);
  expect(admits(earlier, now)).toBe(false);
  expect(admits(earlier, cohort(997, 2000, 300))).toBe(true);
  expect(admits(earlier, cohort(996, 2000, 300))).toBe(false);
  // Few are bad, or few are good, in the one or in the other: nobody at all.
  for (const few of [99, 1901]) expect(admits(earlier, cohort(999, 2000, few))).toBe(false);
  for (const few of [99, 901]) {
    expect(admits([cohort(0, 1000, few)], cohort(999, 2000, 300))).toBe(false);
  }
});

test("nobody, where they must be apart", () => {
  const labels = { relabelled: 0, smallestClass: 500 };
  const far = { gone: 1999, added: 5000, shared: 1, labels };
  for (const difference of [far, { gone: 0, added: 0, shared: 1000, labels }]) {
    requireSameOrApart(difference, false);
    expect(() => requireSameOrApart(difference, true)).toThrow(expect.objectContaining(refused));
  }
  requireSameOrApart({ ...far, shared: 0 }, true);
});

test("of some, of others, and of all those with one more: the third is refused", () => {
  const [some, others] = [cohort(0, 1000, 300), cohort(1000, 1000, 300)];
  expect(admits([some], others)).toBe(true);
  expect(admits([some, others], cohort(0, 2001, 600))).toBe(false);
});

test("the same people with labels of some, of others, and of all those and one more: none but the first is admitted", () => {
  const bad = (...those: readonly number[]): Labels =>
    new Map(Array.from({ length: 1000 }, (_, person) => [person, those.includes(person) ? 1 : 0]));
  const [some, others] = [0, 60].map((from) => Array.from({ length: 60 }, (_, i) => from + i));
  const jobs = [bad(...some!), bad(...others!), bad(...some!, ...others!, 777)];
  // Xᵀy₃ − Xᵀy₂ − Xᵀy₁ would be x₇₇₇.
  for (const job of jobs) {
    expect(jobs.filter((earlier) => admits([earlier], job))).toEqual([job]);
  }
});

test("all bad of one job among the bad of another, and one more of its own: refused, though they are a hundredth of the people", () => {
  const earlier = cohort(0, 6000, 60);
  const now = new Map([...cohort(0, 60, 60), ...cohort(6000, 6000, 1)]);
  expect(admits([earlier], now, false)).toBe(true);
  // The difference of both Xᵀy would be one row.
  expect(admits([earlier], now)).toBe(false);
});

test("parts that are made to cancel are refused by name, time and again, and fresh ones of nothing add up", () => {
  const keys = scheme.generateKeys();
  using encryptor = scheme.encryptor(keys.publicKey);
  const good = encryptor.encrypt(Float64Array.of(1, 2, 3));
  const cancelling = negated(good);
  const zero = encryptor.encrypt(new Float64Array(3));
  // Whatever came before, and two provinces that collude are enough. SEAL itself would throw; 335 such throws end the module.
  for (let i = 0; i < 400; i++) {
    expect(() => scheme.add([good, cancelling, zero])).toThrow(
      expect.objectContaining({ code: "ciphertext-invalid", detail: "sum is transparent" }),
    );
  }
  using decryptor = openTrainingDecryptor(scheme, keys.secretKey);
  const sum = decryptor.decrypt(scheme.add([good, zero, cancelling, zero]));
  expect(sum.subarray(0, 3)).toEqual(new Float64Array(3));
});

/** Of each coefficient the negative modulo its prime. */
function negated(ciphertext: Uint8Array): Buffer {
  const primes = coefficientPrimes(scheme.context, "ciphertext");
  const { slotCount } = scheme;
  const negative = Buffer.from(ciphertext);
  const start = negative.length - 2 * 8 * slotCount * primes.length;
  for (let i = 0; start + 8 * i < negative.length; i++) {
    const q = primes[Math.floor(i / slotCount) % primes.length] as bigint;
    const at = start + 8 * i;
    negative.writeBigUInt64LE((q - negative.readBigUInt64LE(at)) % q, at);
  }
  return negative;
}

test("label ciphertexts have one length whatever the labels, and no two are alike", () => {
  using encryptor = scheme.encryptor(scheme.generateKeys().publicKey);
  const zeros = encryptor.encrypt(new Float64Array(8));
  const ones = encryptor.encrypt(new Float64Array(8).fill(1));
  expect(zeros.length).toBe(ones.length);
  expect(Buffer.compare(zeros, encryptor.encrypt(new Float64Array(8)))).not.toBe(0);
});

test("what the authority opens: the sum of a segment, and slots that say nothing of a person", async () => {
  const { LabelBlocks, labelSlots, TrainingMasks, generateX25519, publicX25519 } =
    await import("../../crypto/index.ts");
  const keys = scheme.generateKeys();
  using encryptor = scheme.encryptor(keys.publicKey);
  using decryptor = openTrainingDecryptor(scheme, keys.secretKey);
  const layout = { block: 1024, tiles: 8 };
  const labels = Uint8Array.from({ length: 1000 }, (_, i) => i % 2);
  const jobDigest = Buffer.alloc(32, 7);
  const codes = PROVINCES.slice(0, 2).map(({ code }) => code);
  const pairs = new Map(codes.map((code) => [code, generateX25519()]));
  const peers = new Map([...pairs].map(([code, jwk]) => [code, publicX25519(jwk)]));
  const replies = codes.map((own) => {
    const masks = new TrainingMasks({ own, ownPrivate: pairs.get(own)!, peers, jobDigest });
    const parts = { scheme, encryptor, masks, random: systemRandom };
    const sent = [encryptor.encrypt(labelSlots(labels, 0, layout))];
    using blocks = atOnce(LabelBlocks.open(parts, sent, layout, 1000));
    const unit = 2 ** TRAINING_PARAMETERS.fractionBits;
    const columns = [() => unit, (person: number) => person * unit];
    return atOnce(blocks.sums(columns, () => Buffer.alloc(32, 9)))[0]!;
  });
  const total = (slots: Float64Array, segment: number): number =>
    slots
      .subarray(segment * 1024, (segment + 1) * 1024)
      .reduce((sum, slot) => (sum + slot) % TRAINING_PARAMETERS.plainModulus, 0);
  const merged = decryptor.decrypt(scheme.add(replies));
  expect(fromResidue(total(merged, 0))).toBe(1000);
  expect(fromResidue(total(merged, 1))).toBe(500_000);
  // Uniform modulo t: a slot below 2³⁰, where products would all be, comes once in 4,096.
  expect(merged.subarray(0, 1024).filter((slot) => slot < 2 ** 30).length).toBeLessThan(10);
  // One province's reply, opened: its mask is still on it.
  expect(fromResidue(total(decryptor.decrypt(replies[0]!), 0))).not.toBe(500);
});
