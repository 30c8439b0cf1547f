// A watched condition from packed facts to what is told: sums of up to 31 provinces, hysteresis, and what a missing province
// could still change.
import { describe, expect, test } from "vitest";
import {
  type ConditionState,
  decideAnswer,
  loadCatalogue,
  MAX_NODES,
  nextState,
  observe,
  packFacts,
} from "../../catalogue/index.ts";

const NOTHING = packFacts({ known: false, crossed: false, unwell: false });
const WELL = packFacts({ known: true, crossed: false, unwell: false });
const BETWEEN = packFacts({ known: true, crossed: false, unwell: true });
const CROSSED = packFacts({ known: true, crossed: true, unwell: true });

describe("sums", () => {
  test("of any numbers of provinces of each kind say what their facts say", () => {
    for (let well = 0; well <= MAX_NODES; well++) {
      for (let between = 0; well + between <= MAX_NODES; between++) {
        for (let crossed = 0; well + between + crossed <= MAX_NODES; crossed++) {
          const sum = well * WELL + between * BETWEEN + crossed * CROSSED;
          const expected =
            crossed > 0 ? "crossed" : between > 0 ? "between" : well > 0 ? "back" : "unknown";
          expect(observe(sum)).toBe(expected);
        }
      }
    }
  });

  test("that no honest provinces make are refused", () => {
    expect(observe(CROSSED - WELL)).toBe("impossible");
    expect(observe(BETWEEN - WELL)).toBe("impossible");
    expect(NOTHING).toBe(0);
  });
});

test("between changes nothing, also after a time that could not be told", () => {
  const run = (days: readonly Parameters<typeof nextState>[1][]) =>
    days.reduce<ConditionState>((state, day) => nextState(state, day), "back");
  expect(run(["crossed", "between"])).toBe("crossed");
  expect(run(["crossed", "unknown"])).toBe("crossed?");
  expect(run(["crossed", "unknown", "between"])).toBe("crossed");
  expect(run(["crossed", "back", "between"])).toBe("back");
  expect(run(["unknown", "between"])).toBe("back");
});

describe("the rule", () => {
  const product = loadCatalogue().products.get("watch-consumption@1");
  if (product === undefined) throw new Error("no such product");
  const decide = (slots: readonly number[], states: readonly ConditionState[]) => {
    const unused = Array.from({ length: 8 - slots.length }, () => 0);
    return decideAnswer(product, [0, ...slots, ...unused], 3, { states });
  };

  test("tells what has changed, by place, and nothing else", () => {
    expect(decide([CROSSED, WELL, NOTHING], ["back", "crossed", "crossed?"])).toMatchObject({
      answer: {
        kind: "alerts",
        changes: [
          { condition: 0, state: "crossed" },
          { condition: 1, state: "back" },
        ],
      },
      states: ["crossed", "back", "crossed?"],
    });
    expect(decide([BETWEEN], ["crossed"])).toMatchObject({ answer: { changes: [] } });
  });

  test("only what no other province can change stands without it", () => {
    expect(decide([CROSSED, CROSSED], ["back", "back"])).toMatchObject({ conclusive: true });
    expect(decide([CROSSED, WELL], ["back", "back"])).toMatchObject({ conclusive: false });
    expect(decide([NOTHING], ["back"])).toMatchObject({ conclusive: false });
  });

  test("refuses sums out of range", () => {
    expect(decide([CROSSED - WELL], ["back"])).toMatchObject({ code: "sum-out-of-range" });
    expect(decide([4 * CROSSED], ["back"])).toMatchObject({ code: "sum-out-of-range" });
  });
});
