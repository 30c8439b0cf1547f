// The independent count of a CSV file's records and the way back from a record to its line, over generated files; and
// arbitrary bytes in the place of rows, of which none may stop a load or go missing from its counts.
import { readFileSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyWithLf, scanCsv } from "../../province-node/load/csv-scan.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import { linesOfRecords } from "../../province-node/load/record-lines.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

const field = fc.oneof(
  fc.string({ maxLength: 6 }).map((text) => text.replace(/[",\r\n]/g, "x")),
  fc.constantFrom('"a,b"', '"say ""hi"""', '"two\nlines"', '"\r\n"', '""', "张三"),
);
const record = fc.tuple(field, field).map((fields) => fields.join(","));
const line = fc.oneof(
  { weight: 5, arbitrary: record },
  { weight: 1, arbitrary: fc.constant(null) },
);

describe("a CSV file", () => {
  it("is counted, and its records are found again by line", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 30 }),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        async (lines, end, closed) => {
          using folder = new Folder();
          const texts = ["a,b", ...lines.map((each) => each ?? "")];
          // A last line that is blank and not ended is no line at all.
          writeFileSync(folder.at("x.csv"), texts.join(end) + (closed ? end : ""));
          const places: number[] = [];
          let at = 1;
          for (const [i, text] of texts.entries()) {
            if (i > 0 && text !== "") places.push(at);
            at += text.split("\n").length;
          }
          const scan = await scanCsv(folder.at("x.csv"));
          expect(scan.records).toBe(places.length);
          expect(scan.swallowedLines).toBe(0);
          const wanted = places.map((_, i) => i);
          const found = await linesOfRecords(folder.at("x.csv"), wanted, new Map());
          expect(wanted.map((i) => found.get(i))).toEqual(places);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("keeps its lines when its line ends are made alike, wherever the pieces of a stream fall", async () => {
    using folder = new Folder();
    const text = Array.from(
      { length: 300_000 },
      (_, i) => `${i}${i % 3 === 0 ? "\r\n" : "\n"}`,
    ).join("");
    writeFileSync(folder.at("mixed"), text);
    await copyWithLf(folder.at("mixed"), folder.at("alike"));
    expect(readFileSync(folder.at("alike"), "utf8")).toBe(text.replaceAll("\r\n", "\n"));
  });

  it("of arbitrary bytes is loaded or rejected, row by row", { timeout: 120_000 }, async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(...CALLS, '"', ",,,,,,,", "\r", "\0").map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 30 }), async (rows) => {
        using folder = new Folder();
        folder.table("subscriber", SUBSCRIBERS);
        folder.table("call", rows);
        const scan = await scanCsv(folder.at("raw", "call.csv"));
        const report = await loadProvince({
          rawDir: folder.at("raw"),
          storePath: folder.at("node.store"),
          rejectsDir: folder.at("rejects"),
          qualityDir: folder.at("quality"),
          subjectKey: SUBJECT_KEY,
          asof: ASOF,
          catalogue: CATALOGUE,
        });
        const calls = report.files.find(({ label }) => label === "call.csv");
        const kept = report.quality?.tables.find(({ table }) => table === "call")?.rows ?? 0;
        expect(calls?.rows).toBeGreaterThanOrEqual(scan.records);
        expect(kept + (calls?.rejected ?? 0)).toBe(calls?.rows);
      }),
      { numRuns: 12, seed: 20_261_124 },
    );
  });
});
