// kill -9 after the sink has had an alert and before that is recorded. Failure would be an alert lost, or one that comes again
// under another id or with another body. That it comes again is not a failure.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nowSeconds, systemClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { generateP256 } from "../../crypto/index.ts";
import { LEASE_MS } from "../../gateway/alerts/alert-store.ts";
import { enqueue } from "../../gateway/alerts/outbox.ts";
import { LOT } from "../../gateway/alerts/delivery.ts";
import { AT_ONCE } from "../../gateway/alerts/retry.ts";
import { gatewayMigrations, type GatewaySchema } from "../../gateway/database.ts";
import { event } from "./outbox-suite.ts";
import { createSinkCa, startSink } from "./sink-server.ts";

const PROCESS = fileURLToPath(new URL("delivery-process.ts", import.meta.url));
const ALERTS = LOT + 2 * AT_ONCE;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wjf-alerts-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function deliver(laterMs: number) {
  const files = ["gateway.db", "ca.pem", "key.jwk"].map((name) => join(folder, name));
  return spawn(process.execPath, [PROCESS, ...files, String(laterMs)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
}

test("an alert that was delivered and not recorded comes again, the same; none is lost", async () => {
  const ca = await createSinkCa();
  writeFileSync(join(folder, "ca.pem"), ca.pem);
  writeFileSync(join(folder, "key.jwk"), JSON.stringify(generateP256("sig")));
  const bodies: string[] = [];
  const first = deferredCount(LOT + 1);
  let isKilling = true;
  await using sink = await startSink(await ca.issue(), (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      first.count();
      // The first lot is answered; of the second the sink has alerts, and the process never learns it.
      if (!isKilling || bodies.length <= LOT) response.writeHead(204).end();
    });
  });
  const db = await openDatabase<GatewaySchema>(
    `sqlite:${join(folder, "gateway.db")}`,
    gatewayMigrations,
  );
  const ids = Array.from({ length: ALERTS }, (_, i) => `e${i}`);
  const time = nowSeconds(systemClock) - 1;
  const destination = { clientId: "bank", sink: sink.url };
  const events = ids.map((id) => ({ ...event(id), time }));
  await db.transaction().execute(async (tx) => await enqueue(tx, destination, events));

  const killed = deliver(0);
  await first.reached;
  killed.kill("SIGKILL");
  await once(killed, "exit");
  isKilling = false;
  const settled = db.selectFrom("alert").select("state").where("state", "=", "delivered");
  // Recorded when the second lot was claimed: all but those that were still under way.
  const recorded = (await settled.execute()).length;
  expect(recorded).toBeGreaterThan(LOT - AT_ONCE);
  expect(recorded).toBeLessThanOrEqual(LOT);

  const [code] = (await once(deliver(LEASE_MS), "exit")) as [number];
  expect(code).toBe(0);
  expect(await settled.execute()).toHaveLength(ALERTS);
  await db.destroy();
  const got = bodies.map((body) => (JSON.parse(body) as { id: string }).id);
  expect([...new Set(got)].toSorted()).toEqual(ids.toSorted());
  expect(got.length).toBeGreaterThan(ALERTS);
  expect(new Set(bodies).size).toBe(ALERTS);
});

function deferredCount(goal: number) {
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  let counted = 0;
  return {
    reached,
    count: () => {
      if (++counted === goal) resolve();
    },
  };
}
