// A delivery as a process of its own, to be killed: over a database file, to real sinks, until nothing is left.
//   node delivery-process.ts DATABASE CA.pem KEY.jwk LATER_MS
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { systemClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { silentLogger } from "../../core/log.ts";
import { systemRandom } from "../../core/random.ts";
import { importPrivate, PrivateP256Jwk } from "../../crypto/index.ts";
import { AlertStore } from "../../gateway/alerts/alert-store.ts";
import { AlertDelivery } from "../../gateway/alerts/delivery.ts";
import { Envelopes } from "../../gateway/alerts/envelope.ts";
import { SinkClient } from "../../gateway/alerts/send.ts";
import { sandboxSinks } from "../../gateway/alerts/sink.ts";
import { gatewayMigrations, type GatewaySchema } from "../../gateway/database.ts";

const [database = "", ca = "", key = "", laterMs = "0"] = process.argv.slice(2);
const clock = { nowMs: () => systemClock.nowMs() + Number(laterMs) };
const signing = PrivateP256Jwk.parse(JSON.parse(readFileSync(key, "utf8")));
const db = await openDatabase<GatewaySchema>(`sqlite:${database}`, gatewayMigrations);
const store = new AlertStore({ db, clock, owner: randomUUID() });
const envelopes = new Envelopes(importPrivate(signing), "https://gateway.example");
const sinks = new SinkClient({ policy: sandboxSinks(readFileSync(ca, "utf8"), false) });
const delivery = new AlertDelivery({
  store,
  envelopes,
  sinks,
  clock,
  random: systemRandom,
  log: silentLogger,
});
await delivery.look();
await delivery.idle();
await delivery[Symbol.asyncDispose]();
sinks[Symbol.dispose]();
await db.destroy();
