// What is asked about one person: every product; every verification with its parameters just below, at and just above
// where the answer turns, and at the ends of their range; every kind of combination. All claims are such as an
// institution may send, some true and some not.
import type { AuthorityFacts, Catalogue } from "../../catalogue/index.ts";
import type { Keystream } from "../../province-node/sandbox/keystream.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import type { OracleClaims } from "../../province-node/sandbox/oracle/index.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";
import { checksAround } from "./edges.ts";

export interface Question {
  readonly product: string;
  readonly claims?: OracleClaims;
  readonly facts?: AuthorityFacts;
  /** `of` is the verification or product whose answers must turn out both ways. */
  readonly what: { readonly kind: string; readonly of: string; readonly detail: string };
}

const WITHOUT_CLAIMS = [
  "credit-score@1",
  "personal-score@1",
  "risk-model:consumer-bank@1",
  "risk-model:p2p-lender@1",
  "risk-model:insurer@1",
  "risk-model:rental@1",
  "fraud-score@1",
  "credit-at-least:650@1",
  "personal-at-least:600@1",
  "personal-at-least:700@1",
  "many-numbers@1",
  "segments@1",
  "tags@1",
];

function* scores(): Generator<Question> {
  for (const product of WITHOUT_CLAIMS) {
    yield { product, what: { kind: "products without claims", of: product, detail: "no claims" } };
  }
}

/** Every check alone, in the product of its own dimension and in the one of all. */
function* singleChecks(
  checks: readonly AskedCheck[],
  catalogue: Catalogue,
  random: Keystream,
): Generator<Question> {
  for (const check of checks) {
    const products = productsWith(catalogue, check.indicator);
    const detail = `${check.indicator} ${JSON.stringify(check.params ?? {})}`;
    const what = { kind: "single checks", of: check.indicator, detail };
    yield { product: random.pick(products), claims: { checks: [check] }, what };
  }
}

const families = new Map<string, string[]>();

function productsWith(catalogue: Catalogue, verification: string): string[] {
  let refs = families.get(verification);
  if (refs === undefined) {
    refs = [...catalogue.products.values()]
      .filter(({ evaluation }) => evaluation.type === "checks")
      .filter(
        ({ evaluation }) =>
          evaluation.type === "checks" &&
          evaluation.verifications.some(({ id }) => id === verification),
      )
      .map(({ ref }) => ref);
    families.set(verification, refs);
  }
  return refs;
}

function* combinations(checks: readonly AskedCheck[], random: Keystream): Generator<Question> {
  for (let round = 0; round < 3; round++) {
    const size = random.whole(2, 16);
    const chosen = Array.from({ length: size }, () => random.pick(checks));
    const weights = chosen.map(() => (random.chance(0.2) ? 0 : random.whole(0, 1000)));
    weights[0] = random.whole(1, 1000);
    const ways: OracleClaims["combine"][] = [
      "all",
      "any",
      { at_least: random.whole(1, size) },
      { score: { weights, threshold: random.pick([0, 1, 50, 99, 100, random.whole(0, 100)]) } },
      // Equal weights put the total right on a threshold that divides.
      { score: { weights: chosen.map(() => 5), threshold: random.pick([20, 25, 50, 75]) } },
    ];
    for (const combine of ways) {
      const detail = `${chosen.map(({ indicator }) => indicator).join()} ${JSON.stringify(combine)}`;
      yield {
        product: "verification@1",
        claims: { checks: chosen, ...(combine === undefined ? {} : { combine }) },
        what: { kind: "combinations", of: "verification@1", detail },
      };
    }
  }
}

const APPLICATION = [
  "id.three_elements",
  "id.number_idno",
  "id.number_name",
  "id.tenure_at_least",
  "id.age_at_least",
  "use.monthly_spend_at_least",
  "loc.resident_city",
  "loc.work_place",
  "loc.home_place",
  "net.is_contact",
];

/** The fraud score with application facts, a card's place, the caller's own numbers, and the authority's count. */
function* fraud(
  checks: readonly AskedCheck[],
  numbers: readonly NumberReading[],
  random: Keystream,
): Generator<Question> {
  const facts = checks.filter(({ indicator }) => APPLICATION.includes(indicator));
  const cards = checks.filter(({ indicator }) => indicator === "loc.current_city");
  const parties = numbers.flatMap(({ history }) => history.all("call").map(({ peer }) => peer));
  const mobiles = [...new Set(parties)].filter((peer) => /^1[3-9]\d{9}$/.test(peer));
  for (const institutions of [undefined, 0, 1, 2, 3, 4, 7, 8, 20]) {
    const some = <T>(choices: readonly T[], most: number): T[] =>
      Array.from({ length: random.whole(1, most) }, () => random.pick(choices));
    const own = numbers.map(({ history }) => history.subscriber.msisdn);
    const listed = mobiles.length > 0 ? some(mobiles, 6) : [];
    const claims = {
      ...(random.chance(0.7) ? { application: some(facts, 4) } : {}),
      ...(random.chance(0.7) ? { card_use: some(cards, 2) } : {}),
      ...(random.chance(0.7)
        ? { risk_numbers: [...listed, ...(random.chance(0.3) ? own : []), "13012345678"] }
        : {}),
    };
    yield {
      product: "fraud-score@1",
      claims,
      ...(institutions === undefined ? {} : { facts: { institutionsWithin: () => institutions } }),
      what: {
        kind: "fraud with claims",
        of: "fraud-score@1",
        detail: `${Object.keys(claims).join()} ${institutions}`,
      },
    };
  }
}

function* tagClasses(catalogue: Catalogue, random: Keystream): Generator<Question> {
  const { evaluation } = catalogue.products.get("tags@1") ?? {};
  if (evaluation?.type !== "tags") return;
  const ids = evaluation.classes.map(({ id }) => id);
  const classes = ids.filter(() => random.chance(0.3));
  if (classes.length === 0) classes.push("risk");
  yield {
    product: "tags@1",
    claims: { classes },
    what: { kind: "tags of some classes", of: "tags@1", detail: classes.join() },
  };
}

/** @param share of the single checks that is asked; all of them unless told */
export function* questionsAbout(
  numbers: readonly NumberReading[],
  catalogue: Catalogue,
  random: Keystream,
  share = 1,
): Generator<Question> {
  const checks = checksAround(numbers, catalogue, random);
  const asked = checks.filter(() => random.chance(share));
  yield* scores();
  yield* singleChecks(asked, catalogue, random);
  yield* combinations(checks, random);
  yield* fraud(checks, numbers, random);
  yield* tagClasses(catalogue, random);
}
