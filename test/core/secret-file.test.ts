// Secret files: 0600, whole or not at all, refused when anybody else may read them, never echoed.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-secret-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MISSING = expect.objectContaining({ code: "secret-missing" });

test("what is written is read again, by its owner alone", () => {
  const path = join(folder, "deep", "er", "key");
  writeSecretFile(path, "top secret");
  expect(readSecretFile(path).toString()).toBe("top secret");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "deep")).mode & 0o777).toBe(0o700);
});

test("writing again replaces it, keeps the mode, and leaves nothing beside it", () => {
  const path = join(folder, "again", "key");
  writeSecretFile(path, "one");
  chmodSync(path, 0o400);
  writeSecretFile(path, Buffer.from("two"));
  expect(readSecretFile(path).toString()).toBe("two");
  expect(readdirSync(join(folder, "again"))).toEqual(["key"]);
});

describe("refused, naming the path and the rule but nothing inside", () => {
  test.each([0o640, 0o604, 0o660, 0o644, 0o601, 0o666])("mode %o", (mode) => {
    const path = join(folder, `mode-${mode}`);
    writeFileSync(path, "top secret");
    chmodSync(path, mode);
    expect(() => readSecretFile(path)).toThrow(MISSING);
    expect(() => readSecretFile(path)).toThrow(new RegExp(`${path}: mode is ${mode.toString(8)}`));
    expect(() => readSecretFile(path)).not.toThrow(/top secret/);
  });

  test("not there", () => {
    expect(() => readSecretFile(join(folder, "nothing"))).toThrow(MISSING);
  });

  test("a folder in its place is an error, and not an empty secret", () => {
    mkdirSync(join(folder, "directory"), { mode: 0o700 });
    expect(() => readSecretFile(join(folder, "directory"))).toThrow();
  });
});

test("a write that fails leaves the old secret whole", () => {
  const path = join(folder, "whole", "key");
  writeSecretFile(path, "old");
  mkdirSync(join(folder, "whole", "taken"));
  // Renaming a file over a folder fails after the new bytes were written.
  expect(() => writeSecretFile(join(folder, "whole", "taken"), "new")).toThrow();
  expect(readFileSync(path, "utf8")).toBe("old");
});
