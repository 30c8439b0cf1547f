// What a province keeps about a number's closest parties and habits, from raw rows: who is called, which apps, sites and
// keywords, which kinds of content, where. Each is ranked, and only the first so many are kept (catalogue lists).
import { travels } from "./indicators/offline.ts";
import { distinct, maxOf, sumOf } from "./number-history.ts";
import type { NumberReading } from "./number-reading.ts";
import { nationalNumber } from "./raw-rows.ts";

const MOBILE = /^1[3-9]\d{9}$/;

/** Words are compared without regard to width, case and spacing. */
export function plainWord(text: string): string {
  return text.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
}

export function plainDomain(text: string): string {
  return text.trim().toLowerCase().replace(/\.$/, "");
}

/** How often, as far as the kept rows tell: a party that a full list leaves out may have been dropped from it. */
export interface Often {
  readonly least: number;
  readonly most: number;
}

/** The first so many groups by rank, from the highest; of equal ones, by key. */
class Kept<Row> {
  readonly keys: readonly string[];
  readonly #groups: ReadonlyMap<string, readonly Row[]>;
  /** What ranks higher than this is kept: 0 where everything is. */
  readonly #mayBeLost: number;

  constructor(
    groups: ReadonlyMap<string, readonly Row[]>,
    rank: (rows: readonly Row[]) => number,
    longest: number,
  ) {
    const ranked = [...groups]
      .map(([key, rows]) => ({ key, place: rank(rows) }))
      .sort((a, b) => b.place - a.place || (a.key < b.key ? -1 : 1))
      .slice(0, longest);
    this.keys = ranked.map(({ key }) => key);
    this.#groups = groups;
    this.#mayBeLost = ranked.length < longest ? 0 : (ranked.at(-1)?.place ?? 0);
  }

  /** Of one that is not kept none; undefined where that does not mean that there were none. */
  rows(key: string): readonly Row[] | undefined {
    if (this.keys.includes(key)) return this.#groups.get(key);
    return this.#mayBeLost > 0 ? undefined : [];
  }

  /** A count of rows, or of some of them, that is never above the rank. */
  often(key: string, count: (rows: readonly Row[]) => number): Often {
    const rows = this.rows(key);
    if (rows === undefined) return { least: 0, most: this.#mayBeLost };
    return { least: count(rows), most: count(rows) };
  }
}

/** The people called with in 180 days, the closest first. */
function circle(number: NumberReading) {
  return number.once("contacts", () => {
    const { history } = number;
    const calls = history.lastDays(history.all("call"), 180);
    const mobile = calls.filter(({ peer }) => MOBILE.test(peer));
    const byPeer = Map.groupBy(mobile, ({ peer }) => peer);
    return new Kept(byPeer, (rows) => rows.length, number.longest("contacts"));
  });
}

/** Their numbers. */
export function contacts(number: NumberReading): readonly string[] {
  return circle(number).keys;
}

/** How many calls there were with one of them in the last days. */
export function callsWith(number: NumberReading, claimed: string, days = 180): Often {
  return circle(number).often(
    nationalNumber(claimed),
    (rows) => number.history.lastDays(rows, days).length,
  );
}

/** Days since the last call with one of them; Infinity where there was none, null where that cannot be told. */
export function daysSinceCall(number: NumberReading, claimed: string): number | null {
  const rows = circle(number).rows(nationalNumber(claimed));
  if (rows === undefined) return null;
  return number.history.daysSince(rows.map(({ day }) => day)) ?? Infinity;
}

/** The place among the closest people, from 1; of one who is not among the kept ones, Infinity: it is beyond all of them. */
export function rankOf(number: NumberReading, claimed: string): number {
  const place = contacts(number).indexOf(nationalNumber(claimed));
  return place < 0 ? Infinity : place + 1;
}

/** On how many days of so many the app was used. */
export function appDays(number: NumberReading, claimed: string, days: number): Often {
  const { history } = number;
  const rows = history.lastDays(history.all("app_day"), 90);
  const byApp = Map.groupBy(rows, ({ word }) => plainWord(word));
  const used = (own: readonly { day: number }[]): number => distinct(own.map(({ day }) => day));
  return new Kept(byApp, used, number.longest("apps")).often(plainWord(claimed), (own) =>
    used(history.lastDays(own, days)),
  );
}

/** Page views of the site in so many days. */
export function pageViews(number: NumberReading, claimed: string, days: number): Often {
  const { history } = number;
  const rows = history.lastDays(history.all("web_day"), 90);
  const bySite = Map.groupBy(rows, ({ word }) => plainDomain(word));
  const seen = (own: readonly { views: number }[]): number => sumOf(own.map(({ views }) => views));
  return new Kept(bySite, seen, number.longest("domains")).often(plainDomain(claimed), (own) =>
    seen(history.lastDays(own, days)),
  );
}

/** How often the keyword was searched in so many days. */
export function searches(number: NumberReading, claimed: string, days: number): Often {
  const { history } = number;
  const rows = history.lastDays(history.all("search_day"), 90);
  const byKeyword = Map.groupBy(rows, ({ word }) => plainWord(word));
  const made = (own: readonly { times: number }[]): number => sumOf(own.map(({ times }) => times));
  return new Kept(byKeyword, made, number.longest("keywords")).often(plainWord(claimed), (own) =>
    made(history.lastDays(own, days)),
  );
}

/** On how many days of so many there was content of the category, in apps or on the web. */
export function contentDays(number: NumberReading, category: string, days: number): number {
  const { history } = number;
  const rows = [...history.all("app_day"), ...history.all("web_day")];
  const inCategory = rows.filter((row) => row.category === category);
  return distinct(history.lastDays(inCategory, days).map(({ day }) => day));
}

/** When the person was in the city in the last 30 days: by calls, and at noon of days with a location there. */
function sightings(number: NumberReading) {
  const { history } = number;
  const calls = history.lastDays(history.all("call"), 30);
  const days = history.lastDays(history.all("location_day"), 30);
  return [
    ...calls.map(({ city, day, at }) => ({ city, day, at })),
    ...days.map(({ city, day }) => ({ city, day, at: day * 86_400 + 12 * 3600 })),
  ];
}

const daysOf = (seen: readonly { day: number }[]): number => distinct(seen.map(({ day }) => day));

function cities(number: NumberReading) {
  const byCity = Map.groupBy(sightings(number), (seen) => String(seen.city));
  return new Kept(byCity, daysOf, number.longest("cities"));
}

export function daysInCity(number: NumberReading, city: number): Often {
  return cities(number).often(String(city), daysOf);
}

/**
 * Hours from the last sighting in the city to the beginning of the as-of day; Infinity where there was none, null where that
 * cannot be told.
 */
export function hoursSinceCity(number: NumberReading, city: number): number | null {
  const seen = cities(number).rows(String(city));
  if (seen === undefined) return null;
  if (seen.length === 0) return Infinity;
  return (number.history.asof.day * 86_400 - maxOf(seen.map(({ at }) => at))) / 3600;
}

/** On how many days of so many, at most 60, the person was in the district. */
export function daysInDistrict(number: NumberReading, district: string, days: number): Often {
  const { history } = number;
  const rows = history.lastDays(history.all("location_day"), 60);
  const byDistrict = Map.groupBy(rows, (row) => String(row.district));
  return new Kept(byDistrict, daysOf, number.longest("districts")).often(district, (own) =>
    daysOf(history.lastDays(own, days)),
  );
}

/** Days since the person was last in the province, within 180: by location, or the last day of a stay there. */
export function daysSinceProvince(number: NumberReading, province: number): number | undefined {
  const { history } = number;
  const located = history
    .lastDays(history.all("location_day"), 180)
    .filter(({ district }) => Math.trunc(district / 10_000) === province);
  const stayed = travels(history).filter(({ place }) => Number(place) === province);
  return history.daysSince([...located.map(({ day }) => day), ...stayed.map(({ last }) => last)]);
}
