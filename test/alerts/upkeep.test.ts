// What a gateway's alerts look after by themselves, at the start and every hour. Failure: an alert that was written without a word of
// when it is due, and that nobody looks for until another comes for its sink.
import { generateKeyPairSync } from "node:crypto";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { silentLogger } from "../../core/log.ts";
import { systemRandom } from "../../core/random.ts";
import { Alerts, enqueue } from "../../gateway/alerts/index.ts";
import { PUBLIC_SINKS } from "../../gateway/alerts/sink.ts";
import { gatewayMigrations, type GatewaySchema } from "../../gateway/database.ts";
import { event } from "./outbox-suite.ts";

const { privateKey: signingKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

test("what no row leads to is tried after a start, and within the hour", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    await using db = await openDatabase<GatewaySchema>("sqlite::memory:", gatewayMigrations);
    const puts = async (clientId: string): Promise<void> => {
      // No address that alerts may go to: tried, and not taken.
      const to = { clientId, sink: "https://127.0.0.1/" };
      await db.transaction().execute(async (tx) => {
        await enqueue(tx, to, [{ ...event("a"), time: Math.floor(Date.now() / 1000) }]);
        await tx.deleteFrom("alert_sink").where("client_id", "=", clientId).execute();
      });
    };
    const looked = async () => {
      vi.advanceTimersByTime(500);
      await new Promise((resolve) => setImmediate(resolve));
      const tried = db.selectFrom("alert_attempt").select("client_id").distinct();
      return (await tried.orderBy("client_id").execute()).map(({ client_id }) => client_id).join();
    };
    await puts("bank");
    await using _alerts = new Alerts({
      db,
      view: undefined as never,
      signingKey,
      url: "https://gateway.example",
      policy: PUBLIC_SINKS,
      onGone: () => Promise.resolve(),
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
    await vi.waitUntil(async () => (await looked()) === "bank");
    await puts("lender");
    for (let looks = 0; looks < 10; looks++) expect(await looked()).toBe("bank");
    vi.advanceTimersByTime(3_600_000);
    await vi.waitUntil(async () => (await looked()) === "bank,lender");
  } finally {
    vi.useRealTimers();
  }
});
