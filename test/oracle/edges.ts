// Checks around a person: for each verification the claims that fit and some that do not, and parameters where the
// answer turns, next to it, and at the ends of what the catalogue allows.
import type { Catalogue, Verification } from "../../catalogue/index.ts";
import type { Keystream } from "../../province-node/sandbox/keystream.ts";
import {
  callsWith,
  contacts,
  daysInCity,
  daysSinceCall,
  daysSinceProvince,
  hoursSinceCity,
  rankOf,
} from "../../province-node/sandbox/oracle/habits.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";

type Claim = NonNullable<AskedCheck["claim"]>;

/** Which numbers a parameter's edges lie around, for a claim and the other parameters. */
function turns(
  id: string,
  number: NumberReading,
  claim: Claim,
  window: number | undefined,
): (number | null | undefined)[] {
  const value = (indicator: string): number | null => number.value(indicator);
  const contact = String(claim["contact_msisdn"]);
  switch (id) {
    case "id.tenure_at_least":
      return [value("id.tenure_months")];
    case "id.age_at_least":
      return [value("id.age_years")];
    case "id.numbers_under_id_at_most":
      return [value("id.numbers_under_id")];
    case "use.monthly_spend_at_least":
      return [value(`use.spend_avg_${window}m`)];
    case "use.no_arrears":
      return [value("use.months_since_arrears")];
    case "use.suspensions_at_most":
      return [value(`loy.suspensions_${window}m`)];
    case "use.plan_fee_at_least":
      return [value("use.plan_fee")];
    case "use.pays_on_time":
      return [value("use.on_time_share_12m")];
    case "use.topup_at_least":
      return [value(`use.topup_${window}m`)];
    case "loc.current_city":
      return [hoursSinceCity(number, Number(claim["city_code"]))];
    case "loc.days_in_city_at_least":
      return Object.values(daysInCity(number, Number(claim["city_code"])));
    case "loc.visited_province":
      return [daysSinceProvince(number, Number(claim["province_code"]))];
    case "loc.roamed_abroad":
      return [Math.ceil((value("loc.days_since_abroad") ?? 0) / 30)];
    case "net.contact_calls_at_least":
      return Object.values(callsWith(number, contact, window ?? 90));
    case "net.contact_within":
      return [daysSinceCall(number, contact)];
    case "net.contact_in_top":
      return [rankOf(number, contact)];
    case "net.circle_at_least":
      return [value("net.circle_90d")];
    case "net.active_days_at_least":
      return [value("net.active_days_30d")];
    case "web.no_gambling":
      return ["val.days_since_gambling", "val.days_since_gambling_web", "val.days_since_loan"].map(
        value,
      );
    default:
      // Days, views and times of one app, site, keyword or category are small.
      return [1, 2, 4, 8, 16];
  }
}

function claimsFor(
  { claim }: Verification,
  numbers: readonly NumberReading[],
  random: Keystream,
): Claim[] {
  if (claim.length === 0) return [{}];
  return [0, 1, 2].map((round) =>
    Object.fromEntries(
      claim.map((field) => [field, claimed(field, random.pick(numbers), random, round > 1)]),
    ),
  );
}

const CITIES = [510100, 500100, 110100, 440100, 310100];

/** A value of the field that fits this number, or, if it is to be wrong, one that need not. */
function claimed(
  field: string,
  number: NumberReading,
  random: Keystream,
  wrong: boolean,
): string | number {
  const { history } = number;
  const { subscriber } = history;
  const district = (): number =>
    random.pick([
      510104,
      ...history.all("location_day").map((row) => row.district),
      number.value("loc.work_district") ?? 110101,
      number.value("loc.home_district") ?? 110101,
    ]);
  switch (field) {
    case "msisdn":
      return wrong && random.chance(0.5) ? "13012345678" : `+86 ${subscriber.msisdn}`;
    case "cn_id_number":
      return wrong || subscriber.cnId === null
        ? "11010519491231002X"
        : subscriber.cnId.toLowerCase();
    case "name":
      return wrong || subscriber.name === null ? "赵 钱" : ` ${subscriber.name} `;
    case "contact_msisdn": {
      const called = history.all("call").map(({ peer }) => peer);
      const mobile = called.filter((peer) => /^1[3-9]\d{9}$/.test(peer));
      // Those that are kept, and of somebody who calls many, those that are not.
      const peers = random.chance(0.5) ? contacts(number) : mobile;
      return wrong || peers.length === 0 ? "13012345678" : random.pick(peers);
    }
    case "city_code":
      return wrong ? random.pick(CITIES) : Math.trunc(district() / 100) * 100;
    case "district_code":
      return wrong ? 310101 : district();
    case "province_code":
      return wrong
        ? 31
        : Number(
            random.pick(
              [
                ...history.all("roaming").map(({ place }) => place),
                String(district()).slice(0, 2),
              ].filter((place) => /^\d+$/.test(place)),
            ),
          );
    case "app":
      return wordOf(history.all("app_day"), random, wrong);
    case "domain":
      return wrong ? "nowhere.example" : `${wordOf(history.all("web_day"), random, wrong)}.`;
    case "keyword":
      return wordOf(history.all("search_day"), random, wrong);
    case "category":
      return random.pick(["loan", "gambling", "social", "news", "finance", "shopping"]);
    default:
      throw new Error(`no claim for ${field}`);
  }
}

function wordOf(
  rows: readonly { readonly word: string }[],
  random: Keystream,
  wrong: boolean,
): string {
  return wrong || rows.length === 0 ? "none-such" : random.pick(rows).word.toUpperCase();
}

/** The parameter that is chosen from a few, and the one that lies in a range; a verification has at most one of each. */
function paramsFor(
  verification: Verification,
  number: NumberReading,
  claim: Claim,
): Record<string, number>[] {
  const entries = Object.entries(verification.params);
  const choice = entries.find(([, parameter]) => "one_of" in parameter);
  const ranged = entries.find(([, parameter]) => "min" in parameter);
  const choices =
    choice !== undefined && "one_of" in choice[1] ? [undefined, ...choice[1].one_of] : [undefined];
  return choices.flatMap((window) => {
    const chosen = window === undefined || choice === undefined ? {} : { [choice[0]]: window };
    if (ranged === undefined || !("min" in ranged[1])) return [chosen];
    const [name, { min, max }] = ranged;
    const unstated = choice?.[1].default;
    const around = turns(verification.id, number, claim, window ?? unstated).flatMap((turn) =>
      typeof turn === "number" && turn < Infinity ? [turn - 1, turn, turn + 1].map(Math.floor) : [],
    );
    const values = [min, ...around, max].filter((value) => value >= min && value <= max);
    return [...new Set(values)].map((value) => ({ ...chosen, [name]: value }));
  });
}

/** For a person whom no province holds there is nothing to turn around: the ends of the ranges alone. */
export function checksAround(
  numbers: readonly NumberReading[],
  catalogue: Catalogue,
  random: Keystream,
): AskedCheck[] {
  return [...catalogue.verifications.values()].flatMap((verification) => {
    const claims =
      numbers.length === 0
        ? [claimsOfNobody(verification)]
        : claimsFor(verification, numbers, random);
    return claims.flatMap((claim) => {
      const number = numbers[0] === undefined ? undefined : random.pick(numbers);
      const params =
        number === undefined ? [endsOf(verification)] : paramsFor(verification, number, claim);
      return params.map((each) => ({ indicator: verification.id, params: each, claim }));
    });
  });
}

function endsOf({ params }: Verification): Record<string, number> {
  return Object.fromEntries(
    Object.entries(params).map(([name, parameter]) => [
      name,
      "min" in parameter ? parameter.min : (parameter.one_of[0] as number),
    ]),
  );
}

const NOBODY: Readonly<Record<string, string | number>> = {
  msisdn: "13012345678",
  cn_id_number: "11010519491231002X",
  name: "赵钱",
  contact_msisdn: "13012345679",
  city_code: 510100,
  district_code: 510104,
  province_code: 51,
  app: "x",
  domain: "a.cn",
  keyword: "x",
  category: "loan",
};

function claimsOfNobody({ claim }: Verification): Claim {
  return Object.fromEntries(claim.map((field) => [field, NOBODY[field] as string | number]));
}
