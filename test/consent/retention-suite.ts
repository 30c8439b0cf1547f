// Retention, the same over either engine. Failure: something is kept beyond its period, something goes before it, what
// was destroyed can still be read anywhere, or the log no longer verifies.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { QueryAuthorization } from "../../consent/consent-claims.ts";
import { consentTables } from "../../consent/ledger.ts";
import { verifyLog } from "../../consent/log/index.ts";
import { openAnswer } from "../../consent/release/stored-answer.ts";
import { planRetention, runRetention } from "../../consent/retention.ts";
import { type LedgerBench, ONE_DAY, openLedgerBench } from "./ledger-fixture.ts";

const DAY_MS = 86_400_000;
const YEAR_MS = 365 * DAY_MS;

const FIVE_YEARS = QueryAuthorization.parse({
  ...ONE_DAY,
  retention: { unit: "YEAR", value: 1000 },
});

async function commitments({ db }: LedgerBench): Promise<string[]> {
  const rows = await db.selectFrom("log_payload").select("commitment").execute();
  return rows.map((row) => row.commitment);
}

async function isAnswerKept({ db }: LedgerBench, queryId: string): Promise<boolean> {
  const query = db.selectFrom("release").select("answer_sealed").where("query_id", "=", queryId);
  return (await query.executeTakeFirstOrThrow()).answer_sealed.length > 0;
}

export function retentionSuite(url: () => Promise<string>): void {
  test("answers go with their consent's retention, and after five years whatever it says", async () => {
    await using bench = await openLedgerBench(await url());
    const { clock } = bench;
    const short = await bench.release(await bench.give());
    const long = await bench.release(await bench.give(FIVE_YEARS));
    clock.advance(30 * DAY_MS - 1);
    expect((await planRetention(bench)).answers).toEqual([]);
    clock.advance(1);
    expect(await planRetention(bench)).toMatchObject({ answers: [short], consents: [] });
    // Saying is not doing.
    expect(await isAnswerKept(bench, short)).toBe(true);
    await runRetention(bench);
    expect([await isAnswerKept(bench, short), await isAnswerKept(bench, long)]).toEqual([
      false,
      true,
    ]);
    clock.advance(5 * YEAR_MS - 30 * DAY_MS - 1);
    expect((await runRetention(bench)).answers).toEqual([]);
    clock.advance(1);
    expect((await runRetention(bench)).answers).toEqual([long]);
    expect(await isAnswerKept(bench, long)).toBe(false);
  });

  test("a query whose answer is destroyed stays used", async () => {
    await using bench = await openLedgerBench(await url());
    const queryId = await bench.release(await bench.give());
    bench.clock.advance(31 * DAY_MS);
    await runRetention(bench);
    const row = await bench.db
      .selectFrom("release")
      .selectAll()
      .where("query_id", "=", queryId)
      .executeTakeFirstOrThrow();
    expect(() => openAnswer({ ...row, question: "other" }, {} as never, bench.atRest)).toThrow();
    expect(row.answer_sealed.length).toBe(0);
  });

  test("a consent is erased three years after it is over, whatever ended it, and never before", async () => {
    await using bench = await openLedgerBench(await url());
    const { clock, ledger, lifecycle, verifierKeys } = bench;
    const revoked = await bench.give();
    await bench.change(revoked, "revoke");
    const lapsed = await bench.request();
    const used = await bench.give();
    for (let use = 0; use < 3; use++) await bench.release(used);
    const living = await bench.give(
      QueryAuthorization.parse({ ...ONE_DAY, term: { unit: "YEAR", value: 9 } }),
    );
    clock.advance(600_000);
    await ledger.transact(async (tx) => ({ value: await lifecycle.expireDue(consentTables(tx)) }));
    const before = await commitments(bench);
    // A request and an approval each commit to the person; `lapsed` has the request only.
    expect(before).toHaveLength(7);

    clock.advance(3 * YEAR_MS - 600_001);
    expect((await planRetention(bench)).consents).toEqual([]);
    clock.advance(600_001);
    const due = await planRetention(bench);
    expect(due.consents.toSorted()).toEqual([revoked, lapsed, used].toSorted());
    expect(due.commitments).toBe(5);
    expect(await commitments(bench)).toHaveLength(7);
    const sizeBefore = (await verifyLog(ledger.log, { verifierKeys })).size;
    expect(await runRetention(bench)).toEqual(due);

    for (const id of due.consents) {
      expect(await bench.consent(id)).toMatchObject({
        subjectTag: null,
        contactIndex: `erased:${id}`,
      });
    }
    expect((await bench.consent(living)).subjectTag).not.toBeNull();
    const left = await commitments(bench);
    expect(left).toHaveLength(2);
    for (const gone of before.filter((each) => !left.includes(each))) {
      expect(await ledger.log.reveal(gone)).toBeUndefined();
    }
    // One leaf says what was erased, and the log is as sound as before.
    const report = await verifyLog(ledger.log, { verifierKeys });
    expect(report).toMatchObject({ ok: true, size: sizeBefore + 1, leaves: { erasure: 1 } });
    expect(await runRetention(bench)).toEqual({ answers: [], consents: [], commitments: 0 });
  });

  test("many at once: in batches, each with its leaf", async () => {
    await using bench = await openLedgerBench(await url());
    for (let i = 0; i < 130; i++) await bench.request();
    bench.clock.advance(600_000);
    const { ledger, lifecycle, verifierKeys } = bench;
    await ledger.transact(async (tx) => ({ value: await lifecycle.expireDue(consentTables(tx)) }));
    bench.clock.advance(3 * YEAR_MS);
    const steps: number[] = [];
    const due = await runRetention(bench, (done) => steps.push(done));
    expect(due.consents).toHaveLength(130);
    expect(steps).toEqual([100, 130]);
    expect(await commitments(bench)).toEqual([]);
    const report = await verifyLog(ledger.log, { verifierKeys });
    expect(report).toMatchObject({ ok: true, leaves: { erasure: 2 } });
  });
}

/** Whether a text is anywhere in SQLite's files. */
export function isInFiles(path: string, text: string): boolean {
  return [path, `${path}-wal`].some((file) => readFileSync(file).includes(text));
}
