// decideAnswer by hand-worked sums (DESIGN §4), and as properties: an answer never leaves its scale, and sums that no
// honest nodes could have put in are refused.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Answer,
  type Decision,
  decideAnswer,
  loadCatalogue,
  MAX_NODE_WEIGHT,
  type Product,
} from "../../catalogue/index.ts";

const catalogue = loadCatalogue();

function productOf(ref: string): Product {
  const product = catalogue.products.get(ref);
  if (product === undefined) throw new Error(`no ${ref}`);
  return product;
}

function answered(answer: Answer, conclusive: boolean): Decision {
  return { kind: "answer", answer, conclusive };
}

const yesNo = (value: "yes" | "no" | "unknown", conclusive: boolean) =>
  answered({ kind: "yes_no", value }, conclusive);

const REFUSE_RANGE: Decision = { kind: "refuse", code: "sum-out-of-range" };
const REFUSE_CLAIMS: Decision = { kind: "refuse", code: "claims-invalid" };

describe("any", () => {
  const product = productOf("identity-verification@1");
  test.each([
    [[0, 0, 0], yesNo("unknown", false)],
    [[0, 1, 0], yesNo("no", false)],
    [[0, 1, 1], yesNo("yes", true)],
    [[0, 2, 1], yesNo("yes", true)],
    [[1, 0, 0], REFUSE_CLAIMS],
    [[2, 1, 1], REFUSE_CLAIMS],
    [[0, 1, 2], REFUSE_RANGE],
    [[0, 4, 0], REFUSE_RANGE],
    [[4, 0, 0], REFUSE_RANGE],
    [[0, -1, 0], REFUSE_RANGE],
    [[0, 0.5, 0], REFUSE_RANGE],
    [[0, 0], REFUSE_RANGE],
    [[0, 0, 0, 0], REFUSE_RANGE],
  ])("%j over 3 nodes", (sums, decision) => {
    expect(decideAnswer(product, sums, 3)).toEqual(decision);
  });

  test('"any" lets a "no" stand on partial coverage', () => {
    expect(decideAnswer({ ...product, partial: "any" }, [0, 1, 0], 3)).toEqual(yesNo("no", true));
  });
});

test("at-least counts over all provinces, and only yes is conclusive", () => {
  const product = productOf("many-numbers@1");
  expect(decideAnswer(product, [0, 0, 0], 31)).toEqual(yesNo("unknown", false));
  expect(decideAnswer(product, [0, 2, 4], 31)).toEqual(yesNo("no", false));
  expect(decideAnswer(product, [0, 2, 5], 31)).toEqual(yesNo("yes", true));
  expect(decideAnswer(product, [0, 0, 1], 31)).toEqual(REFUSE_RANGE);
});

test("threshold says yes or no and nothing else", () => {
  const product = productOf("credit-at-least:650@1");
  expect(product.slots.map(({ id }) => id)).toEqual(["fault", "w", "w·s"]);
  // 300 + 350 reaches 650; 349.4 rounds to 349 and does not.
  expect(decideAnswer(product, [0, 10, 3500], 31)).toEqual(yesNo("yes", true));
  expect(decideAnswer(product, [0, 10, 3494], 31)).toEqual(yesNo("no", true));
  expect(decideAnswer(product, [0, 0, 0], 31)).toEqual(yesNo("unknown", false));
  expect(decideAnswer(product, [0, 1, 551], 31)).toEqual(REFUSE_RANGE);
});

describe("weighted mean", () => {
  const product = productOf("credit-score@1");
  const maxima = [60, 80, 90, 70, 60, 50, 80, 60];

  test("two provinces: the mean by months, dimensions 0–100, the two costliest reasons", () => {
    // Province a: 24 months, full marks. Province b: 12 months, telecom spending and values at nothing.
    const a = maxima;
    const b = maxima.map((max, i) => (i === 2 || i === 6 ? 0 : max));
    const sum = (points: number[]) => points.reduce((total, each) => total + each, 0);
    const dims = maxima.map((_, i) => 24 * (a[i] as number) + 12 * (b[i] as number));
    const sums = [0, 36, 24 * sum(a) + 12 * sum(b), ...dims];
    // 300 + (24·550 + 12·380)/36 = 300 + 493.33
    expect(decideAnswer(product, sums, 31)).toEqual(
      answered(
        {
          kind: "score",
          value: 793,
          band: "A",
          dimensions: {
            identity: 100,
            loyalty: 100,
            telecom_spending: 67,
            fixed_assets: 100,
            online_spending: 100,
            offline_spending: 100,
            values: 67,
            social: 100,
          },
          reasons: ["telecom-spending-weak", "values-risky"],
        },
        true,
      ),
    );
  });

  test("no evidence anywhere is unknown, and not conclusive", () => {
    const sums = product.slots.map(() => 0);
    expect(decideAnswer(product, sums, 31)).toEqual(
      answered({ kind: "score", value: null }, false),
    );
  });

  test("a perfect score has no reasons", () => {
    const decision = decideAnswer(product, [0, 1, 550, ...maxima], 31);
    expect(decision).toMatchObject({ answer: { value: 850, reasons: [] } });
  });

  test("more points than the weight allows are refused", () => {
    expect(decideAnswer(product, [0, 1, 551, ...maxima], 31)).toEqual(REFUSE_RANGE);
    expect(decideAnswer(product, [0, 1, 550, 61, ...maxima.slice(1)], 31)).toEqual(REFUSE_RANGE);
    expect(decideAnswer(product, [0, 0, 1, ...maxima.map(() => 0)], 31)).toEqual(REFUSE_RANGE);
  });

  test("a known score stands on partial coverage only if the product says so", () => {
    const sums = [0, 1, 550, ...maxima];
    expect(decideAnswer({ ...product, partial: "yes" }, sums, 28)).toMatchObject({
      conclusive: false,
    });
    expect(decideAnswer(product, sums, 28)).toMatchObject({ conclusive: true });
  });

  test("the authority's count of institutions raises the fraud score and is its reason", () => {
    const fraud = productOf("fraud-score@1");
    const sums = fraud.slots.map(({ id }) => (id === "w" ? 12 : 0));
    const ask = (institutions?: number) => {
      const facts = institutions === undefined ? {} : { institutionsWithin: () => institutions };
      const decision = decideAnswer(fraud, sums, 31, facts);
      return decision.kind === "answer" ? decision.answer : decision;
    };
    expect(ask()).toMatchObject({ value: 0, band: "low", reasons: [] });
    expect(ask()).not.toHaveProperty("dimensions.repeated_queries");
    expect(ask(1)).toMatchObject({ value: 0, dimensions: { repeated_queries: 0 }, reasons: [] });
    expect(ask(5)).toMatchObject({
      value: 100,
      dimensions: { repeated_queries: 67 },
      reasons: ["fraud-repeated"],
    });
    expect(ask(99)).toMatchObject({ value: 150, band: "elevated" });
  });
});

test("tags: those that any province reports, in the catalogue's order", () => {
  const product = productOf("segments@1");
  expect(decideAnswer(product, [0, 2, 1, 0, 2, 0], 31)).toEqual(
    answered({ kind: "tags", tags: ["high-credit", "at-risk"] }, false),
  );
  expect(decideAnswer(product, [0, 1, 2, 0, 0, 0], 31)).toEqual(REFUSE_RANGE);
});

/** What one number puts into a weighted mean: its weight and points per dimension. */
function evidence(product: Product, maxWeight: number) {
  const { rule } = product;
  if (rule.type !== "weighted-mean") throw new Error("not a weighted mean");
  const { dimensions, divisor, maxScore } = rule.scale;
  return fc
    .tuple(
      fc.integer({ min: 0, max: maxWeight }),
      fc.tuple(...dimensions.map(({ max }) => fc.integer({ min: 0, max }))),
    )
    .map(([weight, points]) => {
      const sum = points.reduce((total, each, i) => total + each * (dimensions[i]?.weight ?? 0), 0);
      const score = Math.min(maxScore, Math.floor((2 * sum + divisor) / (2 * divisor)));
      return { weight, score, points };
    });
}

type Evidence = { weight: number; score: number; points: readonly number[] };

function sumsOf(parts: readonly Evidence[], width: number): number[] {
  const sums = Array.from({ length: width }, () => 0);
  for (const { weight, score, points } of parts) {
    [1, score, ...points].forEach((value, i) => {
      sums[i + 1] = (sums[i + 1] as number) + weight * value;
    });
  }
  return sums;
}

const scores = [...catalogue.products.values()].filter(({ kind }) => kind === "score");

test.each(scores)(
  "$ref: the mean over nodes is the mean of the evidence, on the scale",
  (product) => {
    const { rule } = product;
    if (rule.type !== "weighted-mean") throw new Error("not a weighted mean");
    const parts = fc.array(evidence(product, MAX_NODE_WEIGHT), { minLength: 1, maxLength: 31 });
    fc.assert(
      fc.property(parts, (each) => {
        const decision = decideAnswer(product, sumsOf(each, product.slots.length), 31);
        const weight = each.reduce((sum, part) => sum + part.weight, 0);
        const mean = each.reduce((sum, part) => sum + part.weight * part.score, 0) / weight;
        if (decision.kind !== "answer" || decision.answer.kind !== "score") return false;
        const { value } = decision.answer;
        if (weight === 0) return value === null;
        const { offset, min, max } = rule.scale;
        const expected = Math.min(max, Math.max(min, offset + mean));
        return (
          value !== null && value >= min && value <= max && Math.abs(value - expected) <= 0.5 + 1e-9
        );
      }),
    );
  },
);

test("whatever the sums, the answer is refused or on its scale, and never throws", () => {
  const products = [...catalogue.products.values()];
  const asked = fc.constantFrom(...products).chain((product) =>
    fc.record({
      product: fc.constant(product),
      sums: fc.tuple(...product.slots.map(({ max }) => fc.integer({ min: 0, max: 3 * max + 1 }))),
      nodes: fc.integer({ min: 1, max: 31 }),
    }),
  );
  let refused = 0;
  fc.assert(
    fc.property(asked, ({ product, sums, nodes }) => {
      const decision = decideAnswer(product, sums, nodes);
      if (decision.kind === "refuse") {
        refused++;
        return;
      }
      expect(sums[0]).toBe(0);
      expect(decision.answer.kind).toBe(product.kind);
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(0);
});
