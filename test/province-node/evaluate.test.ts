// What a node puts into the slots: combinations against brute force, faults, absent people, a person's several
// numbers, the fraud score's sealed inputs, tags by class; and the bounds that the release depends on, as properties.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideAnswer, type NumberRecord, type PersonRecord } from "../../catalogue/index.ts";
import { evaluateItem } from "../../province-node/evaluate.ts";
import { combine } from "../../province-node/evaluate/checks.ts";
import type { Truth } from "../../province-node/evaluate/predicate.ts";
import {
  catalogue,
  ENVIRONMENT,
  fullList,
  key,
  OWN,
  productOf,
  record,
  tag,
} from "./evaluate-records.ts";

const truth = fc.constantFrom<Truth>(true, false, null);

/** Yes or no if every way of settling the unknown ones agrees, else unknown. */
function bySettling(
  truths: readonly Truth[],
  holds: (settled: readonly boolean[]) => boolean,
): Truth {
  const open = truths.filter((each) => each === null).length;
  const outcomes = new Set<boolean>();
  for (let bits = 0; bits < 2 ** open; bits++) {
    let next = 0;
    outcomes.add(holds(truths.map((each) => each ?? ((bits >> next++) & 1) === 1)));
  }
  return outcomes.size === 1 ? [...outcomes][0]! : null;
}

describe("combinations equal brute force over the unknown checks", () => {
  const truths = fc.array(truth, { minLength: 1, maxLength: 8 });

  test("all, any", () => {
    fc.assert(
      fc.property(truths, (each) => {
        expect(combine("all", each)).toBe(bySettling(each, (s) => s.every(Boolean)));
        expect(combine("any", each)).toBe(bySettling(each, (s) => s.some(Boolean)));
      }),
    );
  });

  test("at least k", () => {
    fc.assert(
      fc.property(truths, fc.integer({ min: 1, max: 8 }), (each, k) => {
        const expected = bySettling(each, (s) => s.filter(Boolean).length >= k);
        expect(combine({ at_least: k }, each)).toBe(expected);
      }),
    );
  });

  test("weighted total of 0–100 against a threshold", () => {
    const weighted = fc.array(fc.tuple(truth, fc.integer({ min: 1, max: 100 })), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(weighted, fc.integer({ min: 0, max: 100 }), (pairs, threshold) => {
        const weights = pairs.map(([, weight]) => weight);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const each = pairs.map(([value]) => value);
        const expected = bySettling(each, (settled) => {
          const got = weights.filter((_, i) => settled[i]).reduce((sum, weight) => sum + weight, 0);
          return 100 * got >= threshold * total;
        });
        expect(combine({ score: { weights, threshold } }, each)).toBe(expected);
      }),
    );
  });
});

const identity = productOf("identity-verification@1");
const REAL_NAME = { indicator: "id.real_name" };
const tenure = (months: number) => ({ indicator: "id.tenure_at_least", params: { months } });

function slotsOf(ref: string, numbers: readonly NumberRecord[], claims?: unknown): number[] {
  return [...evaluateItem(productOf(ref), { numbers }, claims, ENVIRONMENT)];
}

test("a combination in the claims is applied", () => {
  const holder = record({ values: { "id.real_name": 1, "id.tenure_months": 10 } });
  const ask = (combination?: unknown) => {
    const checks = [REAL_NAME, tenure(12), { indicator: "id.in_normal_use" }];
    const claims = combination === undefined ? { checks } : { combine: combination, checks };
    return slotsOf("identity-verification@1", [holder], claims);
  };
  // yes, no, unknown
  expect(ask()).toEqual([0, 1, 0]);
  expect(ask("any")).toEqual([0, 1, 1]);
  expect(ask({ at_least: 2 })).toEqual([0, 0, 0]);
  expect(ask({ at_least: 3 })).toEqual([0, 1, 0]);
  expect(ask({ score: { weights: [60, 20, 20], threshold: 60 } })).toEqual([0, 1, 1]);
  expect(ask({ score: { weights: [50, 20, 30], threshold: 60 } })).toEqual([0, 0, 0]);
  expect(ask({ score: { weights: [20, 60, 20], threshold: 60 } })).toEqual([0, 1, 0]);
});

describe("claims that do not fit raise the fault slot and nothing else", () => {
  const holder = record({ values: { "id.real_name": 1 } });
  const UNFIT: Readonly<Record<string, unknown>> = {
    "missing, though required": undefined,
    "not opened": null,
    "not an object": [1],
    "no checks": { checks: [] },
    "too many checks": { checks: Array.from({ length: 17 }, () => REAL_NAME) },
    "an indicator of another product": {
      checks: [{ indicator: "loc.resident_city", claim: { city_code: 510100 } }],
    },
    "a parameter out of range": { checks: [tenure(241)] },
    "a parameter missing": { checks: [{ indicator: "id.tenure_at_least" }] },
    "a parameter that is not one": { checks: [{ ...REAL_NAME, params: { months: 3 } }] },
    "a claim missing": { checks: [{ indicator: "id.number_name", claim: { name: "王伟" } }] },
    "a claim that is not asked for": { checks: [{ ...REAL_NAME, claim: { name: "王伟" } }] },
    "a bad phone number": {
      checks: [{ indicator: "id.number_name", claim: { name: "王伟", msisdn: "12345" } }],
    },
    "a bad check character": {
      checks: [
        {
          indicator: "id.number_idno",
          claim: { msisdn: OWN.msisdn, cn_id_number: "110105194912310021" },
        },
      ],
    },
    "an unknown combination": { combine: "most", checks: [REAL_NAME] },
    "more wanted than asked": { combine: { at_least: 2 }, checks: [REAL_NAME] },
    "weights of another number": {
      combine: { score: { weights: [1, 1], threshold: 50 } },
      checks: [REAL_NAME],
    },
    "weights of nothing": {
      combine: { score: { weights: [0], threshold: 0 } },
      checks: [REAL_NAME],
    },
    "a field that is not known": { checks: [REAL_NAME], extra: 1 },
  };

  test.each(Object.entries(UNFIT))("%s", (_, claims) => {
    expect(slotsOf("identity-verification@1", [holder], claims)).toEqual([1, 0, 0]);
    expect([...evaluateItem(identity, undefined, claims, ENVIRONMENT)]).toEqual([0, 0, 0]);
  });

  test("claims for a product that takes none", () => {
    expect(slotsOf("credit-score@1", [holder], {})[0]).toBe(1);
  });
});

test("an absent person gives zeros for every product", () => {
  for (const product of catalogue.products.values()) {
    const slots = evaluateItem(product, undefined, undefined, ENVIRONMENT);
    expect([...slots], product.ref).toEqual(product.slots.map(() => 0));
  }
});

describe("a person's several numbers", () => {
  const older = record({ values: { "id.tenure_months": 120, "id.in_use": 1 } });
  const newer = record({
    values: { "id.tenure_months": 3, "id.in_use": 1 },
    identity: { msisdn: tag("msisdn", "+8613900139000") },
  });

  test("a check is yes if it is for one of them", () => {
    const claims = { checks: [tenure(100)] };
    expect(slotsOf("identity-verification@1", [newer, older], claims)).toEqual([0, 1, 1]);
    expect(slotsOf("identity-verification@1", [newer], claims)).toEqual([0, 1, 0]);
  });

  test("a combination must hold for one and the same number", () => {
    const own = { indicator: "id.number_name", claim: { name: OWN.name, msisdn: "13900139000" } };
    const claims = { checks: [own, tenure(100)] };
    expect(slotsOf("identity-verification@1", [newer, older], claims)).toEqual([0, 1, 0]);
  });

  test("numbers in use are counted; those of unknown state are not", () => {
    expect(slotsOf("many-numbers@1", [older, newer, record({})])).toEqual([0, 1, 2]);
    expect(slotsOf("many-numbers@1", [record({})])).toEqual([0, 0, 0]);
  });

  test("the score is weighted by months, and the node's weight stays within 255", () => {
    const long = record({ values: { "loy.history_months": 240 } });
    const short = record({ values: { "loy.history_months": 60, "id.real_name": 1 } });
    const [, weight, sum] = slotsOf("credit-score@1", [long, short]);
    const score = (slots: number[]) => (slots[2] as number) / (slots[1] as number);
    const alone = [long, short].map((each) => score(slotsOf("credit-score@1", [each])));
    // floor(240 · 255/300) + floor(60 · 255/300)
    expect(weight).toBe(204 + 51);
    expect(sum).toBe(204 * (alone[0] as number) + 51 * (alone[1] as number));
  });
});

describe("the fraud score's sealed inputs", () => {
  const PEERS = ["13700137000", "13600136000", "13500135000"];
  const contacts = PEERS.map((peer) => ({ key: key("msisdn", peer), calls_180: 4 }));
  const cities = [{ key: 510100, days_30: 30, hours_since: 2 }];
  const holder = record({
    values: {
      "loy.history_months": 24,
      "id.tenure_months": 24,
      "id.real_name": 1,
      "id.device_age_days": 400,
      "loc.resident_city": 510100,
    },
    lists: { contacts, cities },
  });

  function dimensions(claims?: unknown): Record<string, number> {
    const product = productOf("fraud-score@1");
    const decision = decideAnswer(product, slotsOf("fraud-score@1", [holder], claims), 31);
    if (decision.kind !== "answer" || decision.answer.kind !== "score") throw new Error("no score");
    return { ...decision.answer.dimensions, value: decision.answer.value as number };
  }

  const lives = (city_code: number) => ({ indicator: "loc.resident_city", claim: { city_code } });
  const used = (city_code: number) => ({
    indicator: "loc.current_city",
    params: { hours: 2 },
    claim: { city_code },
  });
  const honest = { indicator: "id.number_name", claim: { name: OWN.name, msisdn: OWN.msisdn } };
  const forged = { indicator: "id.number_name", claim: { name: "李娜", msisdn: OWN.msisdn } };
  const unknown = { indicator: "id.age_at_least", params: { years: 18 } };

  test("without claims a plain number has no fraud points", () => {
    expect(dimensions()).toMatchObject({ value: 0, application_facts: 0, risk_lists: 0 });
  });

  test("contradicted facts count; agreeing and unknown ones do not", () => {
    const at = (application: unknown[]) => dimensions({ application })["application_facts"];
    expect(at([honest, lives(510100), unknown])).toBe(0);
    // bins: 1 → 120, 2 → 200, more → 250 of 250
    expect(at([forged, lives(510100)])).toBe(48);
    expect(at([forged, lives(440300)])).toBe(80);
    expect(at([forged, forged, lives(440300)])).toBe(100);
  });

  test("a contact that a full list may have lost contradicts nothing", () => {
    const stated = { indicator: "net.is_contact", claim: { contact_msisdn: "13300133000" } };
    const claims = { application: [stated] };
    const facts = (contacts: NumberRecord["lists"][string]) =>
      slotsOf("fraud-score@1", [{ ...holder, lists: { contacts } }], claims)[2];
    const none = slotsOf("fraud-score@1", [holder])[2];
    expect(facts(fullList("contacts", { calls_180: 1 }))).toBe(none);
    expect(facts(fullList("contacts", { calls_180: 1 }).slice(1))).toBeGreaterThan(none as number);
  });

  test("a card used where the phone is not", () => {
    expect(dimensions({ card_use: [used(510100)] })).toMatchObject({ card_use: 0, value: 0 });
    expect(dimensions({ card_use: [used(440300)] })).toMatchObject({ card_use: 100, value: 120 });
  });

  test("the caller's own list: contacts on it, and the number itself", () => {
    const on = (...risk_numbers: string[]) => dimensions({ risk_numbers });
    expect(on("13000130000")).toMatchObject({ risk_contacts: 0, risk_lists: 0 });
    expect(on("13700137000", "+8613600136000")).toMatchObject({ risk_contacts: 33, risk_lists: 0 });
    expect(on(...PEERS)).toMatchObject({ risk_contacts: 67 });
    expect(on(OWN.msisdn)).toMatchObject({ risk_contacts: 0, risk_lists: 80, value: 240 });
  });
});

test("tags: only the classes that were asked for", () => {
  const holder = record({ values: { "id.male": 1, "id.age_years": 30, "id.tenure_months": 80 } });
  const tagsOf = (claims?: unknown) => {
    const decision = decideAnswer(productOf("tags@1"), slotsOf("tags@1", [holder], claims), 31);
    return decision.kind === "answer" && decision.answer.kind === "tags"
      ? decision.answer.tags
      : [];
  };
  expect(tagsOf()).toEqual(["male", "age-25-34", "loyal-user"]);
  expect(tagsOf({ classes: ["life_cycle"] })).toEqual(["loyal-user"]);
  expect(tagsOf({ classes: ["risk"] })).toEqual([]);
  expect(slotsOf("tags@1", [holder], { classes: ["luck"] })[0]).toBe(1);
});

test("segments read the credit score", () => {
  const poor = record({ values: { "loy.history_months": 12, "val.on_fraud_list": 1 } });
  const slots = slotsOf("segments@1", [poor]);
  expect(slots).toEqual([0, 1, 0, 1, 0, 1]);
});

/** Any record that the loader could have stored: values within bounds or unknown. */
const anyRecord = fc
  .tuple(
    ...catalogue.indicators.map(({ min, max, scale }) => {
      const low = Math.round(min * scale);
      const high = Math.round(max * scale);
      const near = fc.integer({ min: low, max: Math.min(high, low + 200 * scale) });
      return fc.oneof(near, fc.integer({ min: low, max: high }), fc.constant(null));
    }),
  )
  .map((values): NumberRecord => ({ ...record({}), values }));

const scored = [...catalogue.products.values()].filter(({ claims }) => claims !== "required");

test.each(scored)("$ref: no slot exceeds its bound, whatever the records", (product) => {
  const person = fc.array(anyRecord, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(person, (numbers) => {
      const slots = evaluateItem(product, { numbers }, undefined, ENVIRONMENT);
      product.slots.forEach(({ max }, i) => expect(slots[i]).toBeLessThanOrEqual(max));
      expect(decideAnswer(product, [...slots], 1).kind).toBe("answer");
    }),
    { numRuns: 40 },
  );
});

test.each(scored)("$ref: numbers spread over provinces decide as in one province", (product) => {
  const few = fc.array(anyRecord, { minLength: 1, maxLength: 5 });
  const weightAt = catalogue.positions.get("loy.history_months") as number;
  fc.assert(
    fc.property(few, (records) => {
      // 5 · 51 months: the one node's weight is not reduced, so the sums are the very same.
      const numbers = records.map((each) => ({
        ...each,
        values: each.values.with(weightAt, Math.min(51, each.values[weightAt] ?? 0)),
      }));
      const together = evaluateItem(product, { numbers }, undefined, ENVIRONMENT);
      const apart = numbers.map((each): PersonRecord => ({ numbers: [each] }));
      const sums = product.slots.map(() => 0);
      for (const person of apart) {
        evaluateItem(product, person, undefined, ENVIRONMENT).forEach((value, i) => {
          sums[i] = (sums[i] as number) + value;
        });
      }
      expect(decideAnswer(product, sums, 31)).toEqual(decideAnswer(product, [...together], 31));
    }),
    { numRuns: 40 },
  );
});

test("above 255 months the one province's score stays within rounding of the spread one", () => {
  const product = productOf("credit-score@1");
  const weightAt = catalogue.positions.get("loy.history_months") as number;
  const heavy = fc.tuple(anyRecord, fc.integer({ min: 100, max: 255 })).map(([each, months]) => ({
    ...each,
    values: each.values.with(weightAt, months),
  }));
  fc.assert(
    fc.property(fc.array(heavy, { minLength: 2, maxLength: 5 }), (numbers) => {
      const value = (sums: readonly number[]) => {
        const decision = decideAnswer(product, sums, 31);
        if (decision.kind !== "answer" || decision.answer.kind !== "score") throw new Error("none");
        return decision.answer.value as number;
      };
      const together = [...evaluateItem(product, { numbers }, undefined, ENVIRONMENT)];
      const parts = numbers.map((each) => [
        ...evaluateItem(product, { numbers: [each] }, undefined, ENVIRONMENT),
      ]);
      const spread = product.slots.map((_, i) =>
        parts.reduce((sum, part) => sum + (part[i] ?? 0), 0),
      );
      // Each of five shares loses less than one of 255 months: at most 5/250 of 550 points.
      expect(Math.abs(value(together) - value(spread))).toBeLessThanOrEqual(11);
    }),
    { numRuns: 100 },
  );
});
