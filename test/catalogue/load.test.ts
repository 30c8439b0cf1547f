// The bundled catalogue is complete by CATALOGUE §2–§6; a spoiled declaration is refused, naming file and field.
import { expect, test } from "vitest";
import { claimsJsonSchema, loadCatalogue, MAX_NODES, slotWidth } from "../../catalogue/index.ts";
import { HE_PARAMETERS } from "../../crypto/he-scheme.ts";
import { CatalogueFolder } from "./folder.ts";

const catalogue = loadCatalogue();

test("the library has at least 100 numeric indicators over the eight families", () => {
  const families = Map.groupBy(catalogue.indicators, ({ family }) => family);
  expect(families.size).toBe(8);
  for (const members of families.values()) expect(members.length).toBeGreaterThanOrEqual(10);
  const numeric = catalogue.indicators.filter(({ unit }) => unit !== "flag" && unit !== "code");
  expect(numeric.length).toBeGreaterThanOrEqual(100);
});

test("33 verifications, 24 watches, 12 classes of five tags and more, as numbered", () => {
  const numbers = [...catalogue.verifications.values()].map(({ number }) => number);
  expect(numbers).toEqual(Array.from({ length: 33 }, (_, i) => i + 1));
  const watches = [...catalogue.watches.values()].map(({ number }) => number);
  expect(watches).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  const classes = [...catalogue.tagClasses.values()].filter(({ id }) => id !== "segment");
  expect(classes).toHaveLength(12);
  for (const { tags } of classes) expect(tags.length).toBeGreaterThanOrEqual(5);
});

test("every verification can be asked in its dimension's product and in the combined one", () => {
  const offered = (ref: string) => {
    const evaluation = catalogue.products.get(ref)?.evaluation;
    return evaluation?.type === "checks" ? evaluation.verifications.map(({ id }) => id) : [];
  };
  const products = ["identity", "consumption", "location", "contact", "interest"];
  const all = products.flatMap((id) => offered(`${id}-verification@1`));
  expect(all.sort()).toEqual([...catalogue.verifications.keys()].sort());
  expect(offered("verification@1").sort()).toEqual(all);
});

test("no slot's sum over all provinces can reach the plaintext modulus, and an item fits a ciphertext", () => {
  for (const product of catalogue.products.values()) {
    expect(slotWidth(product)).toBe(product.slots.length);
    expect(slotWidth(product)).toBeLessThan(HE_PARAMETERS.polyModulusDegree - 1);
    for (const { max } of product.slots) {
      expect(MAX_NODES * max).toBeLessThan(HE_PARAMETERS.plainModulus);
    }
  }
});

test("claims schemas are published for the products that take claims, and only for them", () => {
  for (const product of catalogue.products.values()) {
    expect(claimsJsonSchema(product) === null, product.ref).toBe(product.claims === "none");
  }
  const schema = JSON.stringify(claimsJsonSchema(requireIdentity()));
  for (const word of ["id.tenure_at_least", "months", '"maximum":240', "cn_id_number"]) {
    expect(schema).toContain(word);
  }
});

function requireIdentity() {
  const product = catalogue.products.get("identity-verification@1");
  if (product === undefined) throw new Error("no identity-verification@1");
  return product;
}

test("every reason that a score can give has both texts", () => {
  for (const model of catalogue.models.values()) {
    for (const { reason } of [...model.dimensions, ...model.authority]) {
      expect(catalogue.reasons.get(reason.code)?.zh).toBe(reason.zh);
      expect(catalogue.reasons.get(reason.code)?.en).toBe(reason.en);
    }
  }
});

// JSON under test is spoiled on purpose, in ways that no type allows.
/* oxlint-disable typescript/no-explicit-any */
type Spoil = readonly [file: string, change: (json: any) => unknown, detail: RegExp];

const SPENDING = "indicators/spending.json";
const SPOILS: Readonly<Record<string, Spoil>> = {
  "an unknown field": [
    SPENDING,
    (json) => void (json[3].colour = 1),
    /spending\.json: 3: 1 field\(s\)/,
  ],
  "no Chinese name": [SPENDING, (json) => void delete json[0].zh, /spending\.json: 0\.zh/],
  "an empty range": [SPENDING, (json) => void (json[1].max = json[1].min), /: 1\.max: max must/],
  "bounds beyond 32 bits": [SPENDING, (json) => void (json[1].max = 1e9), /: 1\.max: bounds times/],
  "a scale of 7": [SPENDING, (json) => void (json[1].scale = 7), /spending\.json: 1\.scale/],
  "absent outside of the bounds": [
    SPENDING,
    (json) => void (json[1].absent = -1),
    /: 1\.absent: must lie/,
  ],
  "two statements in one expression": [
    SPENDING,
    (json) => void (json[1].sql = "1; DROP TABLE bill"),
    /: 1\.sql: one SQL expression/,
  ],
  "a source that is not there": [SPENDING, (json) => void (json[1].from = "bills"), /: 1\.from/],
  "{window} without a window": [
    SPENDING,
    (json) => void (json[1].window = "ever"),
    /: 1\.window: \{window\} needs/,
  ],
  "{window} over a table without time": [
    SPENDING,
    (json) => void (json[1].from = "subscriber"),
    /: 1\.from: \{window\} needs/,
  ],
  "an indicator declared twice": [
    SPENDING,
    (json) => void (json[1].id = json[0].id),
    /spending\.json: 1\.id: is declared twice/,
  ],
  "a derived indicator of a derived one": [
    "indicators/loyalty.json",
    (json) => void (json.find((i: any) => i.from === "derived").sql = '"use.spend_trend" + 1'),
    /loyalty\.json: \d+\.sql: reads an indicator that is itself derived/,
  ],
  "a derived indicator of nothing": [
    "indicators/loyalty.json",
    (json) => void (json.find((i: any) => i.from === "derived").sql = '"use.spent" + 1'),
    /\.sql: reads an indicator that is not declared/,
  ],
  "a list ordered by no column": ["lists.json", (json) => void (json[0].order = "x"), /0\.order/],
  "a finer column within the order": [
    "lists.json",
    (json) => void (json[0].columns.calls_30.scale = 10),
    /lists\.json: 0\.columns\.calls_30\.scale: within_order/,
  ],
  "a finer order of a column within it": [
    "lists.json",
    (json) => void (json[0].columns.calls_180.scale = 10),
    /lists\.json: 0\.columns\.calls_30\.scale: within_order/,
  ],
  "a view over a raw table's name": ["views.json", (json) => void (json[0].id = "call"), /0\.id/],
  "a test of an unknown indicator": [
    "verifications.json",
    (json) => void (json[3].test.left.value = "id.nothing"),
    /verifications\.json: 3\.test\.left\.value: no such indicator/,
  ],
  "a test of an undeclared parameter": [
    "verifications.json",
    (json) => void (json[4].test.right.param = "years"),
    /4\.test\.right\.param: not declared/,
  ],
  "a test of an undeclared claim": [
    "verifications.json",
    (json) => void (json[0].claim = ["msisdn", "name"]),
    /0\.test\.all\.2\.same: is not a claim/,
  ],
  "a comparison that does not exist": [
    "verifications.json",
    (json) => void (json[4].test.op = "=>"),
    /4\.test: op/,
  ],
  "a node of two kinds": [
    "verifications.json",
    (json) => void (json[4].test.any = []),
    /4\.test: expected exactly one of/,
  ],
  "a choice that leaves a value out": [
    "verifications.json",
    (json) => void delete json[8].test.left.of["6"],
    /8\.test\.left\.of: needs exactly one entry/,
  ],
  "a lookup with a claim of another kind": [
    "verifications.json",
    (json) => {
      json[22].claim = ["city_code"];
      json[22].test.left.key = "city_code";
    },
    /22\.test\.left\.key: the list's keys are msisdn/,
  ],
  "a parameter's default outside of its range": [
    "verifications.json",
    (json) => void (json[4].params.months.default = 0),
    /4\.params\.months/,
  ],
  "bins that do not ascend": [
    "models/credit-score.json",
    (json) => {
      const [, feature] = json.dimensions[0].features;
      feature.bins = feature.bins.toReversed();
    },
    /credit-score\.json: dimensions\.0/,
  ],
  "a feature of no indicator": [
    "models/credit-score.json",
    (json) => void (json.dimensions[2].features[0].indicator = "use.nothing"),
    /credit-score\.json: dimensions\.2\.features\.0\.indicator: no such indicator/,
  ],
  "a model for another catalogue": [
    "models/credit-score.json",
    (json) => void (json.catalogue_version = 2),
    /credit-score\.json: catalogue_version/,
  ],
  "bands in the wrong order": [
    "models/credit-score.json",
    (json) => void (json.bands = json.bands.toReversed()),
    /credit-score\.json: bands\.1\.from/,
  ],
  "a sub-score that is not there": [
    "models/risk-model-rental.json",
    (json) => void (json.dimensions[0].use = "luck"),
    /risk-model-rental\.json: dimensions\.0\.use: no such sub-score/,
  ],
  "a reason with two texts": [
    "models/personal-score.json",
    (json) => void (json.dimensions[0].reason.code = "values-risky"),
    /reason\.code: has another text elsewhere/,
  ],
  "points that overflow the plaintext": [
    "models/credit-score.json",
    (json) => {
      json.max = 20_000;
      for (const dimension of json.dimensions) dimension.max = 10_000;
    },
    /products\.json: \d+\.rule: 31 times slot \S+ could reach the plaintext modulus/,
  ],
  "a product of no model": [
    "products.json",
    (json) => void (json.find((p: any) => p.id === "credit-score").rule.model = "credit-score@9"),
    /products\.json: \d+\.rule\.model: no such model/,
  ],
  "a kind that the rule does not answer": [
    "products.json",
    (json) => void (json.find((p: any) => p.id === "credit-score").kind = "tags"),
    /\.kind: the rule answers score/,
  ],
  "a model input that nobody gives": [
    "products.json",
    (json) => void json.find((p: any) => p.id === "fraud-score").rule.inputs.pop(),
    /\.rule\.inputs: the model reads an input/,
  ],
  "statistics about one person": [
    "products.json",
    (json) => void Object.assign(json[0], { rule: { type: "statistics", counts: ["n"], k: 20 } }),
    /0\.rule\.type: statistics are not released per person/,
  ],
  "a tag declared in two classes": [
    "tags.json",
    (json) => void (json[1].tags[0].id = json[0].tags[0].id),
    /tags\.json: \d+\.id: is declared twice/,
  ],
  "a watch with a baseline that it does not keep": [
    "watches.json",
    (json) => void (json[9].baseline = false),
    /watches\.json: 9\.crossed\.right: only a watch has a baseline/,
  ],
};

test.each(Object.entries(SPOILS))("refused: %s", (_, [file, change, detail]) => {
  using folder = new CatalogueFolder();
  folder.edit(file, change as (json: never) => unknown);
  expect(() => loadCatalogue(folder.path)).toThrow(
    expect.objectContaining({ code: "data-invalid", detail: expect.stringMatching(detail) }),
  );
});

test("a file that is not JSON, and one that is missing, are named", () => {
  using folder = new CatalogueFolder();
  folder.write("lists.json", "[{");
  expect(() => loadCatalogue(folder.path)).toThrow(/lists\.json: not JSON/);
  folder.remove("lists.json");
  expect(() => loadCatalogue(folder.path)).toThrow(/lists\.json: cannot be read/);
});

test("a new tag, verification and product need no code", () => {
  using folder = new CatalogueFolder();
  const test = { op: ">=", left: { value: "online.searches_30d" }, right: { param: "n" } };
  folder.edit("verifications.json", (json: any) => {
    const params = { n: { min: 1, max: 50, unit: "searches" } };
    const names = { id: "web.searches_at_least", zh: "搜索次数", en: "Searches" };
    json.push({ ...names, number: 34, dimension: "interest", params, test });
  });
  folder.edit("products.json", (json: any) => {
    const rule = { type: "any", verifications: ["web.searches_at_least"] };
    json.push({ ...json[0], id: "searches", rule });
  });
  expect(loadCatalogue(folder.path).products.get("searches@1")?.slots).toHaveLength(3);
});
