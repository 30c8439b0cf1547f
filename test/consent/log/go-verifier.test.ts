// Somebody else's verifier over our log: a program over Go's sumdb packages, given as WJF_GO_VERIFIER
// (docs/decisions/021-independent-verifier.md). `$WJF_GO_VERIFIER DIR VKEY [RECEIPT…]` exits 0 when all of it holds.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exportLog } from "../../../consent/log/index.ts";
import { approved, openTestLog, refusals, release } from "./log-fixtures.ts";

const verifier = process.env["WJF_GO_VERIFIER"];
const folder = mkdtempSync(join(tmpdir(), "wjf-go-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...parameters: string[]) =>
  spawnSync(verifier ?? "", parameters, { encoding: "utf8" });

test("Go's note and tlog packages accept our log and our receipts, and refuse a spoilt one", async (context) => {
  if (verifier === undefined) return context.skip("WJF_GO_VERIFIER is not set");
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
