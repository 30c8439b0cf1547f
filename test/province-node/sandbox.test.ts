// The generator: the same seed gives the same bytes, identifiers are valid, and the provinces agree about their calls.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROVINCES } from "../../core/provinces.ts";
import { normaliseCnId, normaliseMsisdn } from "../../crypto/subject.ts";
import { generateSandbox, type TruthPerson } from "../../province-node/sandbox/generate.ts";
import { ASOF, Folder } from "./load-fixture.ts";

function truth(folder: Folder): TruthPerson[] {
  const text = readFileSync(folder.at("truth", "people.ndjson"), "utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line) as TruthPerson);
}

function rows(folder: Folder, province: string, table: string): string[][] {
  const text = readFileSync(folder.at(province, `${table}.csv`), "utf8").trim();
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
}

function digest(folder: Folder, province: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(folder.at(province)).sort())
    hash.update(readFileSync(folder.at(province, name)));
  return hash.digest("hex");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe("the sandbox", () => {
  it("gives the same bytes for the same seed, and others for another", async () => {
    using one = new Folder();
    using two = new Folder();
    using three = new Folder();
    const options = { peoplePerProvince: 12, asof: ASOF, provinces: ["11", "51"] };
    await generateSandbox({ ...options, seed: 1, outDir: one.path });
    await generateSandbox({ ...options, seed: 1, outDir: two.path });
    await generateSandbox({ ...options, seed: 2, outDir: three.path });
    expect(digest(one, "51")).toBe(digest(two, "51"));
    expect(digest(one, "51")).not.toBe(digest(three, "51"));
  });

  it("makes all 31 provinces: valid, unique identities, some people in two provinces", async () => {
    using folder = new Folder();
    const report = await generateSandbox({
      seed: 3,
      peoplePerProvince: 40,
      outDir: folder.path,
      asof: ASOF,
    });
    const people = truth(folder);
    expect(people).toHaveLength(report.people);
    expect(report.people).toBe(31 * 40);
    expect(new Set(people.map(({ cnId }) => cnId)).size).toBe(people.length);
    const numbers = people.flatMap((person) => person.numbers);
    expect(new Set(numbers.map(({ msisdn }) => msisdn)).size).toBe(numbers.length);
    expect(numbers).toHaveLength(report.numbers);
    for (const { cnId, birthDate, gender, homeDistrict } of people) {
      expect(normaliseCnId(cnId)).toBe(cnId);
      expect(cnId.slice(0, 14)).toBe(`${homeDistrict}${birthDate.replaceAll("-", "")}`);
      expect(Number(cnId[16]) % 2).toBe(gender === "male" ? 1 : 0);
    }
    for (const { msisdn } of numbers) expect(normaliseMsisdn(msisdn)).toBe(msisdn);
    const spread = people.filter(
      (person) => new Set(person.numbers.map(({ province }) => province)).size > 1,
    );
    expect(spread.length / people.length).toBeGreaterThanOrEqual(0.02);
    for (const { province, msisdn, name, cnId } of spread.flatMap((p) =>
      p.numbers.map((n) => ({ ...p, ...n })),
    )) {
      const row = rows(folder, province, "subscriber").find(([number]) => number === msisdn);
      expect(row?.slice(1, 3)).toEqual([cnId, name]);
    }
    for (const { code } of PROVINCES) {
      expect(existsSync(folder.at(code, "truth"))).toBe(false);
      expect(rows(folder, code, "risk_number").length).toBeGreaterThan(0);
    }
  });

  it("writes both sides of every call between its people, in whichever provinces they are", async () => {
    using folder = new Folder();
    const provinces = ["11", "44", "51"];
    await generateSandbox({
      seed: 4,
      peoplePerProvince: 30,
      outDir: folder.path,
      asof: ASOF,
      provinces,
    });
    const known = new Set(
      truth(folder).flatMap(({ numbers }) => numbers.map(({ msisdn }) => msisdn)),
    );
    const home = new Map<string, string>();
    const sides = new Map<string, number>();
    let between = 0;
    for (const province of provinces) {
      for (const [number = ""] of rows(folder, province, "subscriber")) home.set(number, province);
    }
    for (const [own = "", at, peer = "", direction, seconds] of provinces.flatMap((p) =>
      rows(folder, p, "call"),
    )) {
      if (!known.has(peer)) continue;
      const [from, to] = direction === "out" ? [own, peer] : [peer, own];
      const event = [from, to, at, seconds].join();
      sides.set(event, (sides.get(event) ?? 0) + 1);
      if (home.get(from) !== home.get(to)) between++;
    }
    expect(sides.size).toBeGreaterThan(1000);
    expect(between).toBeGreaterThan(100);
    expect([...sides.values()].filter((count) => count !== 2)).toEqual([]);
  });

  it("lets hidden creditworthiness drive arrears, loan messages, spending and apps", async () => {
    using folder = new Folder();
    await generateSandbox({
      seed: 6,
      peoplePerProvince: 250,
      outDir: folder.path,
      asof: ASOF,
      provinces: ["51"],
    });
    const people = truth(folder).sort((a, b) => a.creditworthiness - b.creditworthiness);
    const third = Math.floor(people.length / 3);
    const byNumber = (table: string) =>
      Map.groupBy(rows(folder, "51", table), ([msisdn]) => msisdn);
    const per = (table: string, value: (own: string[][]) => number): [number, number] => {
      const grouped = byNumber(table);
      const of = (group: TruthPerson[]): number =>
        mean(group.map((person) => value(grouped.get(person.numbers[0]?.msisdn) ?? [])));
      return [of(people.slice(0, third)), of(people.slice(-third))];
    };
    const [badArrears, goodArrears] = per(
      "bill",
      (own) => own.filter((row) => Number(row[6]) > 0).length,
    );
    expect(badArrears).toBeGreaterThan(goodArrears * 2);
    const [badLoans, goodLoans] = per(
      "message",
      (own) => own.filter((row) => row[4] === "loan").length,
    );
    expect(badLoans).toBeGreaterThan(goodLoans * 2);
    const [badSpend, goodSpend] = per("bill", (own) =>
      own.reduce((sum, row) => sum + Number(row[2]), 0),
    );
    expect(goodSpend).toBeGreaterThan(badSpend * 1.3);
    const [badApps, goodApps] = per(
      "app_day",
      (own) => own.filter((row) => row[3] === "gambling").length,
    );
    expect(badApps).toBeGreaterThan(goodApps * 2);
  });
});
