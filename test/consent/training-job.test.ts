// What an institution may wish of a training job, by size: whatever the usual layout gives, and no more work than a province can do.
import { expect, test } from "vitest";
import { requireFewParts, TrainingWish } from "../../consent/training-job.ts";
import { chooseLayout, type Layout } from "../../crypto/index.ts";

const FEATURES = Array.from({ length: 128 }, (_, i) => `use.indicator_${i}`);

function wish(people: readonly number[], layout: Layout, features = 1): object {
  return {
    job: {
      id: "3f0c6a52-6c1e-4c57-9d38-1f1d5f4d7a10",
      client: "bank",
      purpose: "dpv:CreditChecking",
      features: FEATURES.slice(0, features),
      provinces: ["11", "12"],
      layout,
      labelCommitment: "a".repeat(64),
    },
    lawful_basis: { basis: "dpv:Contract", reference: "clause 7" },
    people,
    max_rounds: 10,
    days: 1,
  };
}

const rules = (value: object): string[] =>
  TrainingWish.safeParse(value).error?.issues.map(({ message }) => message) ?? [];

test("label blocks of each province are bounded", () => {
  const small = { block: 64, tiles: 128 };
  expect(rules(wish([1024 * 64, 1], small))).toEqual([]);
  const rule = "people: at most 1024 blocks of job.layout.block in a province";
  expect(rules(wish([1, 1024 * 64 + 1], small))).toEqual([rule]);
});

test("the usual layout is within bounds", () => {
  for (const people of [1, 1000, 50_000, 130_000, 1_000_000, 8_000_000]) {
    for (const features of [1, 16, 64, 128]) {
      const layout = chooseLayout(people, Math.max(2 * features, 64));
      expect(rules(wish([people, people], layout, features))).toEqual([]);
    }
  }
});

test("bins of one question are bounded by what a round brings home", () => {
  const bins = (count: number) => ({ type: "bins", count, monotone: false }) as const;
  const job = (layout: Layout) => ({ features: FEATURES, layout });
  const large = { block: 8192, tiles: 1 };
  expect(() => requireFewParts(bins(3), job(large))).not.toThrow();
  expect(() => requireFewParts(bins(4), job(large))).toThrow(/count: at most 512 ciphertexts/);
  expect(() => requireFewParts({ type: "standardisation" }, job(large))).not.toThrow();
  expect(() => requireFewParts(bins(20), job(chooseLayout(130_000, 256)))).not.toThrow();
  expect(() => requireFewParts(bins(10), job(chooseLayout(500_000, 256)))).not.toThrow();
});
