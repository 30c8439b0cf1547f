// What is watched for about somebody: all post-loan tests of a group, with the catalogue's own thresholds, and with claims that
// are true of the person as far as there are such.
import { loadCatalogue } from "../../catalogue/index.ts";
import { contacts } from "../../province-node/sandbox/oracle/habits.ts";
import type { NumberReading } from "../../province-node/sandbox/oracle/number-reading.ts";
import type { AskedCheck } from "../../province-node/sandbox/oracle/verifications.ts";

export const GROUPS = ["phone", "location", "communication", "consumption", "risk"] as const;
export type Group = (typeof GROUPS)[number];
export const PRODUCTS = GROUPS.map(productOf);

export function productOf(group: Group): string {
  return `watch-${group}@1`;
}

const WATCHES = [...loadCatalogue().watches.values()];

/** @param index tells people apart: of their contacts and places each gets another. */
export function conditionsOf(
  group: Group,
  numbers: readonly NumberReading[],
  index: number,
): AskedCheck[] {
  const known = numbers.flatMap((number) => contacts(number));
  const districts = numbers.flatMap(({ history }) =>
    history.all("location_day").map(({ district }) => district),
  );
  const claims: Record<string, string | number> = {
    contact_msisdn: known[index % 3] ?? "13900000000",
    district_code: districts[index] ?? 310101,
  };
  return WATCHES.filter((watch) => watch.group === group).map(({ id, params, claim }) => ({
    indicator: id,
    params: Object.fromEntries(
      Object.entries(params).map(([name, { default: value = 0 }]) => [name, value]),
    ),
    claim: Object.fromEntries(claim.map((field) => [field, claims[field] as string | number])),
  }));
}
