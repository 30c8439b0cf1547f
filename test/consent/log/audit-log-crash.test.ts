// kill -9 of the writer, again and again on one database. Failure: a receipt that was given out and whose leaf is missing
// or different, a row without its leaf, a leaf without its row, a log that does not verify or that forgot an earlier
// checkpoint. Not failure: leaves and rows for which no receipt got out.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AuditLog,
  noteSigner,
  type Receipt,
  verifyLog,
  verifyReceipt,
} from "../../../consent/log/index.ts";
import { systemClock } from "../../../core/clock.ts";
import { type PostgresServer, startPostgres } from "../../core/database-postgres-server.ts";
import { ed25519Key, openTestDatabase, ORIGIN } from "./log-fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-crash-"));
let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const signer = noteSigner(ORIGIN, ed25519Key);
const verifierKeys = [signer.verifierKey];

/** Runs the writer until it has given `count` receipts, then kills it; all receipts that it gave. */
async function writeAndKill(url: string, count: number): Promise<Receipt[]> {
  const pem = ed25519Key.export({ format: "pem", type: "pkcs8" });
  const script = join(import.meta.dirname, "crash-child.ts");
  const child = spawn(process.execPath, [script, url, pem], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const receipts: Receipt[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // The kill can cut the last line in two.
    if (line.endsWith("}")) receipts.push(JSON.parse(line) as Receipt);
    if (receipts.length >= count) child.kill("SIGKILL");
  }
  expect((await exited)[1]).toBe("SIGKILL");
  return receipts;
}

async function expectNothingLost(url: string, given: readonly Receipt[]): Promise<void> {
  await using db = await openTestDatabase(url);
  await using log = await AuditLog.open({
    db,
    origin: ORIGIN,
    signers: [signer],
    clock: systemClock,
  });
  const stored = await db.selectFrom("log_leaf").select("leaf").orderBy("idx").execute();
  for (const { index, leaf, text } of given) {
    expect(verifyReceipt(text, verifierKeys).index).toBe(index);
    expect(stored[index]?.leaf).toBe(leaf);
  }
  const last = given.at(-1)!.text;
  const earlier = last.slice(last.indexOf("\n\n") + 2);
  const report = await verifyLog(log, { verifierKeys, earlier });
  // These releases have no consents, and that is all that may be wrong with them.
  expect(new Set(report.findings.map((each) => each.code))).toEqual(
    new Set(["release-without-consent"]),
  );
  const rows = await db.selectFrom("spent").selectAll().orderBy("leaf").execute();
  expect(rows.map((row) => row.leaf)).toEqual(Array.from({ length: report.size }, (_, i) => i));
  for (const row of rows) expect(stored[row.leaf]?.leaf).toContain(row.query_id);
}

describe.each(["SQLite", "PostgreSQL"])("killed on %s", (engine) => {
  test("no receipt without its leaf, no row without its leaf", async () => {
    const url =
      engine === "SQLite" ? `sqlite:${join(folder, "log.db")}` : await server.emptyDatabase();
    const given: Receipt[] = [];
    for (const count of [1, 37, 256, 90]) {
      given.push(...(await writeAndKill(url, count)));
      await expectNothingLost(url, given);
    }
    expect(given.length).toBeGreaterThanOrEqual(384);
  });
});
