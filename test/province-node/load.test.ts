// Loading a sandbox province: every number and person is served, and the store appears whole.
import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { subjectTag } from "../../crypto/subject.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince, type LoadOptions } from "../../province-node/load/load.ts";
import { generateSandbox } from "../../province-node/sandbox/generate.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

function optionsFor(folder: Folder, more: Partial<LoadOptions> = {}): LoadOptions {
  return {
    rawDir: folder.at("raw"),
    storePath: folder.at("node.store"),
    rejectsDir: folder.at("rejects"),
    subjectKey: SUBJECT_KEY,
    asof: ASOF,
    catalogue: CATALOGUE,
    ...more,
  };
}

function phone(msisdn: string) {
  return subjectTag(SUBJECT_KEY, "msisdn", msisdn);
}

describe("loading a province", () => {
  it("computes values and lists as declared", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", CALLS);
    folder.table("bill", ["+8613800000001,2026-05-01,700.5,1,1,1,0,0"]);
    folder.table("location_day", ["+8613800000001,2026-05-01,110102,10,5,0,1"]);
    const report = await loadProvince(optionsFor(folder));
    expect(report).toMatchObject({ rawRows: 10, rejected: 0, numbers: 3, people: 1 });
    using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
    const [record] = store.lookup(phone("+8613800000001"))?.numbers ?? [];
    // Spend is clamped to the declared 500 yuan; the share is 2 of 4; web_day was never loaded: null despite `absent`.
    expect(record?.values).toEqual([4, 2, 2, 50_000, 500, null]);
    const key = (msisdn: string): string => phone(msisdn).subarray(0, 8).toString("hex");
    expect(record?.lists).toEqual({
      contacts: [
        { key: key("+8613900000003"), calls: 2, minutes: 20 },
        { key: key("+8613700000009"), calls: 1, minutes: 5 },
      ],
      districts: [{ key: 110102, nights: 1 }],
    });
    const [other] = store.lookup(phone("+8613900000003"))?.numbers ?? [];
    expect(other?.values).toEqual([1, 0, 1, null, 0, null]);
    expect(other?.identity).toEqual({
      msisdn: phone("+8613900000003").toString("hex"),
      cnId: null,
      name: null,
    });
    const silent = store.lookup(phone("+8613800000002"))?.numbers[0];
    expect(silent?.values).toEqual([0, 0, null, null, null, null]);
  });

  it("finds all numbers of an ID number, the one in use first", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    await loadProvince(optionsFor(folder));
    using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
    const person = store.lookup(subjectTag(SUBJECT_KEY, "cn-id", "110101199003070011"));
    expect(person?.numbers.map(({ identity }) => identity.msisdn)).toEqual(
      ["+8613800000001", "+8613800000002"].map((number) => phone(number).toString("hex")),
    );
    const name = subjectTag(SUBJECT_KEY, "name", "张三").toString("hex");
    expect(person?.numbers.every(({ identity }) => identity.name === name)).toBe(true);
    expect(store.lookup(phone("+8613800000009"))).toBeUndefined();
  });

  it("loads a sandbox province without a rejected row, and keeps no identifier in the store", async () => {
    using folder = new Folder();
    await generateSandbox({
      seed: 5,
      peoplePerProvince: 40,
      outDir: folder.path,
      asof: ASOF,
      provinces: ["51", "50"],
    });
    const report = await loadProvince(optionsFor(folder, { rawDir: folder.at("51") }));
    expect(report).toMatchObject({ rejected: 0 });
    expect(report.tables).toHaveLength(13);
    expect(report.rawRows).toBeGreaterThan(20_000);
    expect(statSync(folder.at("node.store")).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(folder.at("node.store"));
    const rows = readFileSync(folder.at("51", "subscriber.csv"), "utf8")
      .trim()
      .split("\n")
      .slice(1);
    using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
    for (const row of rows) {
      const [msisdn = "", cnId = "", name = ""] = row.split(",");
      for (const secret of [msisdn, msisdn.slice(3), cnId, name])
        expect(bytes.includes(secret)).toBe(false);
      expect(store.lookup(phone(msisdn))).toBeDefined();
    }
    expect(rows).toHaveLength(report.numbers);
  });

  it("agrees with a count over the raw rows for every number", async () => {
    using folder = new Folder();
    await generateSandbox({
      seed: 9,
      peoplePerProvince: 30,
      outDir: folder.path,
      asof: ASOF,
      provinces: ["11"],
    });
    await loadProvince(optionsFor(folder, { rawDir: folder.at("11") }));
    using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
    const read = (table: string): string[][] =>
      readFileSync(folder.at("11", `${table}.csv`), "utf8")
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split(","));
    const calls = Map.groupBy(read("call"), ([msisdn]) => msisdn as string);
    let compared = 0;
    for (const [msisdn = ""] of read("subscriber")) {
      const own = calls.get(msisdn) ?? [];
      const [record] = store.lookup(phone(msisdn))?.numbers ?? [];
      expect(record?.values[0]).toBe(own.length);
      expect(record?.values[1]).toBe(own.filter((call) => call[3] === "out").length);
      const peers = Map.groupBy(own, (call) => call[2] as string);
      const top = [...peers]
        .filter(([peer]) => /^(\+86)?1[3-9]\d{9}$/.test(peer))
        .map(([peer, list]) => [peer.replace("+86", ""), list.length] as const)
        .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
        .slice(0, 3);
      expect(record?.lists["contacts"]?.map(({ key, calls: n }) => [key, n])).toEqual(
        top.map(([peer, n]) => [phone(`+86${peer}`).subarray(0, 8).toString("hex"), n]),
      );
      compared++;
    }
    expect(compared).toBeGreaterThan(29);
  });
});
