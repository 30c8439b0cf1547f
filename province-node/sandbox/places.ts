// Where sandbox people live: a few real prefecture cities per province (GB/T 2260) and their first districts.
// Enough for distributions and verifications; not a gazetteer.
import { PROVINCES } from "../../core/provinces.ts";

// Last two digits of the prefecture-level cities that have districts; 01 is the capital.
const CITIES: Readonly<Record<string, readonly number[]>> = {
  "13": [1, 2, 6],
  "14": [1, 2, 4],
  "15": [1, 2, 4],
  "21": [1, 2, 3],
  "22": [1, 2, 3],
  "23": [1, 2, 6],
  "32": [1, 2, 5],
  "33": [1, 2, 3],
  "34": [1, 2, 12],
  "35": [1, 2, 5],
  "36": [1, 4, 7],
  "37": [1, 2, 6],
  "41": [1, 3, 13],
  "42": [1, 5, 6],
  "43": [1, 2, 4],
  "44": [1, 3, 6],
  "45": [1, 2, 3],
  "46": [1, 2],
  "51": [1, 7, 13],
  "52": [1, 2, 3],
  "53": [1, 3, 4],
  "54": [1, 2],
  "61": [1, 3, 4],
  "62": [1, 5],
  "63": [1, 2],
  "64": [1, 2],
  "65": [1, 2],
};

export interface Place {
  /** Six-digit city code, ending in 00. */
  readonly city: number;
  readonly districts: readonly number[];
}

function citiesOf(code: string): Place[] {
  return (CITIES[code] ?? [1]).map((city) => {
    const prefix = Number(code) * 10_000 + city * 100;
    return { city: prefix, districts: [2, 3, 4, 5, 6].map((district) => prefix + district) };
  });
}

/** Cities by province code, the capital first. */
export const PLACES: ReadonlyMap<string, readonly Place[]> = new Map(
  PROVINCES.map(({ code }) => [code, citiesOf(code)]),
);

export function cityOf(district: number): number {
  return Math.floor(district / 100) * 100;
}
