// The audit log over SQLite; and what only a file shows: that what was erased is gone from it.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { auditLogSuite } from "./audit-log-suite.ts";
import { openTestLog } from "./log-fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

let databases = 0;
const emptyDatabase = async () => `sqlite:${join(folder, String(++databases), "log.db")}`;

auditLogSuite("SQLite", emptyDatabase);

test("an erased payload is in no file of the database any more", async () => {
  await using opened = await openTestLog(await emptyDatabase());
  const { log } = opened;
  const where = join(folder, String(databases));
  const found = () =>
    readdirSync(where).filter((name) => readFileSync(join(where, name)).includes("canary"));
  const { value } = await log.sequence(async (tx) => ({
    leaves: [],
    value: await log.commit(tx, { phone: "canary-13812345678" }),
  }));
  expect(found()).not.toEqual([]);
  await log.erase([value], "person-asked");
  expect(found()).toEqual([]);
});
