// The data-quality report: counts, nulls, ranges and drift, as text, JSON and one self-contained page.
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadProvince, type LoadReport } from "../../province-node/load/load.ts";
import { stabilityIndex } from "../../province-node/load/quality-drift.ts";
import { bucketOf, QualityReport } from "../../province-node/load/quality.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

function load(folder: Folder, asof = ASOF): Promise<LoadReport> {
  return loadProvince({
    rawDir: folder.at("raw"),
    storePath: folder.at("node.store"),
    rejectsDir: folder.at("rejects"),
    qualityDir: folder.at("quality"),
    subjectKey: SUBJECT_KEY,
    asof,
    catalogue: CATALOGUE,
  });
}

const who = "+8613800000001";

/** A call a day in May, except on two days. */
function mayCalls(seconds: number): string[] {
  const days = Array.from({ length: 31 }, (_, i) => String(i + 1).padStart(2, "0"));
  const present = days.filter((day) => day !== "11" && day !== "12");
  return present.map(
    (day) => `${who},2026-05-${day} 08:00:00,95588,out,${seconds},c1,110100,false`,
  );
}

describe("the quality report", () => {
  it("counts rows, nulls, ranges, missing days, rejects and known indicators", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", [...mayCalls(30), `${who},2026-05-01 09:00:00,<b>,out,1,c1,110100,false`]);
    const { quality } = await load(folder);
    const call = quality?.tables.find(({ table }) => table === "call");
    expect(call).toMatchObject({ rows: 29, gaps: ["2026-05-11", "2026-05-12"] });
    expect(call?.days[0]).toEqual(["2026-05-31", 1]);
    const columns = Object.fromEntries(call?.columns.map((each) => [each.column, each]) ?? []);
    expect(columns["duration_s"]).toEqual({
      column: "duration_s",
      nulls: 0,
      min: 30,
      max: 30,
      mean: 30,
    });
    expect(columns["at"]).toMatchObject({ min: "2026-05-01 08:00:00", max: "2026-05-31 08:00:00" });
    expect(columns["msisdn"]).toEqual({ column: "msisdn", nulls: 0, distinct: 1 });
    const name = quality?.tables[0]?.columns.find(({ column }) => column === "name");
    expect(name).toMatchObject({ nulls: 1 });
    expect(quality?.indicators.slice(0, 3)).toEqual([
      { id: "social.calls", known: 3, min: 0, max: 29, mean: 29 / 3, buckets: { "0": 2, "5": 1 } },
      { id: "social.out", known: 3, min: 0, max: 29, mean: 29 / 3, buckets: { "0": 2, "5": 1 } },
      { id: "social.long", known: 0, min: null, max: null, mean: null, buckets: {} },
    ]);
    expect(quality).toMatchObject({ rejected: 1, comparedWith: null, drift: [] });
    expect(
      QualityReport.parse(JSON.parse(readFileSync(folder.at("quality", "quality.json"), "utf8"))),
    ).toEqual(quality);
  });

  it("holds no identifier, in any of its three forms, and needs nothing from elsewhere", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", CALLS);
    await load(folder);
    for (const name of ["quality.json", "quality.txt", "quality.html"]) {
      const text = readFileSync(folder.at("quality", name), "utf8");
      for (const secret of ["3800000001", "3900000003", "110101199003070011", "张三", "95588"]) {
        expect(text).not.toContain(secret);
      }
    }
    const html = readFileSync(folder.at("quality", "quality.html"), "utf8");
    expect(html).not.toMatch(/<script|<link|<img|https?:|@import|url\(/);
    expect(html).toContain("<svg");
    expect(readFileSync(folder.at("quality", "quality.txt"), "utf8")).toContain(
      "call: 5 rows, 2026-05-01 … 2026-05-03",
    );
  });

  it("says what changed since the load before, and nothing when nothing did", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", mayCalls(30));
    folder.table("sim", [`${who},2026-05-05 10:00:00,0123456789abcdef`]);
    await load(folder);
    expect((await load(folder)).quality).toMatchObject({ comparedWith: ASOF, drift: [] });
    folder.table("call", mayCalls(30).slice(0, 9));
    folder.table(
      "subscriber",
      SUBSCRIBERS.map((row) => row.replace("张三", "")),
    );
    folder.table("sim", []);
    const { quality } = await load(folder, "2026-06-02");
    const seen = quality?.drift.map(({ what, measure, before, now }) => [
      what,
      measure,
      before,
      now,
    ]);
    expect(seen).toEqual([
      ["subscriber.name", "nulls", 1 / 3, 1],
      ["call", "rows", 29, 9],
      ["sim", "rows", 1, 0],
    ]);
    expect(readFileSync(folder.at("quality", "quality.txt"), "utf8")).toContain(
      "subscriber.name: empty 33.3 % → 100.0 %",
    );
  });

  it("starts afresh when the report before cannot be read", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    await load(folder);
    writeFileSync(folder.at("quality", "quality.json"), '{"format":0}');
    expect((await load(folder)).quality).toMatchObject({ comparedWith: null });
  });
});

describe("drift", () => {
  it("is measured on magnitudes that are the same for every load", () => {
    expect([0, 1, 2, 3, 4, 1000, -1, -5, -(2 ** 31)].map(bucketOf)).toEqual([
      0, 1, 2, 2, 3, 10, -1, -3, -32,
    ]);
  });

  it("is not seen in equal or small samples of one population, and is seen in a shift", () => {
    expect(stabilityIndex({ "1": 500, "2": 500 }, { "1": 500, "2": 500 })).toBe(0);
    expect(stabilityIndex({ "1": 5, "2": 3, "3": 2 }, { "1": 3, "2": 5, "3": 2 })).toBeLessThan(
      0.25,
    );
    expect(stabilityIndex({ "1": 500, "2": 500 }, { "1": 100, "2": 900 })).toBeGreaterThan(0.25);
    expect(stabilityIndex({}, { "1": 9 })).toBe(0);
  });
});
