// Who the sandbox's people are, each derived alone from (seed, province, index): identity, hidden creditworthiness,
// home and work, numbers. Nothing is kept, so a province of any size streams. Fictional throughout.
import { createCipheriv } from "node:crypto";
import { PROVINCES } from "../../core/provinces.ts";
import { cnIdCheckCharacter } from "../../crypto/subject.ts";
import { dayText } from "./calendar.ts";
import { PLACES } from "./places.ts";
import { GIVEN, PREFIXES, SURNAMES } from "./vocabulary.ts";

export interface SandboxNumber {
  /** E.164. */
  readonly msisdn: string;
  readonly province: number;
  /** Days before `asof`; events lie in (activeFrom … activeTo], counted down. */
  readonly activatedDaysAgo: number;
  readonly silentSinceDaysAgo: number;
  readonly status: "active" | "suspended_arrears" | "suspended_voluntary" | "closed";
}

export interface Person {
  /** Index into PROVINCES of the home province. */
  readonly province: number;
  readonly index: number;
  /** Hidden, in (0, 1): 1 is the best. Everything that scores is a noisy view of it. */
  readonly credit: number;
  readonly kind: "regular" | "student" | "fraudster";
  readonly gender: "male" | "female";
  readonly birthDaysAgo: number;
  readonly name: string;
  readonly cnId: string;
  readonly homeDistrict: number;
  readonly workDistrict: number;
  readonly numbers: readonly SandboxNumber[];
}

const PEOPLE_PER_BLOCK = 64;
const BYTES_PER_PERSON = 64;
const BIRTH_SPAN_DAYS = 20_454;
const ADULT_DAYS = 18 * 366;

/** The province's name space of numbers; injective over (province, slot) for slots below 40 million. */
function numberAt(province: number, slot: number): string {
  const prefix = PREFIXES[slot % PREFIXES.length] as string;
  const scrambled = (Math.floor(slot / PREFIXES.length) * 387_421 + 193_939) % 1_000_000;
  return `+86${prefix}${String(province).padStart(2, "0")}${String(scrambled).padStart(6, "0")}`;
}

export class People {
  readonly #key: Buffer;
  readonly #asof: number;
  readonly #cache = new Map<number, Buffer>();
  readonly perProvince: number;
  readonly provinces: readonly number[];

  /** `asof` in days since 1970; `provinces` are indices into PROVINCES. */
  constructor(key: Buffer, asof: number, perProvince: number, provinces: readonly number[]) {
    this.#key = key;
    this.#asof = asof;
    this.perProvince = perProvince;
    this.provinces = provinces;
  }

  /** 16 words of one person. Blocks are cached because contacts are neighbours. */
  #words(province: number, index: number): (n: number) => number {
    const block = Math.floor(index / PEOPLE_PER_BLOCK);
    const id = province * 2 ** 26 + block;
    let bytes = this.#cache.get(id);
    if (!bytes) {
      const iv = Buffer.alloc(16);
      iv.writeUIntBE(id, 1, 6);
      const zeros = Buffer.alloc(PEOPLE_PER_BLOCK * BYTES_PER_PERSON);
      bytes = createCipheriv("aes-256-ctr", this.#key, iv).update(zeros);
      if (this.#cache.size > 1024) this.#cache.clear();
      this.#cache.set(id, bytes);
    }
    const base = (index % PEOPLE_PER_BLOCK) * BYTES_PER_PERSON;
    const found = bytes;
    return (n) => found.readUInt32LE(base + n * 4) / 2 ** 32;
  }

  person(province: number, index: number): Person {
    const u = this.#words(province, index);
    // Neighbours (who call each other) share the first draw of their group of eight: friends resemble friends.
    const shared = this.#words(province, index - (index % 8))(0);
    const own = Math.sqrt(-2 * Math.log(1 - u(1))) * Math.cos(2 * Math.PI * u(2));
    const kind = index % 97 === 13 ? "fraudster" : u(3) < 0.08 ? "student" : "regular";
    const latent = 0.5 + (shared - 0.5) * 1.6 + own - (kind === "fraudster" ? 2.5 : 0);
    const credit = 1 / (1 + Math.exp(-latent));
    const places = PLACES.get(PROVINCES[province]?.code as string) ?? [];
    const city = places[Math.min(places.length - 1, Math.floor(u(4) * u(4) * places.length))];
    const districts = city?.districts ?? [];
    const gender = u(5) < 0.51 ? "male" : "female";
    // Dates step through the years by index: (date, sequence) never repeats, so ID numbers are unique.
    const scrambled = (index * 7919 + province * 31) % BIRTH_SPAN_DAYS;
    const student = kind === "student" ? scrambled % (6 * 365) : scrambled;
    const birthDaysAgo = ADULT_DAYS + student;
    const homeDistrict = districts[Math.floor(u(6) * districts.length)] as number;
    const wave = Math.floor(index / BIRTH_SPAN_DAYS);
    const sequence = (wave * 2 + (gender === "male" ? 1 : 0)) % 400;
    // Students fold into few years: they take the upper sequences, by which part of the span they came from.
    const folded = kind === "student" ? 400 + Math.floor(scrambled / (6 * 365)) * 60 : 0;
    const first17 =
      String(homeDistrict) +
      dayText(this.#asof - birthDaysAgo).replaceAll("-", "") +
      String(folded + (folded ? sequence % 60 : sequence)).padStart(3, "0");
    const given = GIVEN[Math.floor(u(8) * GIVEN.length)] as string;
    const second = u(9) < 0.75 ? (GIVEN[Math.floor(u(10) * GIVEN.length)] as string) : "";
    return {
      province,
      index,
      credit,
      kind,
      gender,
      birthDaysAgo,
      name: (SURNAMES[Math.floor(u(7) * u(7) * SURNAMES.length)] as string) + given + second,
      cnId: first17 + cnIdCheckCharacter(first17),
      homeDistrict,
      workDistrict:
        u(11) < 0.3 ? homeDistrict : (districts[Math.floor(u(12) * districts.length)] as number),
      numbers: this.#numbers(province, index, kind, credit, birthDaysAgo, u),
    };
  }

  #numbers(
    province: number,
    index: number,
    kind: Person["kind"],
    credit: number,
    birthDaysAgo: number,
    u: (n: number) => number,
  ): SandboxNumber[] {
    const young = kind === "fraudster" || (credit < 0.3 && u(13) < 0.12);
    const oldest = Math.min(kind === "student" ? 1200 : 5000, birthDaysAgo - 14 * 365);
    const activatedDaysAgo = young
      ? 20 + Math.floor(u(14) * 40)
      : 200 + Math.floor(u(14) ** (1.7 - credit) * (oldest - 200));
    const bad = u(15);
    const status =
      bad < 0.12 * (1 - credit) ** 2
        ? "suspended_arrears"
        : bad > 0.99
          ? "suspended_voluntary"
          : bad > 0.975
            ? "closed"
            : "active";
    const silentSinceDaysAgo = status === "active" ? 0 : 2 + Math.floor(u(13) * 25);
    const state = { activatedDaysAgo, silentSinceDaysAgo, status } as const;
    const numbers: SandboxNumber[] = [{ msisdn: numberAt(province, index), province, ...state }];
    for (const [where, slot] of this.#furtherNumbers(province, index, kind)) {
      numbers.push({
        msisdn: numberAt(where, slot),
        province: where,
        activatedDaysAgo: Math.min(activatedDaysAgo, 60 + Math.floor(u(12) * 700)),
        silentSinceDaysAgo: 0,
        status: "active",
      });
    }
    return numbers;
  }

  /** Which further numbers a person has: 4 % in another province, 5 % a second at home, fraudsters three more. */
  #furtherNumbers(province: number, index: number, kind: Person["kind"]): [number, number][] {
    const n = this.perProvince;
    const extra = (j: number): [number, number] => [province, 32 * n + index * 3 + j];
    if (kind === "fraudster") return [extra(0), extra(1), extra(2)];
    const elsewhere = this.secondProvince(province, index);
    if (elsewhere !== undefined) return [[elsewhere, n + province * n + index]];
    return index % 20 === 3 ? [extra(0)] : [];
  }

  /** The other province in which this person has a number, if any. */
  secondProvince(province: number, index: number): number | undefined {
    const count = this.provinces.length;
    if (count < 2 || index % 25 !== 7 || index % 97 === 13) return undefined;
    const here = this.provinces.indexOf(province);
    return this.provinces[(here + 1 + (Math.floor(index / 25) % (count - 1))) % count];
  }

  /** Everybody with a number in this province: its own people, then guests with their second number here. */
  *inProvince(province: number): Generator<Person> {
    for (let index = 0; index < this.perProvince; index++) yield this.person(province, index);
    for (const other of this.provinces) {
      if (other === province) continue;
      for (let index = 7; index < this.perProvince; index += 25) {
        if (this.secondProvince(other, index) === province) yield this.person(other, index);
      }
    }
  }
}
