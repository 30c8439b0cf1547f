// A province that nobody would generate for a demonstration: few numbers, and rows that lie on the edges of every
// window, at the first and the last second of a day, on the as-of day, on leap days, in overlapping stays and devices,
// with everything that may be missing missing. All of it keeps the rules of CATALOGUE §1's tables.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  APP_CATEGORIES,
  MESSAGE_CATEGORIES,
  RAW_TABLES,
  RAW_TABLE_NAMES,
  type RawTableName,
  RISK_LISTS,
} from "../../catalogue/raw-tables.ts";
import { cnIdCheckCharacter } from "../../crypto/subject.ts";
import { dayText, monthStart, parseDay, timeText } from "../../province-node/sandbox/calendar.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";

const EDGE_DAYS = [
  0, 1, 2, 6, 7, 8, 29, 30, 31, 59, 60, 61, 89, 90, 91, 119, 120, 121, 149, 150, 151, 179, 180, 181,
  364, 365, 366, 729, 730, 731,
];
const PEERS = [
  "95588",
  "10086",
  "02887654321",
  ...numbers("1390000", 14),
  ...numbers("1370000", 4),
];
const DISTRICTS = [510104, 510107, 510703, 500103, 110101, 110105, 440106];
const WORDS = ["畅读", "支付宝", "WeChat", "wechat", "ａｌｐｈａ", "two words", "x"];

function numbers(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, k) => `${prefix}${String(k).padStart(4, "0")}`);
}

/** Operators write mobile numbers in several forms; each peer keeps to one, so that no row repeats another. */
function asWritten(peer: string): string {
  if (peer.length !== 11 || !peer.startsWith("1")) return peer;
  return `${["", "+86", "86", "0086"][Number(peer.at(-1)) % 4]}${peer}`;
}

export interface WildPerson {
  readonly cnId: string;
  readonly name: string;
}

/** People who have numbers in every wild province. */
export function wildPeople(count: number): WildPerson[] {
  return Array.from({ length: count }, (_, k) => {
    const first17 = `5101041990030${String(1000 + k)}`;
    return { cnId: first17 + cnIdCheckCharacter(first17), name: `欧阳·${WORDS[k % 2]}` };
  });
}

class WildProvince {
  readonly #random: Keystream;
  readonly #asof: number;
  readonly #rows = new Map<RawTableName, Map<string, string>>();

  constructor(seed: string, asof: number) {
    this.#random = new Keystream(sandboxKey(seed), 9, 1);
    this.#asof = asof;
  }

  /** Rows that would repeat a key are left out: a table may hold each only once. */
  #add(table: RawTableName, values: readonly (string | number | boolean)[]): void {
    const columns = Object.keys(RAW_TABLES[table].columns);
    const key = RAW_TABLES[table].key.map((column) => values[columns.indexOf(column)]).join();
    const rows = this.#rows.get(table) ?? new Map<string, string>();
    this.#rows.set(table, rows);
    if (!rows.has(key)) rows.set(key, values.join());
  }

  #daysAgo(): number {
    const { whole, pick, chance } = bound(this.#random);
    return chance(0.6) ? pick(EDGE_DAYS) : whole(0, 130);
  }

  #day(): string {
    return dayText(this.#asof - this.#daysAgo());
  }

  #time(daysAgo = this.#daysAgo()): string {
    const { whole, pick, chance } = bound(this.#random);
    const minute = chance(0.5) ? pick([0, 359, 360, 1439]) : whole(0, 1439);
    return timeText(this.#asof - daysAgo, minute, chance(0.5) ? pick([0, 59]) : whole(0, 59));
  }

  #yuan(): string {
    const { whole, chance } = bound(this.#random);
    return chance(0.3) ? "0" : (whole(0, 30_000) / 100).toFixed(2);
  }

  #several(most: number, row: () => void): void {
    const count = this.#random.chance(0.2) ? 0 : this.#random.whole(1, most);
    for (let k = 0; k < count; k++) row();
  }

  subscriber(number: string, person: WildPerson | undefined): void {
    const { pick, chance, whole } = bound(this.#random);
    const activated = chance(0.5)
      ? pick(["2024-02-29", "2026-02-28", "2026-01-31", "2025-08-31", "2026-05-31", "2019-05-30"])
      : dayText(this.#asof - whole(0, 4000));
    const birth = pick(["2004-02-29", "1990-06-01", "1990-05-31", "1990-06-02", "2008-05-31", ""]);
    this.#add("subscriber", [
      number,
      person?.cnId ?? "",
      person && chance(0.9) ? person.name : "",
      birth,
      pick(["male", "female", ""]),
      chance(0.7),
      activated,
      pick(["active", "active", "suspended_arrears", "suspended_voluntary", "closed"]),
      "",
      "畅享",
      pick(["0", "8", "39.5", "128.99"]),
      pick([510100, 500100, 110100]),
      pick(["none", "handset", "fee", "broadband"]),
      chance(0.2),
    ]);
  }

  money(number: string): void {
    const { pick, chance, whole } = bound(this.#random);
    for (let back = 26; back >= 0; back--) {
      if (chance(0.35)) continue;
      const amounts = [1, 2, 3, 4].map(() => this.#yuan());
      const arrears = chance(0.7) ? "0" : this.#yuan();
      const month = dayText(monthStart(this.#asof, back));
      this.#add("bill", [number, month, ...amounts, arrears, chance(0.6) ? 0 : whole(0, 31)]);
    }
    this.#several(14, () => {
      const first = monthStart(this.#asof, whole(0, 14));
      const edge = chance(0.5) ? first : first - 1;
      const ago = chance(0.5) ? Math.max(0, this.#asof - edge) : whole(0, 420);
      const late = chance(0.5) ? 0 : whole(1, 60);
      this.#add("payment", [
        number,
        this.#time(ago),
        this.#yuan(),
        pick(["online", "hall", "auto"]),
        late,
      ]);
    });
  }

  traffic(number: string): void {
    const { pick, chance, whole } = bound(this.#random);
    const circle = PEERS.filter(() => chance(0.6));
    this.#several(90, () =>
      this.#add("call", [
        number,
        this.#time(),
        asWritten(pick(circle.length > 0 ? circle : PEERS)),
        pick(["in", "out"]),
        chance(0.1) ? 0 : whole(1, 900),
        "c1",
        pick([510100, 500100, 110100, 440100]),
        chance(0.2),
      ]),
    );
    this.#several(40, () =>
      this.#add("message", [
        number,
        this.#time(),
        pick(PEERS),
        pick(["in", "out"]),
        pick(MESSAGE_CATEGORIES),
      ]),
    );
  }

  places(number: string): void {
    const { pick, chance, whole } = bound(this.#random);
    const minutes = (): number => (chance(0.4) ? 0 : whole(0, 700));
    const known = DISTRICTS.filter(() => chance(0.6));
    this.#several(90, () => {
      const district = pick(known.length > 0 ? known : DISTRICTS);
      const spent = [minutes(), minutes(), minutes()];
      this.#add("location_day", [number, this.#day(), district, ...spent, whole(0, 40)]);
    });
    this.#several(4, () => {
      const from = this.#daysAgo();
      const to = chance(0.2) ? "" : this.#time(whole(0, from));
      const place = pick(["JP", "US", "11", "51", "44", "65"]);
      const start = this.#time(from);
      if (to === "" || to > start) this.#add("roaming", [number, start, to, place]);
    });
  }

  online(number: string): void {
    const { pick, chance, whole } = bound(this.#random);
    this.#several(80, () => {
      const bytes = chance(0.3) ? 50_000_000 * whole(0, 30) : whole(0, 2 ** 31);
      const use = [whole(1, 9), whole(0, 600), bytes];
      this.#add("app_day", [number, this.#day(), pick(WORDS), pick(APP_CATEGORIES), ...use]);
    });
    this.#several(40, () =>
      this.#add("web_day", [
        number,
        this.#day(),
        pick(["a.cn", "b.com", "c.org"]),
        pick(APP_CATEGORIES),
        whole(0, 40),
      ]),
    );
    this.#several(20, () =>
      this.#add("search_day", [number, this.#day(), pick(WORDS), whole(0, 9)]),
    );
  }

  /** More of everything than a province keeps, so that its lists are cut: with two rows each, and ever fewer views. */
  crowd(number: string): void {
    const { pick, whole, chance } = bound(this.#random);
    const city = (k: number): number => 410_000 + k * 100;
    for (let k = 0; k < 75; k++) {
      for (let call = whole(1, 3); call > 0; call--) {
        const peer = asWritten(`1360000${String(k).padStart(4, "0")}`);
        const rest = [pick(["in", "out"]), 60, "c1", city(k % 28), false];
        this.#add("call", [number, this.#time(whole(1, 179)), peer, ...rest]);
      }
      const seen = dayText(this.#asof - whole(1, 59));
      this.#add("location_day", [number, seen, city(k % 45) + 1, 9, 9, 9, 1]);
      if (k >= 55) continue;
      for (let day = whole(1, 3); day > 0; day--) {
        const on = dayText(this.#asof - whole(1, 89));
        this.#add("app_day", [number, on, `app ${k}`, chance(0.5) ? "news" : "tools", 1, 5, 1000]);
        this.#add("web_day", [number, on, `site-${k}.cn`, "news", whole(0, 9)]);
        this.#add("search_day", [number, on, `word ${k}`, whole(0, 3)]);
      }
    }
  }

  things(number: string): void {
    const { pick, chance, whole } = bound(this.#random);
    this.#several(5, () => {
      const first = this.#daysAgo();
      const last = chance(0.5) ? pick(EDGE_DAYS.filter((ago) => ago <= first)) : whole(0, first);
      const imei = `8600000000000${whole(10, 13)}`;
      const seen = [dayText(this.#asof - first), dayText(this.#asof - last)];
      this.#add("device", [number, imei, "m", pick([0, 999, 1500, 3999, 8999]), ...seen]);
    });
    this.#several(4, () => this.#add("sim", [number, this.#time(), "0123456789abcdef"]));
    for (const list of RISK_LISTS) {
      if (chance(0.2)) this.#add("risk_number", [number, list, this.#day()]);
    }
  }

  risky(): void {
    for (const peer of PEERS) {
      for (const list of RISK_LISTS) {
        if (this.#random.chance(0.25)) this.#add("risk_number", [peer, list, this.#day()]);
      }
    }
  }

  write(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const table of RAW_TABLE_NAMES) {
      const header = Object.keys(RAW_TABLES[table].columns).join();
      const lines = [header, ...(this.#rows.get(table)?.values() ?? [])];
      writeFileSync(join(folder, `${table}.csv`), `${lines.join("\n")}\n`);
    }
  }
}

function bound(random: Keystream) {
  return {
    whole: (low: number, high: number) => random.whole(low, high),
    chance: (probability: number) => random.chance(probability),
    pick: <T>(choices: readonly T[]): T => random.pick(choices),
  };
}

/** Writes one wild province; returns its numbers. */
export function writeWildProvince(
  folder: string,
  seed: string,
  asof: string,
  people: readonly WildPerson[],
  prefix: string,
): string[] {
  const province = new WildProvince(seed, parseDay(asof));
  const written: string[] = [];
  // The first person has seven numbers, so that the limit of five shows; the last two numbers are nobody's.
  const holders = [...Array.from({ length: 6 }, () => people[0]), ...people, undefined, undefined];
  for (const [k, person] of holders.entries()) {
    const number = `${prefix}${String(k).padStart(4, "0")}`;
    province.subscriber(k % 2 ? `+86${number}` : number, person);
    province.money(number);
    province.traffic(number);
    province.places(number);
    province.online(number);
    province.things(number);
    if (k % 5 === 4) province.crowd(number);
    written.push(number);
  }
  province.risky();
  province.write(folder);
  return written;
}
