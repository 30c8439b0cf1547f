// The audit log over PostgreSQL; and two replicas of the authority on one database: one log, no fork, no double spend.
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyLog, verifyReceipt } from "../../../consent/log/index.ts";
import { type PostgresServer, startPostgres } from "../../core/database-postgres-server.ts";
import { auditLogSuite, spend } from "./audit-log-suite.ts";
import { approved, openTestLog, refusals } from "./log-fixtures.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

auditLogSuite("PostgreSQL", async () => server.emptyDatabase());

test("two replicas keep one log and spend a consent once between them", async () => {
  const url = await server.emptyDatabase();
  await using one = await openTestLog(url);
  await using two = await openTestLog(url);
  await one.log.append(approved("c1", { max_uses: 7 }));
  const asked = await Promise.allSettled(
    Array.from({ length: 120 }, async (_, i) => {
      const { log } = i % 2 === 0 ? one : two;
      // Every third caller spends; the others only make the two replicas take turns.
      await new Promise((resolve) => setImmediate(resolve));
      return i % 3 === 0 ? (await spend(log, "c1", 7)).receipts : log.append(refusals(5));
    }),
  );
  const receipts = asked.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const size = 2 + 7 + 80 * 5;
  expect(new Set(receipts.map((each) => each.index)).size).toBe(size - 2);
  for (const { text } of receipts) verifyReceipt(text, one.log.verifierKeys);
  for (const { log } of [one, two]) {
    const report = await verifyLog(log, { verifierKeys: log.verifierKeys });
    expect(report).toMatchObject({ ok: true, size, leaves: { release: 7, refusal: 400 } });
  }
});

test("every receipt's checkpoint is consistent with the final log: no fork on the way", async () => {
  const url = await server.emptyDatabase();
  await using one = await openTestLog(url);
  await using two = await openTestLog(url);
  const checkpoints = new Set<string>();
  for (let round = 0; round < 12; round++) {
    const both = await Promise.all([one.log.append(refusals(40)), two.log.append(refusals(30))]);
    for (const receipt of both.flat()) {
      checkpoints.add(receipt.text.slice(receipt.text.indexOf("\n\n") + 2));
    }
  }
  expect(checkpoints.size).toBeGreaterThanOrEqual(12);
  for (const earlier of checkpoints) {
    const verifierKeys = one.log.verifierKeys;
    expect((await verifyLog(two.log, { verifierKeys, earlier })).findings).toEqual([]);
  }
});
