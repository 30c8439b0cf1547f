// A process that appends to a log as fast as it can until it is killed, and tells its parent every receipt as soon as it
// has it: `node crash-child.ts <database url> <private key PEM>`. Run by audit-log-crash.test.ts.
import { createPrivateKey } from "node:crypto";
import { writeSync } from "node:fs";
import { AuditLog, noteSigner } from "../../../consent/log/index.ts";
import { systemClock } from "../../../core/clock.ts";
import { openTestDatabase, ORIGIN, release } from "./log-fixtures.ts";

const [url = "", pem = ""] = process.argv.slice(2);
const db = await openTestDatabase(url);
const signers = [noteSigner(ORIGIN, createPrivateKey(pem))];
const log = await AuditLog.open({ db, origin: ORIGIN, signers, clock: systemClock });

async function caller(): Promise<never> {
  for (;;) {
    const leaf = release("crash", { query_id: crypto.randomUUID() });
    const { receipts } = await log.sequence(async (tx, at) => {
      const row = { query_id: leaf.query_id, consent_id: "crash", leaf: at.nextIndex };
      await tx.insertInto("spent").values(row).execute();
      return { leaves: [leaf], value: undefined };
    });
    // Synchronously: what has been said was said before the kill.
    writeSync(1, `${JSON.stringify(receipts[0])}\n`);
  }
}

await Promise.all(Array.from({ length: 24 }, caller));
