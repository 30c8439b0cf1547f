// The ledger's time is the one time: what the rows say and what the leaves say agree to the millisecond, so that a sound log
// verifies even when the clocks of two writers differ.
import { expect, test } from "vitest";
import { consentTables } from "../../consent/ledger.ts";
import { verifyLog } from "../../consent/log/index.ts";
import { ManualClock } from "../../core/clock.ts";
import { openLedgerBench } from "./ledger-fixture.ts";

const DAY_MS = 86_400_000;

/** A clock that moves with every look at it, as the real one may. */
class RestlessClock extends ManualClock {
  override nowMs(): number {
    this.advance(1);
    return super.nowMs();
  }
}

test("leaf, row and use have one time", async () => {
  await using bench = await openLedgerBench(undefined, { logClock: new RestlessClock(1.8e12) });
  const { db, ledger, verifierKeys } = bench;
  const id = await bench.give();
  await bench.release(id);
  const rows = await db.selectFrom("log_leaf").select("leaf").orderBy("idx").execute();
  const [, approved, released] = rows.map((row) => JSON.parse(row.leaf) as Record<string, string>);
  expect(approved).toMatchObject({ event: "approved", not_before: approved?.["time"] });
  const consent = await bench.consent(id);
  expect(new Date(consent.decidedAt ?? 0).toISOString()).toBe(approved?.["time"]);
  expect(new Date(consent.expiresAt).toISOString()).toBe(approved?.["expires"]);
  const use = await db.selectFrom("consent_use").select("used_at").executeTakeFirstOrThrow();
  expect(new Date(use.used_at).toISOString()).toBe(released?.["time"]);
  expect((await verifyLog(ledger.log, { verifierKeys })).findings).toEqual([]);
});

test("a writer whose clock is behind decides by the log's time: no release after the term", async () => {
  // Another replica's clock is two minutes ahead, and its leaf is in the log.
  const ahead = new ManualClock(1_800_000_000_000);
  await using bench = await openLedgerBench(undefined, { logClock: ahead });
  const { ledger, clock, verifierKeys } = bench;
  const id = await bench.give();
  ahead.advance(DAY_MS);
  clock.advance(DAY_MS - 120_000);
  await expect(bench.release(id)).rejects.toMatchObject({ code: "consent-expired" });
  await expect(bench.change(id, "pause")).rejects.toMatchObject({ code: "consent-expired" });
  expect((await verifyLog(ledger.log, { verifierKeys })).findings).toEqual([]);
});

test("a consent cannot change outside the ledger", async () => {
  await using bench = await openLedgerBench();
  const id = await bench.give();
  const { lifecycle, db } = bench;
  await expect(lifecycle.change(consentTables(db), id, "revoke", "person")).rejects.toThrow(
    "only through the ledger",
  );
  expect((await bench.consent(id)).state).toBe("ACTIVE");
});
