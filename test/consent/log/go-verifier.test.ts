// Somebody else's verifier over our log: examples/verify-log, a program over Go's sumdb packages
// (docs/decisions/021-independent-verifier.md). It is compiled here where there is Go and those packages, as on Debian with
// golang-golang-x-mod-dev; WJF_GO_VERIFIER names another program with the same parameters.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exportLog } from "../../../consent/log/index.ts";
import { approved, openTestLog, refusals, release } from "./log-fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-go-"));
const verifier = process.env["WJF_GO_VERIFIER"] ?? compile();
afterAll(() => rmSync(folder, { recursive: true }));

/** Undefined where that cannot be done. */
function compile(): string | undefined {
  const source = join(import.meta.dirname, "../../../examples/verify-log/main.go");
  const program = join(folder, "verify-log");
  const environment = {
    ...process.env,
    GO111MODULE: "off",
    GOPATH: process.env["GOPATH"] ?? "/usr/share/gocode",
    GOCACHE: join(folder, "cache"),
  };
  const built = spawnSync("go", ["build", "-o", program, source], { env: environment });
  return built.status === 0 ? program : undefined;
}

const run = (...parameters: string[]) =>
  spawnSync(verifier ?? "", parameters, { encoding: "utf8" });

test("Go's note and tlog packages accept our log and our receipts, and refuse a spoilt one", async (context) => {
  if (verifier === undefined) return context.skip("there is no Go with golang.org/x/mod here");
  await using opened = await openTestLog();
  const { log } = opened;
  const receipts: string[] = [];
  for (const count of [1, 255, 300, 700]) {
    const leaves = [...approved(`c${count}`), release(`c${count}`), ...refusals(count)];
    for (const receipt of (await log.append(leaves)).slice(0, 3)) {
      const path = join(folder, `${receipt.index}.tlog-proof`);
      writeFileSync(path, receipt.text);
      receipts.push(path);
    }
  }
  const copy = join(folder, "copy");
  mkdirSync(copy);
  await exportLog(log, copy);
  const [ed25519 = ""] = log.verifierKeys;
  const sound = run(copy, ed25519, ...receipts);
  expect([sound.status, sound.stderr]).toEqual([0, ""]);
  expect(sound.stdout).toContain("ok: 1268 leaves, 12 receipts");

  const bundle = join(copy, "tile", "entries", "002");
  const bytes = readFileSync(bundle);
  bytes[60] = (bytes[60] as number) ^ 1;
  writeFileSync(bundle, bytes);
  const spoilt = run(copy, ed25519);
  expect(spoilt.status).not.toBe(0);
  expect(spoilt.stderr).toContain("leaf 512");
});
