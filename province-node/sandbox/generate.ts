// The sandbox: provinces of generated people as the operators' thirteen tables (CATALOGUE §1), from a seed. The same
// seed gives the same bytes. Ground truth goes to truth/, beside the provinces' folders, never into one.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { PROVINCES } from "../../core/provinces.ts";
import { writeAccount, writeRiskNumbers } from "./account.ts";
import { writeLocations, writeOnline, writeOutsideTraffic } from "./behaviour.ts";
import { dayText, parseDay, timeText } from "./calendar.ts";
import { contactsOf, pairEvents } from "./contacts.ts";
import { Keystream, sandboxKey } from "./keystream.ts";
import { People, type Person, type SandboxNumber } from "./people.ts";
import { cityOf } from "./places.ts";
import { ProvinceTables } from "./tables.ts";

const NUMBER_PURPOSE = 2;

export interface SandboxOptions {
  readonly seed: number | string;
  readonly peoplePerProvince: number;
  /** Gets one folder per province code, and truth/. */
  readonly outDir: string;
  /** YYYY-MM-DD: the day that loading takes as today. The newest rows are of the day before. */
  readonly asof: string;
  /** GB/T 2260 codes; all 31 unless told. */
  readonly provinces?: readonly string[];
  /** People, of all provinces. */
  readonly onProgress?: (done: number, of: number) => void;
}

export interface SandboxReport {
  readonly people: number;
  readonly numbers: number;
  readonly rows: number;
}

/** One line of truth/people.ndjson. For tests and demonstrations; a province never reads it. */
export interface TruthPerson {
  readonly id: string;
  readonly province: string;
  readonly name: string;
  readonly cnId: string;
  readonly birthDate: string;
  readonly gender: "male" | "female";
  readonly kind: Person["kind"];
  readonly creditworthiness: number;
  readonly homeDistrict: number;
  readonly workDistrict: number;
  readonly numbers: readonly {
    readonly msisdn: string;
    readonly province: string;
    readonly status: string;
  }[];
  /** First numbers of the people of their circle. */
  readonly contacts: readonly string[];
}

function codeOf(province: number): string {
  return PROVINCES[province]?.code as string;
}

function truthOf(people: People, asof: number, person: Person): TruthPerson {
  return {
    id: `${codeOf(person.province)}-${person.index}`,
    province: codeOf(person.province),
    name: person.name,
    cnId: person.cnId,
    birthDate: dayText(asof - person.birthDaysAgo),
    gender: person.gender,
    kind: person.kind,
    creditworthiness: Number(person.credit.toFixed(6)),
    homeDistrict: person.homeDistrict,
    workDistrict: person.workDistrict,
    numbers: person.numbers.map(({ msisdn, province, status }) => ({
      msisdn,
      province: codeOf(province),
      status,
    })),
    contacts: contactsOf(people, person).map(
      (contact) => contact.person.numbers[0]?.msisdn as string,
    ),
  };
}

function writeContactTraffic(
  tables: ProvinceTables,
  key: Buffer,
  asof: number,
  people: People,
  person: Person,
  mine: readonly SandboxNumber[],
): void {
  const city = cityOf(person.homeDistrict);
  for (const { person: other, strength } of contactsOf(people, person)) {
    for (const event of pairEvents(key, asof, person, other, strength)) {
      const self = mine.find(
        ({ msisdn }) => msisdn === event.from.msisdn || msisdn === event.to.msisdn,
      );
      if (!self) continue;
      const out = self.msisdn === event.from.msisdn;
      const peer = out ? event.to.msisdn : event.from.msisdn;
      const row = `${self.msisdn},${timeText(event.day, event.minute, event.second)},${peer},${out ? "out" : "in"}`;
      if (event.durationS === 0) tables.write("message", `${row},person`);
      else {
        const cell = `${person.homeDistrict}-${(event.minute % 17) + 1}`;
        tables.write("call", `${row},${event.durationS},${cell},${city},false`);
      }
    }
  }
}

function writeProvince(
  key: Buffer,
  asof: number,
  people: People,
  province: number,
  tables: ProvinceTables,
  onPerson: () => void,
): number {
  let numbers = 0;
  for (const person of people.inProvince(province)) {
    const mine = person.numbers.filter((number) => number.province === province);
    for (const number of mine) {
      const random = new Keystream(key, NUMBER_PURPOSE, Number(number.msisdn.slice(3)));
      writeAccount(tables, asof, person, number, random);
      writeOutsideTraffic(tables, asof, person, number, random);
      writeLocations(tables, asof, person, number, random);
      writeOnline(tables, asof, person, number, random);
    }
    writeContactTraffic(tables, key, asof, people, person, mine);
    numbers += mine.length;
    onPerson();
  }
  writeRiskNumbers(tables, asof, province, people.inProvince(province));
  return numbers;
}

function writeTruth(people: People, asof: number, province: number, file: number): void {
  let pending = "";
  for (let index = 0; index < people.perProvince; index++) {
    pending += `${JSON.stringify(truthOf(people, asof, people.person(province, index)))}\n`;
    if (pending.length > 1 << 18) {
      writeSync(file, pending);
      pending = "";
    }
  }
  writeSync(file, pending);
}

/** @throws WjfError `config-invalid` for an impossible `asof`. */
export async function generateSandbox(options: SandboxOptions): Promise<SandboxReport> {
  const key = sandboxKey(options.seed);
  const asof = parseDay(options.asof);
  const wanted = options.provinces ?? PROVINCES.map(({ code }) => code);
  const chosen = PROVINCES.flatMap(({ code }, index) => (wanted.includes(code) ? [index] : []));
  const people = new People(key, asof, options.peoplePerProvince, chosen);
  const truthDir = join(options.outDir, "truth");
  mkdirSync(truthDir, { recursive: true, mode: 0o700 });
  const about = {
    seed: options.seed,
    peoplePerProvince: options.peoplePerProvince,
    asof: options.asof,
  };
  writeFileSync(
    join(truthDir, "sandbox.json"),
    `${JSON.stringify({ ...about, provinces: chosen.map(codeOf) })}\n`,
  );
  const truth = openSync(join(truthDir, "people.ndjson"), "w", 0o600);
  const total = options.peoplePerProvince * chosen.length;
  let done = 0;
  let numbers = 0;
  let rows = 0;
  try {
    for (const province of chosen) {
      using tables = new ProvinceTables(join(options.outDir, codeOf(province)));
      numbers += writeProvince(key, asof, people, province, tables, () => {
        options.onProgress?.(++done, total);
      });
      rows += tables.rows;
      writeTruth(people, asof, province, truth);
      await setImmediate();
    }
  } finally {
    closeSync(truth);
  }
  return { people: total, numbers, rows };
}
