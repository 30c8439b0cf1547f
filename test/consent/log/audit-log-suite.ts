// What the audit log promises its callers, the same on both engines; audit-log*.test.ts run it. What counts as failure:
// a row without its leaf or a leaf without its row, two logs, a receipt that does not verify, a leaf that was answered
// for and is gone. What does not: a caller that gets an error although its leaf was committed (it asks again).
import { afterEach, describe, expect, test } from "vitest";
import {
  AuditLog,
  commitmentOf,
  noteSigner,
  verifyLog,
  verifyReceipt,
} from "../../../consent/log/index.ts";
import { ManualClock } from "../../../core/clock.ts";
import {
  approved,
  ed25519Key,
  newKey,
  openTestLog,
  ORIGIN,
  refusals,
  release,
  START_MS,
  type TestLog,
  type TestSchema,
} from "./log-fixtures.ts";

type Log = AuditLog<TestSchema>;

/** A caller: checks that the consent has a use left, spends it, logs the release. No locks of its own. */
export async function spend(log: Log, consentId: string, maxUses: number) {
  return log.sequence(async (tx, at) => {
    const rows = await tx
      .selectFrom("spent")
      .select("leaf")
      .where("consent_id", "=", consentId)
      .execute();
    if (rows.length >= maxUses) throw new Error("consumed");
    const leaf = release(consentId);
    const row = { query_id: leaf.query_id, consent_id: consentId, leaf: at.nextIndex };
    await tx.insertInto("spent").values(row).execute();
    return { leaves: [leaf], value: rows.length };
  });
}

export function auditLogSuite(engine: string, emptyDatabase: () => Promise<string>): void {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });
  const start = async (url?: string, clock?: ManualClock): Promise<TestLog> => {
    const log = await openTestLog(url ?? (await emptyDatabase()), clock);
    opened.push(log);
    return log;
  };

  const expectWhole = async ({ log, db }: TestLog, size: number) => {
    const report = await verifyLog(log, { verifierKeys: log.verifierKeys });
    expect(report).toMatchObject({ findings: [], ok: true, size });
    for (const { leaf, query_id } of await db.selectFrom("spent").selectAll().execute()) {
      expect(JSON.parse((await log.receipt(leaf)).leaf)).toMatchObject({ query_id });
    }
  };

  describe(`the audit log on ${engine}`, () => {
    test("begins empty and signed", async () => {
      const { log } = await start();
      const report = await verifyLog(log, { verifierKeys: log.verifierKeys });
      expect(report).toMatchObject({ ok: true, size: 0, origin: ORIGIN, leaves: {} });
      expect(report.signedBy).toHaveLength(2);
    });

    test("gives each leaf its index, its time and a receipt that verifies", async () => {
      const { log, clock } = await start();
      clock.advance(1234);
      const receipts = await log.append([...approved("c1"), release("c1")]);
      expect(receipts.map((each) => each.index)).toEqual([0, 1, 2]);
      for (const { text, index } of receipts) {
        const { leaf, ...where } = verifyReceipt(text, log.verifierKeys);
        expect(where).toMatchObject({ index, origin: ORIGIN, size: 3 });
        expect(leaf.time).toBe("2026-11-24T01:00:01.234Z");
      }
      expect(() =>
        verifyReceipt(receipts[0]!.text.replace("index 0", "index 1"), log.verifierKeys),
      ).toThrow("leaf 1 is not in the signed tree");
    });

    test("many callers at once: one log, in the order of the calls, every row with its leaf", async () => {
      const whole = await start();
      const { log } = whole;
      await log.append(
        Array.from({ length: 40 }, (_, i) => approved(`c${i}`, { max_uses: 20 })).flat(),
      );
      const done = await Promise.all(
        Array.from({ length: 800 }, (_, i) => spend(log, `c${i % 40}`, 20)),
      );
      expect(done.map((each) => each.receipts[0]?.index)).toEqual(
        Array.from({ length: 800 }, (_, i) => 80 + i),
      );
      for (const { receipts } of done) verifyReceipt(receipts[0]!.text, log.verifierKeys);
      await expectWhole(whole, 880);
    });

    test("a work that throws loses its own rows only, and tells its own caller only", async () => {
      const whole = await start();
      const { log, db } = whole;
      await log.append(approved("c1"));
      const half = log.sequence(async (tx) => {
        await tx
          .insertInto("spent")
          .values({ query_id: "half", consent_id: "x", leaf: 0 })
          .execute();
        throw new Error("changed my mind");
      });
      const broken = log.sequence(async (tx) => {
        const row = { query_id: "dup", consent_id: "x", leaf: 0 };
        await tx.insertInto("spent").values([row, row]).execute();
        return { leaves: [], value: undefined };
      });
      const unfit = log.append([{ ...release("c1"), epoch: -1 }]);
      const [first, ...rest] = await Promise.allSettled([
        spend(log, "c1", 3),
        half,
        broken,
        unfit,
        spend(log, "c1", 3),
      ]);
      expect([first, ...rest].map((each) => each.status)).toEqual([
        "fulfilled",
        "rejected",
        "rejected",
        "rejected",
        "fulfilled",
      ]);
      expect(await db.selectFrom("spent").selectAll().execute()).toHaveLength(2);
      await expectWhole(whole, 4);
    });

    test("a consent is spent exactly as often as it allows, however many ask at once", async () => {
      const whole = await start();
      await whole.log.append(approved("c1"));
      const asked = await Promise.allSettled(
        Array.from({ length: 25 }, () => spend(whole.log, "c1", 3)),
      );
      expect(asked.filter((each) => each.status === "fulfilled")).toHaveLength(3);
      await expectWhole(whole, 5);
    });

    test("rows without leaves commit too, and the log stays as it is", async () => {
      const whole = await start();
      const row = { query_id: "q", consent_id: "c", leaf: 0 };
      const { receipts, value } = await whole.log.sequence(async (tx) => {
        await tx.insertInto("spent").values(row).execute();
        return { leaves: [], value: "stored" };
      });
      expect([receipts, value]).toEqual([[], "stored"]);
      expect(await whole.db.selectFrom("spent").selectAll().execute()).toEqual([row]);
    });

    test("failed before it was recorded: nothing of it is there, and the next goes on", async () => {
      const url = await emptyDatabase();
      const whole = await start(url);
      await whole.log.append(refusals(300));
      let failing = true;
      const sound = noteSigner(ORIGIN, ed25519Key);
      const signer = {
        ...sound,
        sign(text: string, nowMs: number) {
          if (failing) throw new Error("the key is out of reach");
          return sound.sign(text, nowMs);
        },
      };
      const options = { db: whole.db, origin: ORIGIN, signers: [signer], clock: whole.clock };
      await using log = await AuditLog.open(options);
      const both = await Promise.allSettled([spend(log, "c1", 3), log.append(refusals(1))]);
      for (const each of both) {
        expect(each).toMatchObject({
          status: "rejected",
          reason: { code: "federation-unavailable" },
        });
      }
      expect(await whole.db.selectFrom("spent").selectAll().execute()).toEqual([]);
      failing = false;
      const [receipt] = await log.append(refusals(1));
      expect(verifyReceipt(receipt!.text, log.verifierKeys)).toMatchObject({
        index: 300,
        size: 301,
      });
      await expectWhole(whole, 301);
    });

    test("failed after it was recorded: the leaf and its row are there, and its receipt can be had", async () => {
      const url = await emptyDatabase();
      const before = await openTestLog(url);
      await before.log.append(approved("c1"));
      await spend(before.log, "c1", 3);
      // The answer is lost here: the process is gone.
      await before[Symbol.asyncDispose]();
      const after = await start(url);
      const [row] = await after.db.selectFrom("spent").selectAll().execute();
      const { text } = await after.log.receipt(row!.leaf);
      expect(verifyReceipt(text, after.log.verifierKeys).leaf).toMatchObject({
        type: "release",
        query_id: row!.query_id,
      });
    });

    test("goes on where it stopped, over tile borders; every leaf has a receipt later too", async () => {
      const url = await emptyDatabase();
      for (const [count, size] of [
        [255, 255],
        [1, 256],
        [1, 257],
        [300, 557],
      ] as const) {
        const each = await openTestLog(url);
        await each.log.append(refusals(count));
        await expectWhole(each, size);
        await each[Symbol.asyncDispose]();
      }
      const { log } = await start(url);
      for (const index of [0, 254, 255, 256, 511, 512, 556]) {
        const { text } = await log.receipt(index);
        expect(verifyReceipt(text, log.verifierKeys)).toMatchObject({ index, size: 557 });
      }
      const backwards = Array.from({ length: 557 }, (_, i) => 556 - i);
      const together = await log.receipts(backwards);
      expect(together.map(({ index }) => index)).toEqual(backwards);
      for (const at of [0, 99, 100, 301, 556]) {
        expect(together[at]).toEqual(await log.receipt(backwards[at] as number));
      }
      await expect(log.receipt(557)).rejects.toMatchObject({ code: "route-unknown" });
      await expect(log.receipts([0, 557])).rejects.toMatchObject({ code: "route-unknown" });
      expect(await log.receipts([])).toEqual([]);
    });

    test("time does not go back, and a work decides by the time that its leaves get", async () => {
      const clock = new ManualClock(START_MS);
      const whole = await start(undefined, clock);
      clock.advance(5_000);
      await whole.log.append(refusals(1));
      clock.advance(-60_000);
      const { value, receipts } = await whole.log.sequence(async (_, at) => ({
        leaves: refusals(1),
        value: at,
      }));
      expect(value).toEqual({
        time: "2026-11-24T01:00:05.000Z",
        timeMs: START_MS + 5_000,
        nextIndex: 1,
      });
      expect(JSON.parse(receipts[0]!.leaf)).toMatchObject({ time: value.time });
      await expectWhole(whole, 2);
    });

    test("a new key signs the old log; another origin is refused; so is a tree that was tampered with", async () => {
      const { log, db, clock } = await start();
      await log.append(refusals(300));
      const signers = [noteSigner(ORIGIN, newKey("ed25519"))];
      await using rotated = await AuditLog.open({ db, origin: ORIGIN, signers, clock });
      const report = await verifyLog(rotated, { verifierKeys: rotated.verifierKeys });
      expect(report).toMatchObject({ ok: true, size: 300 });
      const other = "other.example/log";
      const others = { db, origin: other, signers: [noteSigner(other, ed25519Key)], clock };
      await expect(AuditLog.open(others)).rejects.toMatchObject({ code: "config-invalid" });
      const mismatched = AuditLog.open({ db, origin: ORIGIN, signers: others.signers, clock });
      await expect(mismatched).rejects.toMatchObject({ code: "config-invalid" });
      await db
        .updateTable("log_tile")
        .set({ data: Buffer.alloc(32) })
        .where("level", "=", 1)
        .execute();
      await expect(AuditLog.open({ db, origin: ORIGIN, signers, clock })).rejects.toMatchObject({
        code: "log-invalid",
      });
    });

    test("keeps personal data outside, and forgets it without breaking", async () => {
      const whole = await start();
      const { log, db } = whole;
      const payload = { phone: "canary-13812345678" };
      const { value: person } = await log.sequence(async (tx) => {
        const commitment = await log.commit(tx, payload);
        return { leaves: approved("c1", { person: commitment }), value: commitment };
      });
      const { value: again } = await log.sequence(async (tx) => ({
        leaves: [],
        value: await log.commit(tx, payload),
      }));
      expect(again).not.toBe(person);
      const opening = await log.reveal(person);
      expect(JSON.parse(opening!.payload)).toEqual(payload);
      expect(commitmentOf(opening!)).toBe(person);
      const bundle = await log.read("tile/entries/000.p/2");
      expect(bundle!.includes(person)).toBe(true);
      expect(bundle!.includes("canary")).toBe(false);

      const [receipt] = await log.erase([person, again], "person-asked");
      expect(verifyReceipt(receipt!.text, log.verifierKeys).leaf).toMatchObject({
        type: "erasure",
        commitments: [person, again],
      });
      expect(await log.reveal(person)).toBeUndefined();
      expect(await db.selectFrom("log_payload").selectAll().execute()).toEqual([]);
      await expectWhole(whole, 3);
    });

    test("turns callers away when too many wait, and after it was closed", async () => {
      const { db, clock } = await start();
      const signers = [noteSigner(ORIGIN, ed25519Key)];
      const log = await AuditLog.open({ db, origin: ORIGIN, signers, clock, queueLimit: 2 });
      const asked = [log.append(refusals(1)), log.append(refusals(1)), log.append(refusals(1))];
      const [first, second, third] = await Promise.allSettled(asked);
      expect([first!.status, second!.status]).toEqual(["fulfilled", "fulfilled"]);
      expect(third).toMatchObject({ status: "rejected", reason: { code: "overloaded" } });
      const last = log.append(refusals(1));
      await log.close();
      expect((await last)[0]?.index).toBe(2);
      await expect(log.append(refusals(1))).rejects.toMatchObject({
        code: "federation-unavailable",
      });
    });
  });
}
