// The sandbox's signalling and DPI tables: location_day, roaming, app_day, web_day, search_day; and the calls and
// messages with parties outside of the sandbox (services, lenders, collectors, strangers).
import { BAD_NUMBERS } from "./account.ts";
import { dayText, timeText } from "./calendar.ts";
import { TRAFFIC_DAYS, wakingMinute } from "./contacts.ts";
import type { Keystream } from "./keystream.ts";
import type { Person, SandboxNumber } from "./people.ts";
import { PLACES, cityOf } from "./places.ts";
import type { ProvinceTables } from "./tables.ts";
import { APPS, DOMAINS, KEYWORDS, type Word } from "./vocabulary.ts";
import { PROVINCES } from "../../core/provinces.ts";

const ONLINE_DAYS = 60;
const SERVICES = ["10086", "10010", "95588", "95555", "12306", "4008123123"];

function activeOn(number: SandboxNumber, daysAgo: number): boolean {
  return daysAgo <= number.activatedDaysAgo && daysAgo > number.silentSinceDaysAgo;
}

/** An event with an outside party: seconds count up, so that no two rows share a key. */
export function writeOutsideTraffic(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): void {
  const cell = `${person.homeDistrict}-${random.whole(1, 40)}`;
  const city = cityOf(person.homeDistrict);
  const forwarding = person.kind === "fraudster" || random.chance(0.02);
  const distress = (1 - person.credit) ** 2;
  const fraud = person.kind === "fraudster";
  for (let daysAgo = TRAFFIC_DAYS; daysAgo >= 1; daysAgo--) {
    if (!activeOn(number, daysAgo)) continue;
    const day = asof - daysAgo;
    const bank = random.chance(0.1 + 0.4 * person.credit);
    const calls = fraud && daysAgo <= 14 ? 25 : random.chance(0.3) ? 1 : 0;
    for (let k = 0; k < calls; k++) {
      const peer = fraud
        ? `1${random.pick(["38", "59", "77"])}99${String(random.whole(0, 999_999)).padStart(6, "0")}`
        : random.chance(distress * 0.5)
          ? random.pick(BAD_NUMBERS)
          : random.pick(SERVICES);
      const direction = fraud || random.chance(0.5) ? "out" : "in";
      const seconds = fraud ? random.whole(0, 40) : random.whole(10, 300);
      const at = timeText(day, wakingMinute(random), k);
      const forwarded = forwarding && direction === "in";
      tables.write(
        "call",
        `${number.msisdn},${at},${peer},${direction},${seconds},${cell},${city},${forwarded}`,
      );
    }
    let second = 0;
    const message = (peer: string, category: string): void => {
      const at = timeText(day, wakingMinute(random), second++);
      tables.write("message", `${number.msisdn},${at},${peer},in,${category}`);
    };
    if (bank) message(random.pick(["95588", "95555", "95533"]), "bank");
    if (random.chance(0.25)) message("106575", "merchant");
    if (random.chance(0.05)) message("12306", "other");
    if (random.chance(distress * 0.35)) message(`1069${random.whole(1000, 1020)}`, "loan");
    if (random.chance(distress * 0.18)) message(`1068${random.whole(1000, 1010)}`, "collection");
  }
}

export function writeLocations(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): void {
  const away = 0.01 + 0.05 * (1 - person.credit);
  const write = (day: number, district: number, minutes: readonly number[], cells: number): void =>
    tables.write(
      "location_day",
      `${number.msisdn},${dayText(day)},${district},${minutes.join(",")},${cells}`,
    );
  let trip: { district: number; until: number } | undefined;
  for (let daysAgo = TRAFFIC_DAYS; daysAgo >= 1; daysAgo--) {
    const day = asof - daysAgo;
    if (!activeOn(number, daysAgo) || random.chance(0.02)) continue;
    if (trip && day > trip.until) trip = undefined;
    if (!trip && random.chance(away)) trip = startTrip(tables, day, person, number, random);
    const night = 360 + random.whole(0, 120);
    const rest = 200 + random.whole(0, 200);
    if (trip) {
      if (trip.district) write(day, trip.district, [rest + 300, night, 0], random.whole(3, 30));
      continue;
    }
    const weekday = (((day + 4) % 7) + 7) % 7;
    const works = weekday >= 1 && weekday <= 5 && random.chance(0.5 + 0.5 * person.credit);
    const work = works ? 360 + random.whole(0, 180) : 0;
    const same = person.workDistrict === person.homeDistrict;
    write(
      day,
      person.homeDistrict,
      [same ? rest + work : rest, night, same ? work : 0],
      random.whole(2, 15),
    );
    if (work && !same) write(day, person.workDistrict, [work + 30, 0, work], random.whole(1, 10));
  }
}

/** A stay elsewhere; abroad there is no district, only the roaming record. */
function startTrip(
  tables: ProvinceTables,
  day: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): { district: number; until: number } {
  const until = day + random.whole(0, 4);
  const abroad = random.chance(0.1 * person.credit);
  const province = random.pick(PROVINCES);
  const country = random.pick(["JP", "TH", "SG", "US", "FR", "MM"]);
  const place = abroad ? undefined : random.pick(PLACES.get(province.code) ?? []);
  const home = PROVINCES[person.province]?.code;
  if (abroad || province.code !== home) {
    const stay = `${timeText(day, 600, 0)},${timeText(until, 1200, 0)}`;
    tables.write("roaming", `${number.msisdn},${stay},${abroad ? country : province.code}`);
  }
  return { district: place ? random.pick(place.districts) : 0, until };
}

/** The words a person takes to: sampled by how near their lean is to the person's own credit. */
function repertoire(
  choices: readonly Word[],
  credit: number,
  share: number,
  random: Keystream,
): Word[] {
  const inclination = (credit - 0.5) * 3;
  return choices.filter((word) => {
    const pull = word.lean === 0 ? 0 : word.lean * inclination;
    return random.chance(Math.min(0.95, share * Math.exp(pull - Math.abs(word.lean) * 0.6)));
  });
}

export function writeOnline(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): void {
  const apps = repertoire(APPS, person.credit, 0.45, random);
  const domains = repertoire(DOMAINS, person.credit, 0.3, random);
  const keywords = repertoire(KEYWORDS, person.credit, 0.25, random);
  for (let daysAgo = ONLINE_DAYS; daysAgo >= 1; daysAgo--) {
    if (!activeOn(number, daysAgo)) continue;
    const who = `${number.msisdn},${dayText(asof - daysAgo)}`;
    for (const app of apps) {
      if (!random.chance(0.42)) continue;
      const minutes = 1 + Math.floor(-Math.log(1 - random.unit()) * 22);
      const bytes = minutes * random.whole(100_000, 3_000_000);
      tables.write(
        "app_day",
        `${who},${app.text},${app.category},${random.whole(1, 9)},${Math.min(minutes, 600)},${bytes}`,
      );
    }
    for (const domain of domains) {
      if (random.chance(0.22))
        tables.write("web_day", `${who},${domain.text},${domain.category},${random.whole(1, 25)}`);
    }
    for (const keyword of keywords) {
      if (random.chance(0.12))
        tables.write("search_day", `${who},${keyword.text},${random.whole(1, 4)}`);
    }
  }
}
