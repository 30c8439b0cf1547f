// What the demo asks: people of several provinces, one with numbers in two of them, one whom nobody knows; every product,
// with claims that are true and claims that are not. Pure: the sandbox's truth in, questions out.
import type { Catalogue } from "../catalogue/index.ts";
import { PROVINCES } from "../core/provinces.ts";
import { MAX_ACTIONS, type ResultForm } from "../consent/index.ts";
import type { OracleClaims, TruthPerson } from "../province-node/index.ts";
import type { Subject } from "./institution.ts";

export interface Question {
  readonly product: string;
  readonly claims?: OracleClaims;
  /** What is asked, for people. */
  readonly about: string;
}

/** One consent, and what is asked under it. */
export interface Interview {
  readonly subject: Subject;
  /** Who it is, without saying it. */
  readonly label: string;
  readonly result: ResultForm;
  readonly products: readonly string[];
  readonly questions: readonly Question[];
}

const PEOPLE = 7;
/** A number that no province has given out. */
const STRANGER = "+8619900000000";

export function demoInterviews(truth: readonly TruthPerson[], catalogue: Catalogue): Interview[] {
  const inTwo = truth.find((person) => provincesOf(person).length > 1);
  const inOne = truth.filter((person) => provincesOf(person).length === 1);
  const step = Math.max(1, Math.floor(inOne.length / PEOPLE));
  const chosen = Array.from({ length: PEOPLE }, (_, i) => inOne[i * step]).filter(isPresent);
  const interviews = chosen.flatMap((person, i) => {
    const byId = i % 3 === 2;
    const everything = i < 2;
    return interview(person, byId, everything, catalogue);
  });
  if (inTwo !== undefined) interviews.push(...interview(inTwo, true, true, catalogue));
  const [first] = chosen;
  if (first !== undefined) interviews.push(...stranger(first, catalogue));
  return interviews;
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function provincesOf(person: TruthPerson): string[] {
  return [...new Set(person.numbers.map(({ province }) => province))];
}

function label(person: TruthPerson, byId: boolean): string {
  const names = provincesOf(person).map((code) => PROVINCES.find((p) => p.code === code)?.zh);
  const msisdn = person.numbers[0]?.msisdn ?? "";
  const who = byId
    ? `${person.cnId.slice(0, 6)}********${person.cnId.slice(-4)}`
    : `${msisdn.slice(0, 6)}****${msisdn.slice(-4)}`;
  return `${who} ${names.join("+")}`;
}

function interview(
  person: TruthPerson,
  byId: boolean,
  everything: boolean,
  catalogue: Catalogue,
): Interview[] {
  const [number] = person.numbers;
  if (number === undefined) return [];
  const subject: Subject = byId
    ? { kind: "cn-id", value: person.cnId }
    : { kind: "msisdn", value: number.msisdn };
  const questions = [
    ...identityQuestions(person, number.msisdn),
    ...(everything ? everyProduct(person, subject, catalogue) : [scoreQuestion]),
  ];
  return interviewsFor(subject, label(person, byId), questions, catalogue);
}

/** A consent lets one form of answer out, of so many products: tags take another consent than scores, and many products several. */
function interviewsFor(
  subject: Subject,
  who: string,
  questions: readonly Question[],
  catalogue: Catalogue,
): Interview[] {
  const kindOf = ({ product }: Question): string => catalogue.products.get(product)?.kind ?? "";
  const groups: [ResultForm, readonly Question[]][] = [
    ["score", questions.filter((question) => kindOf(question) !== "tags")],
    ["tags", questions.filter((question) => kindOf(question) === "tags")],
  ];
  return groups.flatMap(([result, asked]) => {
    const refs = [...new Set(asked.map(({ product }) => product))];
    const consents = Math.ceil(refs.length / MAX_ACTIONS);
    return Array.from({ length: consents }, (_, i) => {
      const products = refs.slice(i * MAX_ACTIONS, (i + 1) * MAX_ACTIONS);
      const questions = asked.filter(({ product }) => products.includes(product));
      return { subject, label: who, result, products, questions };
    });
  });
}

const scoreQuestion: Question = { product: "credit-score@1", about: "credit score" };

function identityQuestions(person: TruthPerson, msisdn: string): Question[] {
  const three = (name: string) => ({
    checks: [
      {
        indicator: "id.three_elements",
        claim: { msisdn, name, cn_id_number: person.cnId },
      },
    ],
  });
  const city = Math.floor(person.homeDistrict / 100) * 100;
  return [
    {
      product: "identity-verification@1",
      claims: three(person.name),
      about: "three elements, true",
    },
    {
      product: "identity-verification@1",
      claims: three("某某某"),
      about: "three elements, wrong name",
    },
    {
      product: "identity-verification@1",
      claims: {
        combine: "all",
        checks: [
          { indicator: "id.real_name" },
          { indicator: "id.tenure_at_least", params: { months: 24 } },
        ],
      },
      about: "real name and 24 months",
    },
    {
      product: "location-verification@1",
      claims: { checks: [{ indicator: "loc.resident_city", claim: { city_code: city } }] },
      about: "lives in city",
    },
  ];
}

function everyProduct(person: TruthPerson, subject: Subject, catalogue: Catalogue): Question[] {
  const contact = person.contacts[0] ?? STRANGER;
  const claims: Readonly<Record<string, OracleClaims>> = {
    "consumption-verification@1": {
      combine: { at_least: 2 },
      checks: [
        { indicator: "use.monthly_spend_at_least", params: { yuan: 50, months: 6 } },
        { indicator: "use.no_arrears", params: { months: 6 } },
        { indicator: "use.plan_fee_at_least", params: { yuan: 99 } },
      ],
    },
    "contact-verification@1": {
      checks: [{ indicator: "net.is_contact", claim: { contact_msisdn: contact } }],
    },
    "interest-verification@1": {
      checks: [{ indicator: "web.no_gambling", params: { days: 90 } }],
    },
    "fraud-score@1": { risk_numbers: [contact] },
    "tags@1": { classes: ["life_cycle", "spending", "payment_credit", "risk"] },
    "verification@1": {
      combine: { score: { weights: [60, 40], threshold: 50 } },
      checks: [
        { indicator: "id.in_normal_use" },
        { indicator: "net.circle_at_least", params: { n: 10 } },
      ],
    },
  };
  return [...catalogue.products.values()]
    .filter(({ subjects }) => subjects.includes(subject.kind))
    .filter(({ ref, claims: needed }) => needed !== "required" || claims[ref] !== undefined)
    .map(({ ref, en }) => {
      const given = claims[ref];
      return { product: ref, about: en, ...(given === undefined ? {} : { claims: given }) };
    });
}

/** A consenting person with a number that no province holds: unknown, and no score. */
function stranger(someone: TruthPerson, catalogue: Catalogue): Interview[] {
  const questions = [...identityQuestions(someone, STRANGER), scoreQuestion];
  const who = `${STRANGER.slice(0, 6)}****${STRANGER.slice(-4)} 无 nobody's`;
  return interviewsFor({ kind: "msisdn", value: STRANGER }, who, questions, catalogue);
}
