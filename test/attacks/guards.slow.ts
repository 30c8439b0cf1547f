// That the guards matter: each is taken out of a copy of the source tree, and the attack test that is named for it must then
// fail there, and pass with the guard in. A guard whose removal nobody notices is a failure, and so is a patch that no
// longer matches exactly once. Prints a table.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Guard, GUARDS } from "./guards.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const copy = mkdtempSync(join(tmpdir(), "wjf-guards-"));
const table: [guard: string, passed: number, failed: number][] = [];

beforeAll(() => {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\0");
  for (const file of files.filter((each) => each !== "")) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(ROOT, file), join(copy, file));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => {
  rmSync(copy, { recursive: true });
  const rows = table.map(
    ([guard, passed, failed]) => `  ${passed} passed  ${failed} failed  ${guard}`,
  );
  process.stdout.write(`\n  with it   without it\n${rows.join("\n")}\n\n`);
});

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const TRIES = 3;

/** A run in which the test was not reached says nothing (another process took a port meanwhile), and is repeated. */
function run(guard: Guard): { passed: number; failed: number } {
  for (let i = 1; ; i++) {
    const result = runOnce(guard);
    if (result.passed + result.failed > 0 || i === TRIES) return result;
  }
}

/** How the named tests end in the copy, as it is now. */
function runOnce({ test: file, named }: Guard): { passed: number; failed: number } {
  const output = join(copy, "report.json");
  rmSync(output, { force: true });
  const pattern = named.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const vitest = join(copy, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", file, "-t", pattern, "--reporter=json", `--outputFile=${output}`];
  const environment = { ...process.env };
  delete environment["WJF_SLOW"];
  const { stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    env: environment,
    encoding: "utf8",
  });
  let report: Report;
  try {
    report = JSON.parse(readFileSync(output, "utf8")) as Report;
  } catch {
    throw new Error(`no report: ${stderr}`);
  }
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (status: string): number =>
    results.filter((each) => each.status === status && each.fullName.includes(named)).length;
  return { passed: count("passed"), failed: count("failed") };
}

test.each(GUARDS.map((guard) => [guard.guard, guard] as const))("%s", (_name, guard) => {
  const path = join(copy, guard.file);
  const original = readFileSync(path, "utf8");
  expect(original.split(guard.source)).toHaveLength(2);
  const whole = run(guard);
  writeFileSync(
    path,
    original.replace(guard.source, () => guard.without),
  );
  const open = run(guard);
  writeFileSync(path, original);
  table.push([guard.guard, whole.passed, open.failed]);
  expect(whole).toEqual({ passed: 1, failed: 0 });
  // Exactly it: a copy that does not even start would report nothing.
  expect(open).toEqual({ passed: 0, failed: 1 });
});
