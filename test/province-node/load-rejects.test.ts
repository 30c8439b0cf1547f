// Broken input (issue 4, must show 6): named by file, line, column and rule; counted; never a crash, never a default.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { WjfError } from "../../core/errors.ts";
import { subjectTag } from "../../crypto/subject.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince, type LoadReport } from "../../province-node/load/load.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

function load(folder: Folder): Promise<LoadReport> {
  return loadProvince({
    rawDir: folder.at("raw"),
    storePath: folder.at("node.store"),
    rejectsDir: folder.at("rejects"),
    subjectKey: SUBJECT_KEY,
    asof: ASOF,
    catalogue: CATALOGUE,
  });
}

/** `line column: rule` of each entry of the rejects file. */
function rejects(folder: Folder, file = "call.csv"): string[] {
  return readFileSync(folder.at("rejects", "rejects.csv"), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((entry) => /^([^,]+),(\d+),([^,]+),"(.*)"$/.exec(entry) as RegExpExecArray)
    .filter(([, name]) => name === file)
    .map(([, , line, column, rule]) => `${line} ${column}: ${rule}`);
}

function callsOf(folder: Folder): number | null | undefined {
  using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
  return store.lookup(subjectTag(SUBJECT_KEY, "msisdn", "+8613800000001"))?.numbers[0]?.values[0];
}

const who = "+8613800000001";
const tail = "c1,110100,false";

describe("broken rows", () => {
  it("names line, column and rule of each, and loads the rest", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", [
      CALLS[0] as string,
      `${who},2026-02-30 10:00:00,95588,in,60,${tail}`,
      `${who},2026-05-05 10:00:00,95588,in,sixty,${tail}`,
      `${who},2026-05-05 10:00:01,95588,in,6.5,${tail}`,
      `${who},2026-05-05 10:00:02,95588,in,-1,${tail}`,
      `${who},2026-05-05 10:00:03,95588,sideways,60,${tail}`,
      `12345,2026-05-05 10:00:04,95588,in,60,${tail}`,
      `${who},2026-05-05 10:00:05,,in,60,${tail}`,
      `${who},2026-05-05T10:00:06+08:00,95588,in,60,${tail}`,
      `${who},2026-06-03 10:00:00,95588,in,60,${tail}`,
      `${who},2026-05-05 10:00:07,95588,in,60,c1,110100,perhaps`,
      "",
      `${who},"2026-05-05 10:00:08`,
      `",95588,in,60,${tail}`,
      CALLS[1] as string,
      CALLS[0] as string,
      CALLS[2] as string,
    ]);
    const report = await load(folder);
    expect(rejects(folder).sort((a, b) => parseInt(a) - parseInt(b))).toEqual([
      "3 at: must be a date and time",
      "4 duration_s: must be a number (INTEGER)",
      "5 duration_s: must be a whole number",
      "6 duration_s: must be from 0 to 86400",
      "7 direction: must be one of in, out",
      "8 msisdn: must have the form 1[3-9][0-9]{9}",
      "9 peer_msisdn: must not be empty",
      "10 at: must be Asia/Shanghai time without a zone",
      "11 at: must not be after the as-of day",
      "12 call_forwarded: must be true or false",
      "14 at: must be a date and time",
      "17 msisdn+at+peer_msisdn+direction: the key appears before (the first row is kept)",
    ]);
    expect(report.rejected).toBe(12);
    expect(report.rejectedByRule.reduce((sum, { count }) => sum + count, 0)).toBe(12);
    expect(report.files.find(({ label }) => label === "call.csv")).toMatchObject({
      rows: 15,
      rejected: 12,
    });
    expect(callsOf(folder)).toBe(3);
  });

  it("survives foreign encodings, NUL bytes, fields of 1 and 5 MB, and lines of the wrong shape", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    const gbk = Buffer.from([0xd5, 0xc5, 0xc8, 0xfd]);
    const from = (second: number): string => `${who},2026-05-06 10:00:0${second},95588,in,60,`;
    folder.table("call", [
      CALLS[0] as string,
      Buffer.concat([Buffer.from(from(1)), gbk, Buffer.from(",110100,false")]),
      `${from(2)}c\u00001,110100,false`,
      `${from(3)}${"x".repeat(1_000_000)},110100,false`,
      `${from(4)}${"x".repeat(5_000_000)},110100,false`,
      `${who},2026-05-06`,
      `${from(5)}c1,110100,false,more`,
      `${from(6)}"c1"x,110100,false`,
      CALLS[1] as string,
    ]);
    const report = await load(folder);
    expect(rejects(folder).sort((a, b) => parseInt(a) - parseInt(b))).toEqual([
      "3 cell_id: the text is not UTF-8",
      "4 cell_id: must not hold a NUL or unreadable character",
      "5 cell_id: must have at most 128 characters",
      expect.stringMatching(/^6 .*the line is longer than 4194304 bytes/),
      expect.stringMatching(/^7 .*the line has too few columns/),
      expect.stringMatching(/^8 .*the line has too many columns/),
      expect.stringMatching(/^9 .*a quote is not closed, or text follows it/),
    ]);
    expect(report.rejected).toBe(7);
    expect(callsOf(folder)).toBe(2);
  });

  it("reads CRLF files, quoted fields and a byte order mark", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", []);
    const lines = readFileSync(folder.at("raw", "call.csv"), "utf8") + CALLS.join("\n") + "\n";
    writeFileSync(
      folder.at("raw", "call.csv"),
      `\uFEFF${lines.replace(",c1,", ',"c,""1",').replaceAll("\n", "\r\n")}`,
    );
    expect(await load(folder)).toMatchObject({ rejected: 0 });
    expect(callsOf(folder)).toBe(4);
  });

  it("reads a file whose line ends are mixed", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", CALLS.slice(0, 2));
    appendFileSync(folder.at("raw", "call.csv"), `${CALLS[2]}\r\n${CALLS[3]}\n`);
    expect(await load(folder)).toMatchObject({ rejected: 0 });
    expect(callsOf(folder)).toBe(4);
  });

  it("rejects a row with a stray CR, not its file", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", [
      CALLS[0] as string,
      (CALLS[2] as string).replace("c1", "c\r1"),
      CALLS[3] as string,
    ]);
    expect(await load(folder)).toMatchObject({ rejected: 1 });
    expect(rejects(folder)).toEqual(["3 cell_id: must not hold a NUL or unreadable character"]);
    expect(callsOf(folder)).toBe(2);
  });

  it("counts the lines that an unclosed quote swallows", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", [
      CALLS[0] as string,
      `${who},"2026-05-04 10:00:00,95588`,
      ...CALLS.slice(1),
    ]);
    // The broken record, and the four good ones that nobody can tell from its text.
    expect(await load(folder)).toMatchObject({ rejected: 5 });
    expect(rejects(folder)).toEqual([
      expect.stringMatching(/^3 .*a quote is not closed/),
      "0 (line): lines that could not be read (a quote is not closed, or the reader left them out)",
    ]);
    expect(callsOf(folder)).toBe(1);
  });

  it("says which of a table's files a row is in", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    folder.table("call", [CALLS[0] as string], "call/2026-05-01.csv");
    folder.table(
      "call",
      [CALLS[1] as string, CALLS[0] as string, `${who},x,1,in,1,${tail}`],
      "call/2026-05-02.csv",
    );
    expect(await load(folder)).toMatchObject({ rejected: 2 });
    expect(rejects(folder, "call/2026-05-01.csv")).toEqual([]);
    expect(rejects(folder, "call/2026-05-02.csv")).toHaveLength(2);
    expect(
      rejects(folder, "call/2026-05-02.csv")
        .map((entry) => parseInt(entry))
        .sort((a, b) => a - b),
    ).toEqual([3, 4]);
  });
});

describe("files that cannot be loaded", () => {
  async function refused(write: (folder: Folder) => void): Promise<string> {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    await load(folder);
    write(folder);
    const error = await load(folder).then(
      () => undefined,
      (thrown: WjfError) => thrown,
    );
    expect(error?.code).toBe("data-invalid");
    expect(existsSync(folder.at("node.store"))).toBe(true);
    expect(callsOf(folder)).toBeNull();
    return error?.detail ?? "";
  }

  it("names a missing or renamed column", async () => {
    const detail = await refused((folder) =>
      writeFileSync(folder.at("raw", "sim.csv"), "msisdn,changed,iccid_hash\n"),
    );
    expect(detail).toContain("sim.csv: missing column changed_at");
  });

  it("does not repeat the first row of a file without a header", async () => {
    const detail = await refused((folder) =>
      writeFileSync(folder.at("raw", "call.csv"), `${CALLS[0]}\n`),
    );
    expect(detail).toContain("call.csv: missing columns msisdn, at");
    expect(detail).not.toContain("13800000001");
  });

  it("names an empty file, a UTF-16 file, and a doubled column", async () => {
    expect(await refused((f) => writeFileSync(f.at("raw", "sim.csv"), ""))).toContain(
      "there is no header",
    );
    const utf16 = Buffer.from("msisdn,changed_at,iccid_hash\n", "utf16le");
    expect(await refused((f) => writeFileSync(f.at("raw", "sim.csv"), utf16))).toContain("UTF-16");
    const doubled = "msisdn,msisdn,changed_at,iccid_hash\n";
    expect(await refused((f) => writeFileSync(f.at("raw", "sim.csv"), doubled))).toContain(
      "same name",
    );
  });

  it("refuses a folder without tables, or without subscribers", async () => {
    using folder = new Folder();
    await expect(load(folder)).rejects.toMatchObject({ code: "data-invalid" });
    mkdirSync(folder.at("raw"));
    await expect(load(folder)).rejects.toMatchObject({
      detail: expect.stringContaining("no raw table") as string,
    });
    folder.table("call", CALLS);
    await expect(load(folder)).rejects.toMatchObject({
      detail: expect.stringContaining("subscriber") as string,
    });
  });
});
