// The sandbox's account tables: subscriber, bill, payment, device, sim, risk_number. Hidden creditworthiness decides
// the plan, the spending, the arrears and how late a bill is paid.
import { dayText, monthStart, timeText } from "./calendar.ts";
import type { Keystream } from "./keystream.ts";
import type { Person, SandboxNumber } from "./people.ts";
import { cityOf } from "./places.ts";
import type { ProvinceTables } from "./tables.ts";
import { PHONES, PLANS } from "./vocabulary.ts";

export const BILL_MONTHS = 13;

function planOf(person: Person, random: Keystream): (typeof PLANS)[number] {
  if (person.kind === "student") return PLANS[1];
  const place = person.credit * 0.75 + random.unit() * 0.25;
  return PLANS[Math.min(PLANS.length - 1, Math.floor(place * PLANS.length))] ?? PLANS[0];
}

export function writeAccount(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): void {
  const plan = planOf(person, random);
  const closed = number.status === "closed";
  const contract =
    person.credit > 0.5 ? random.pick(["handset", "broadband", "fee", "none"]) : "none";
  const realName = person.kind !== "fraudster" || random.chance(0.5);
  tables.write(
    "subscriber",
    [
      number.msisdn,
      person.cnId,
      person.name,
      dayText(asof - person.birthDaysAgo),
      person.gender,
      realName,
      dayText(asof - number.activatedDaysAgo),
      number.status,
      closed ? dayText(asof - number.silentSinceDaysAgo) : "",
      plan.name,
      plan.feeYuan,
      cityOf(person.homeDistrict),
      contract,
      person.kind === "student",
    ].join(","),
  );
  writeBills(tables, asof, person, number, plan.feeYuan, random);
  writeDevices(tables, asof, person, number, random);
}

function writeBills(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  feeYuan: number,
  random: Keystream,
): void {
  const trouble = 0.5 * (1 - person.credit) ** 2;
  for (let back = BILL_MONTHS; back >= 1; back--) {
    const month = monthStart(asof, back);
    if (month < asof - number.activatedDaysAgo) continue;
    const voice = feeYuan * (0.2 + 0.3 * random.unit());
    const data = feeYuan * (0.5 + 0.5 * random.unit() * (0.5 + person.credit));
    const extra = random.chance(0.3) ? 5 + random.unit() * 20 : 0;
    const total = Math.max(feeYuan, voice + data) + extra;
    const late = random.chance(trouble);
    const lateDays = late ? 1 + Math.floor(random.unit() * 40 * (1.2 - person.credit)) : 0;
    const unpaid =
      (late && random.chance(0.4)) || (back <= 2 && number.status === "suspended_arrears");
    const amounts = [total, voice, data, extra, unpaid ? total : 0].map((yuan) => yuan.toFixed(2));
    const suspended = unpaid ? Math.floor(random.unit() * 15) : 0;
    tables.write("bill", `${number.msisdn},${dayText(month)},${amounts.join(",")},${suspended}`);
    const paidOn = monthStart(asof, back - 1) + 3 + random.whole(0, 6) + lateDays;
    if (unpaid || paidOn >= asof) continue;
    const channel =
      person.credit > 0.6 && random.chance(0.7) ? "auto" : random.pick(["online", "hall"]);
    const amount = channel === "auto" ? total.toFixed(2) : Math.ceil(total / 10) * 10;
    const paidAt = timeText(paidOn, random.whole(480, 1320), random.whole(0, 59));
    tables.write("payment", `${number.msisdn},${paidAt},${amount},${channel},${lateDays}`);
  }
}

function writeDevices(
  tables: ProvinceTables,
  asof: number,
  person: Person,
  number: SandboxNumber,
  random: Keystream,
): void {
  const oldest = number.activatedDaysAgo;
  const changes = person.kind === "fraudster" ? 3 : random.chance(0.35) ? 1 : 0;
  let since = oldest;
  for (let k = 0; k <= changes; k++) {
    const last = k === changes;
    const until = last
      ? number.silentSinceDaysAgo + 1
      : Math.max(2, Math.floor(since * (0.1 + 0.8 * random.unit())));
    if (until > since) break;
    const level = Math.floor((person.credit * 0.7 + random.unit() * 0.3) * PHONES.length);
    const phone = PHONES[Math.min(PHONES.length - 1, level)] ?? PHONES[0];
    const imei = `86${String(random.whole(0, 999_999_999_999)).padStart(12, "0")}${k}`;
    tables.write(
      "device",
      `${number.msisdn},${imei},${phone.model},${phone.bandYuan},${dayText(asof - since)},${dayText(asof - until)}`,
    );
    since = until - 1;
  }
  const simChanges = person.kind === "fraudster" ? 2 : random.chance(0.15) ? 1 : 0;
  for (let k = 0; k < simChanges; k++) {
    const when = asof - random.whole(1, Math.max(1, oldest - 1));
    const at = timeText(when, random.whole(480, 1200), k);
    tables.write("sim", `${number.msisdn},${at},${random.bytes(16).toString("hex")}`);
  }
}

/** Numbers of nobody in the sandbox that call and text people: the same everywhere, and on every risk list. */
export const BAD_NUMBERS = Array.from(
  { length: 40 },
  (_, k) => `+8617099${String(k * 271 + 10_000).padStart(6, "0")}`,
);

export function writeRiskNumbers(
  tables: ProvinceTables,
  asof: number,
  province: number,
  people: Iterable<Person>,
): void {
  BAD_NUMBERS.forEach((bad, k) => {
    tables.write(
      "risk_number",
      `${bad},${k % 2 ? "collection" : "fraud"},${dayText(asof - 30 - k * 9)}`,
    );
  });
  for (const person of people) {
    const list =
      person.kind === "fraudster" ? "fraud" : person.credit < 0.12 ? "blacklist" : undefined;
    for (const number of person.numbers) {
      if (number.province !== province) continue;
      if (list) tables.write("risk_number", `${number.msisdn},${list},${dayText(asof - 15)}`);
      else if (person.index % 41 === 5 && number === person.numbers[0]) {
        tables.write(
          "risk_number",
          `${number.msisdn},recycled,${dayText(asof - number.activatedDaysAgo)}`,
        );
      }
    }
  }
}
