// What the demo asks for fits what an institution may ask for in one consent, whatever the catalogue has grown to; and every product
// that can be asked without a schedule is asked.
import { expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { demoInterviews } from "../../cli/demo-questions.ts";
import { MAX_ACTIONS } from "../../consent/index.ts";
import type { TruthPerson } from "../../province-node/index.ts";

function person(n: number, ...provinces: string[]): TruthPerson {
  const numbers = provinces.map((province, i) => ({ msisdn: `+861380000${n}00${i}`, province }));
  const made = { name: "某人", cnId: "110101199001010011", contacts: [], homeDistrict: 110_101 };
  return { ...made, numbers } as unknown as TruthPerson;
}

test("every product, each in a consent of at most sixteen", () => {
  const catalogue = loadCatalogue();
  const truth = [1, 2, 3, 4, 5, 6, 7].map((n) => person(n, "11"));
  const interviews = demoInterviews([...truth, person(8, "11", "12")], catalogue);
  for (const { products, questions } of interviews) {
    expect(products.length).toBeLessThanOrEqual(MAX_ACTIONS);
    expect(new Set(questions.map(({ product }) => product))).toEqual(new Set(products));
  }
  const asked = new Set(interviews.flatMap(({ products }) => products));
  const scheduled = (ref: string): boolean => ref.startsWith("watch-");
  const expected = [...catalogue.products.keys()].filter((ref) => !scheduled(ref));
  expect([...asked].toSorted()).toEqual(expected.toSorted());
});
