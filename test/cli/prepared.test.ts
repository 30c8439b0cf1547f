// When a second start may skip what prepares a federation: only while nothing that was prepared for has changed.
import { mkdirSync, mkdtempDisposableSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPrepared, writePrepared } from "../../cli/prepared.ts";
import { partyFolder, readSettings } from "../../core/config.ts";
import { PROVINCES } from "../../core/provinces.ts";

const TWO = PROVINCES.slice(0, 2);

function prepared(home: string) {
  const settings = readSettings({ WJF_HOME: home });
  const authority = partyFolder(home, "authority");
  const federation = join(authority, "federation.json");
  const stores = TWO.map(({ code }) => join(partyFolder(home, code), "store.db"));
  for (const path of [federation, join(authority, "authority.db"), ...stores]) {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, "x");
  }
  writePrepared(settings, TWO);
  return { settings, federation, authority, stores };
}

test.each<[string, (made: ReturnType<typeof prepared>) => ReturnType<typeof readSettings> | void]>([
  ["another roster", ({ federation }) => writeFileSync(federation, "y")],
  ["no database", ({ authority }) => rmSync(join(authority, "authority.db"))],
  ["a store less", ({ stores }) => rmSync(stores[1] as string)],
  ["a broken note", ({ settings }) => writeFileSync(join(settings.home, "prepared.json"), "{")],
  ["another database", ({ settings }) => ({ ...settings, databaseUrl: "postgres://elsewhere" })],
  ["production", ({ settings }) => ({ ...settings, production: true })],
])("%s: something is to be prepared", (_what, change) => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "wjf-prepared-"));
  const made = prepared(folder.path);
  expect(readPrepared(made.settings)).toEqual(TWO);
  expect(readPrepared(change(made) ?? made.settings)).toBeUndefined();
});

test("nothing was ever prepared", () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "wjf-prepared-"));
  expect(readPrepared(readSettings({ WJF_HOME: folder.path }))).toBeUndefined();
});
