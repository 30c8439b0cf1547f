// Offline life (CATALOGUE §3, 线下消费能力) from raw rows: where the phone spends its nights and working hours, and where
// it roams. Of places that tie, the one with the higher code.
import { dayOfSecond } from "../dates.ts";
import { distinct, maxOf, type NumberHistory, roundedShare, sumOf } from "../number-history.ts";
import type { RowOf } from "../raw-rows.ts";
import { flag, ifAny, type Reading, type Readings, unitsOf } from "./indicator-value.ts";

type LocationDay = RowOf<"location_day">;
type Minutes = (row: LocationDay) => number;

const night: Minutes = (row) => row.nightMinutes;
const work: Minutes = (row) => row.workMinutes;
const city: Minutes = (row) => row.city;
const district: Minutes = (row) => row.district;

function minutesByPlace(rows: readonly LocationDay[], place: Minutes, minutes: Minutes) {
  const byPlace = new Map<number, number>();
  for (const row of rows) {
    byPlace.set(place(row), (byPlace.get(place(row)) ?? 0) + minutes(row));
  }
  return byPlace;
}

/** The place of most minutes; null where there are no minutes at all. */
function placeOfMost(rows: readonly LocationDay[], place: Minutes, minutes: Minutes) {
  let most: readonly [number, number] | undefined;
  for (const [code, spent] of minutesByPlace(rows, place, minutes)) {
    if (spent === 0) continue;
    if (most === undefined || spent > most[1] || (spent === most[1] && code > most[0])) {
      most = [code, spent];
    }
  }
  return most?.[0] ?? null;
}

function mostIn(days: number, place: Minutes, minutes: Minutes, before = 0): Reading {
  return (history) =>
    placeOfMost(history.lastDays(history.all("location_day"), days, before), place, minutes);
}

function shareOfMost(minutes: Minutes): Reading {
  return (history) => {
    const rows = history.lastDays(history.all("location_day"), 60);
    const spent = [...minutesByPlace(rows, district, minutes).values()];
    return spent.length === 0 ? null : roundedShare(100 * maxOf(spent), sumOf(spent));
  };
}

function minutesIn30(minutes: Minutes): Reading {
  return (history) =>
    ifAny(history.lastDays(history.all("location_day"), 30), (rows) => sumOf(rows.map(minutes)));
}

interface Stay {
  readonly place: string;
  readonly first: number;
  readonly last: number;
}

/** Stays that have begun; one that has not ended lasts until the day before the as-of day. */
function stays(history: NumberHistory, isPlace: (place: string) => boolean): Stay[] {
  const today = history.asof.day * 86_400;
  return history
    .all("roaming")
    .filter(({ place, from }) => isPlace(place) && from < today)
    .map(({ place, from, to }) => ({
      place,
      first: dayOfSecond(from),
      last: dayOfSecond(Math.min(to ?? today - 1, today - 1)),
    }));
}

function abroad(history: NumberHistory): Stay[] {
  return stays(history, (place) => /^[A-Z]{2}$/.test(place));
}

/** Stays in other provinces that reach into the last 180 days. */
export function travels(history: NumberHistory): Stay[] {
  return stays(history, (place) => /^[1-6]\d$/.test(place)).filter(
    ({ last }) => last >= history.asof.day - 180,
  );
}

function travelDays(history: NumberHistory): number {
  const days = new Set<number>();
  for (const { first, last } of travels(history)) {
    for (let day = Math.max(first, history.asof.day - 180); day <= last; day++) days.add(day);
  }
  return days.size;
}

/** Where the person lived in days 31 to 120 back. */
const usualCity = mostIn(90, city, night, 30);

function daysInUsualCity(days: number): (history: NumberHistory) => number[] | null {
  return (history) => {
    const usual = usualCity(history, () => null);
    const rows = history.lastDays(history.all("location_day"), days);
    return usual === null ? null : rows.filter((row) => row.city === usual).map(({ day }) => day);
  };
}

function agree(one: number | null, two: number | null): boolean | null {
  return one === null || two === null ? null : one === two;
}

export const OFFLINE: Readings = {
  "loc.resident_city": mostIn(30, city, night),
  "loc.resident_city_before": mostIn(90, city, night, 30),
  "loc.home_district": mostIn(60, district, night),
  "loc.work_district": mostIn(60, district, work),
  "loc.home_district_30d": mostIn(30, district, night),
  "loc.work_district_30d": mostIn(30, district, work),
  "loc.home_district_before": mostIn(90, district, night, 30),
  "loc.work_district_before": mostIn(90, district, work, 30),
  "loc.cities_30d": (history) =>
    ifAny(history.lastDays(history.all("location_day"), 30), (rows) => distinct(rows.map(city))),
  "loc.home_night_share": shareOfMost(night),
  "loc.work_share": shareOfMost(work),
  "loc.days_seen_30d": (history) =>
    ifAny(history.all("location_day"), (rows) =>
      distinct(history.lastDays(rows, 30).map(({ day }) => day)),
    ),
  "loc.days_since_seen": (history) =>
    history.daysSince(history.all("location_day").map(({ day }) => day)) ?? null,
  "loc.work_minutes_30d": minutesIn30(work),
  "loc.night_minutes_30d": minutesIn30(night),
  // A day has a row per district, and a cell stands in one district.
  "loc.cells_30d": (history) =>
    ifAny(history.lastDays(history.all("location_day"), 30), (rows) =>
      unitsOf(
        roundedShare(10 * sumOf(rows.map(({ cells }) => cells)), distinct(rows.map((r) => r.day))),
        10,
      ),
    ),
  "loc.days_since_usual_city": (history) =>
    history.daysSince(daysInUsualCity(120)(history) ?? []) ?? null,
  "loc.usual_city_days_30d": (history) => {
    const days = daysInUsualCity(30)(history);
    return days === null ? null : distinct(days);
  },
  "loc.abroad_trips_12m": (history) =>
    abroad(history).filter(({ last }) => last >= history.asof.day - 365).length,
  "loc.days_since_abroad": (history) =>
    history.daysSince(abroad(history).map(({ last }) => last)) ?? 9999,
  "loc.travel_provinces_180d": (history) => distinct(travels(history).map(({ place }) => place)),
  "loc.travel_days_180d": travelDays,
  "loc.moved_city": (_, other) => {
    const stayed = agree(other("loc.resident_city"), other("loc.resident_city_before"));
    return stayed === null ? null : flag(!stayed);
  },
  "loc.lives_in_number_city": (_, other) => {
    const there = agree(other("loc.resident_city"), other("id.home_city"));
    return there === null ? null : flag(there);
  },
};
