// Retention on SQLite, and what is left of the destroyed in its files.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runRetention } from "../../consent/retention.ts";
import { openLedgerBench } from "./ledger-fixture.ts";
import { isInFiles, retentionSuite } from "./retention-suite.ts";

retentionSuite(async () => "sqlite::memory:");

test("neither payload nor salt is left in the database's files", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wjf-retention-"));
  try {
    const path = join(folder, "authority.db");
    await using bench = await openLedgerBench(`sqlite:${path}`);
    const id = await bench.give();
    await bench.change(id, "revoke");
    const { subjectTag } = await bench.consent(id);
    const text = subjectTag?.toString("base64url") ?? "none";
    expect(isInFiles(path, text)).toBe(true);
    bench.clock.advance(3 * 365 * 86_400_000);
    await runRetention(bench);
    expect(isInFiles(path, text)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
