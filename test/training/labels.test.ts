// A labelled file: what is taken of it, and what is said of each line that is not. One bad line, and nothing is taken.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { cnIdCheckCharacter } from "../../crypto/index.ts";
import { readLabels } from "../../cli/train-labels.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-labels-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const clock = new ManualClock(Date.parse("2026-11-28T00:00:00Z"));
const path = join(folder, "labels.csv");

function read(text: string) {
  writeFileSync(path, text);
  return readLabels(path, ["11", "51"] as never, clock);
}

function rejects(text: string): string[] {
  expect(() => read(text)).toThrow(expect.objectContaining({ code: "labels-invalid" }));
  return readFileSync(`${path}.rejects.csv`, "utf8").trim().split("\n").slice(1);
}

const ID = `11010519870314731${cnIdCheckCharacter("11010519870314731")}`;

test("phone or ID number, label, and where given the province and the day", () => {
  const text = `﻿Phone,id_number,label,province,time\r\n+86 138 0013 8000,,1,51,2026-01-31\r\n,${ID},0,,\r\n`;
  expect(read(text).people).toEqual([
    { subject: "msisdn:+8613800138000", label: 1, province: "51" },
    { subject: `cn-id:${ID}`, label: 0, province: undefined },
  ]);
});

test("each bad line is named with its rule, and no rule repeats a value", () => {
  const found = rejects(
    [
      "phone,label,province,time",
      "13800138000,1,51,",
      "13800138000,1,51,",
      "13800138000,0,51,",
      "12345,1,51,",
      "13800138001,yes,51,",
      "13800138002,1,99,",
      "13800138003,1,51,2027-01-01",
      ",1,51,",
    ].join("\n"),
  );
  expect(found).toEqual([
    '3,label,"the same person as in line 2"',
    '4,label,"the same person, with another label, as in line 2"',
    '5,phone,"a mainland mobile number"',
    '6,label,"0 (good) or 1 (bad)"',
    `7,province,"a GB/T 2260 code of the job's provinces"`,
    '8,time,"a day, YYYY-MM-DD, not in the future"',
    '9,phone,"phone or id_number, one of them"',
  ]);
  expect(found.join()).not.toContain("1380013");
});

test("columns that are missing, unknown or not there yet, and files that are none", () => {
  expect(rejects("phone,label,weight\n13800138000,1,2\n")).toEqual([
    '1,weight,"weights are not supported yet"',
  ]);
  expect(rejects("phone,bad\n13800138000,1\n")).toEqual([
    '1,bad,"no column that is known here"',
    '1,label,"is missing"',
  ]);
  expect(rejects("phone,label\n13800138000,1,7\n")[0]).toMatch(/^\d,,"not a line of CSV/);
  expect(rejects("")).toHaveLength(2);
});
