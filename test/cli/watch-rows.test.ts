// What is kept of the rows of `wjf watch add --from FILE`: nobody who was asked is asked the same again, what was refused otherwise is
// tried again, and what comes of a line later counts.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WatchRows } from "../../cli/watch-rows.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-rows-"));
const path = join(folder, "people.ndjson.rows.ndjson");
afterAll(() => rmSync(folder, { recursive: true }));

const prepared = (line: number) => ({ line, token: `token ${line}`, body: "{}" });

async function lines(rows: WatchRows): Promise<number[]> {
  return (await Array.fromAsync(rows.prepared())).map(({ line }) => line);
}

test("over several runs", async () => {
  const first = await WatchRows.open(path);
  expect(first.lines).toBe(0);
  first.prepare(prepared(1));
  first.refuse(2, "asked", "consent-refused", undefined);
  first.refuse(3, "limited", "rate-limited", "for now");
  first.refuse(4, "wrong", "request-malformed", "phone number");
  first.prepare(prepared(5));
  expect(statSync(path).mode & 0o777).toBe(0o600);

  const second = await WatchRows.open(path);
  expect(second.lines).toBe(5);
  const texts = ["whatever", "asked", "limited", "wrong", "whatever", "new"];
  const done = (rows: WatchRows, of = texts) => of.map((text, i) => rows.isDone(i + 1, text));
  expect(done(second)).toEqual([true, true, false, false, true, false]);
  // Another question to the same person is another line.
  expect(second.isDone(2, "asked something else")).toBe(false);
  second.prepare(prepared(4));
  second.refuse(3, "limited", "person-unknown", undefined);
  expect(second.refused.map(({ line, refused }) => [line, refused])).toEqual([
    [2, "consent-refused"],
    [3, "person-unknown"],
  ]);

  const third = await WatchRows.open(path);
  expect(third.refused).toEqual(second.refused);
  expect(done(third)).toEqual([true, true, false, true, true, false]);
  expect(await lines(third)).toEqual([1, 5, 4]);
});

test("a file of something else is refused", async () => {
  writeFileSync(path, '{"phone":"+8613800138000"}\n');
  await expect(WatchRows.open(path)).rejects.toMatchObject({ code: "data-invalid" });
  await expect(WatchRows.open(path)).rejects.not.toThrow(/13800138000/);
});
