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

/** The first so many groups by rank, from the highest; of equal ones, by key. */
function kept<Row>(
  groups: ReadonlyMap<string, readonly Row[]>,
  rank: (rows: readonly Row[]) => number,
  longest: number,
): (readonly [string, readonly Row[]])[] {
  return [...groups]
    .map(([key, rows]) => ({ key, rows, place: rank(rows) }))
    .sort((a, b) => b.place - a.place || (a.key < b.key ? -1 : 1))
    .slice(0, longest)
    .map(({ key, rows }) => [key, rows] as const);
}

/** The people called with in 180 days, the closest first: number and the calls. */
export function contacts(number: NumberReading) {
  return number.once("contacts", () => {
    const { history } = number;
    const calls = history.lastDays(history.all("call"), 180);
    const mobile = calls.filter(({ peer }) => MOBILE.test(peer));
    const byPeer = Map.groupBy(mobile, ({ peer }) => peer);
    return kept(byPeer, (rows) => rows.length, number.longest("contacts"));
  });
}

/** The calls with one of them in the last days; none where the party is not among the kept ones. */
export function callsWith(number: NumberReading, claimed: string, days = 180) {
  const wanted = nationalNumber(claimed);
  const rows = contacts(number).find(([peer]) => peer === wanted)?.[1] ?? [];
  return number.history.lastDays(rows, days);
}

/** The place among the closest people, from 1; undefined where the party is not among the kept ones. */
export function rankOf(number: NumberReading, claimed: string): number | undefined {
  const wanted = nationalNumber(claimed);
  const place = contacts(number).findIndex(([peer]) => peer === wanted);
  return place < 0 ? undefined : place + 1;
}

/** On how many days of so many the app was used. */
export function appDays(number: NumberReading, claimed: string, days: number): number {
  const { history } = number;
  const rows = history.lastDays(history.all("app_day"), 90);
  const byApp = Map.groupBy(rows, ({ word }) => plainWord(word));
  const used = (own: readonly { day: number }[]): number => distinct(own.map(({ day }) => day));
  const found = kept(byApp, used, number.longest("apps")).find(
    ([app]) => app === plainWord(claimed),
  );
  return used(history.lastDays(found?.[1] ?? [], days));
}

/** Page views of the site in so many days. */
export function pageViews(number: NumberReading, claimed: string, days: number): number {
  const { history } = number;
  const rows = history.lastDays(history.all("web_day"), 90);
  const bySite = Map.groupBy(rows, ({ word }) => plainDomain(word));
  const seen = (own: readonly { views: number }[]): number => sumOf(own.map(({ views }) => views));
  const found = kept(bySite, seen, number.longest("domains")).find(
    ([domain]) => domain === plainDomain(claimed),
  );
  return seen(history.lastDays(found?.[1] ?? [], days));
}

/** How often the keyword was searched in so many days. */
export function searches(number: NumberReading, claimed: string, days: number): number {
  const { history } = number;
  const rows = history.lastDays(history.all("search_day"), 90);
  const byKeyword = Map.groupBy(rows, ({ word }) => plainWord(word));
  const made = (own: readonly { times: number }[]): number => sumOf(own.map(({ times }) => times));
  const found = kept(byKeyword, made, number.longest("keywords")).find(
    ([keyword]) => keyword === plainWord(claimed),
  );
  return made(history.lastDays(found?.[1] ?? [], days));
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

function seenIn(number: NumberReading, city: number) {
  const byCity = Map.groupBy(sightings(number), (seen) => String(seen.city));
  const days = (own: readonly { day: number }[]): number => distinct(own.map(({ day }) => day));
  const cities = kept(byCity, days, number.longest("cities"));
  return cities.find(([code]) => code === String(city))?.[1] ?? [];
}

export function daysInCity(number: NumberReading, city: number): number {
  return distinct(seenIn(number, city).map(({ day }) => day));
}

/** Hours from the last sighting in the city to the beginning of the as-of day; undefined where there was none. */
export function hoursSinceCity(number: NumberReading, city: number): number | undefined {
  const seen = seenIn(number, city);
  if (seen.length === 0) return undefined;
  return (number.history.asof.day * 86_400 - maxOf(seen.map(({ at }) => at))) / 3600;
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
