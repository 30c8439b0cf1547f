// Proofs by keys that anybody can make, as many as they like, at every route that takes a proof alone. Failure: one of them is
// remembered, since then enough of them keep out the institutions whose proofs have to be. That it is refused as often as it
// comes, and never as a replay, shows that it was not; a proof by a key of an institution's own is good once.
import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { generateKeyPair, exportJWK, calculateJwkThumbprint, SignJWT } from "jose";
import { expect, test } from "vitest";
import { ManualClock, nowSeconds } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import { HTTP_LIMITS } from "../../core/http-server.ts";
import { silentLogger } from "../../core/log.ts";
import { alertRoutes } from "../../gateway/alerts/alert-routes.ts";
import { AlertStore } from "../../gateway/alerts/alert-store.ts";
import { createGateway, type GatewayParts } from "../../gateway/app.ts";
import { batchRoutes } from "../../gateway/batches/batch-routes.ts";
import { gatewayMigrations, type GatewaySchema } from "../../gateway/database.ts";
import { trainingRoutes } from "../../gateway/training/training-routes.ts";
import { watchRoutes } from "../../gateway/watches/watch-routes.ts";
import { WatchStore } from "../../gateway/watches/watch-store.ts";
import { endedWatch } from "../alerts/outbox-suite.ts";

const GATEWAY = "https://gateway.example";
const ID = "0c8c7a3e-5d0f-4a39-9d5c-2a8a2f1f7d11";
const clock = new ManualClock(1_800_000_000_000);

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}

/** A gateway with a watch, a batch and a training job of one key. */
async function gatewayOf(jkt: string) {
  const db = await openDatabase<GatewaySchema>("sqlite::memory:", gatewayMigrations);
  await db
    .insertInto("watch")
    .values(endedWatch(ID, "bank", jkt))
    .execute();
  const own = { id: ID, jkt, admission: { keys: [jkt] } };
  const view = { current: () => ({ roster: { audience: GATEWAY }, tokenKeys: [] }) };
  const at = { view, clock } as never as { view: never; clock: typeof clock };
  const alerts = { ...at, store: new AlertStore({ db, clock, owner: "one" }), source: GATEWAY };
  const watches = { ...at, store: new WatchStore(db, clock, "one") };
  const found = () => Promise.resolve(own);
  const batches = { ...at, store: { find: found }, limits: { bytes: 1 } };
  const training = { ...at, jobs: { find: found, known: found, admit: found } };
  return await createGateway({
    alerts: {
      register: (app: FastifyInstance) => alertRoutes(app, { ...alerts, look: () => undefined }),
    },
    watches: { register: (app: FastifyInstance) => watchRoutes(app, watches as never) },
    batches: { register: (app: FastifyInstance) => batchRoutes(app, batches as never) },
    training: { register: (app: FastifyInstance) => trainingRoutes(app, training as never) },
    view,
    clock,
    log: silentLogger,
    version: "0",
    http: HTTP_LIMITS,
    url: GATEWAY,
  } as unknown as GatewayParts);
}

test.for([
  ["/v1/alerts", "token-missing"],
  ["/v1/watches", undefined],
  [`/v1/watches/${ID}`, "route-unknown"],
  [`/v1/batches/${ID}`, "route-unknown"],
  [`/v1/training-jobs/${ID}/admission`, "route-unknown"],
])("%s keeps no proof of a made-up key", async ([path, refusal]) => {
  const own = await newKey();
  await using app = await gatewayOf(own.jkt);
  const codes = async ({ privateKey, jwk }: typeof own): Promise<unknown[]> => {
    const about = {
      htm: "GET",
      htu: `${GATEWAY}${path}`,
      iat: nowSeconds(clock),
      jti: randomUUID(),
    };
    const dpop = await new SignJWT(about)
      .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
      .sign(privateKey);
    const ask = async () => await app.inject({ url: path as string, headers: { dpop } });
    const answers = [await ask(), await ask(), await ask()];
    return answers.map((answer) => answer.json<{ code?: string }>().code);
  };
  expect(await codes(await newKey())).toEqual([refusal, refusal, refusal]);
  const [first, ...more] = await codes(own);
  expect(first).not.toBe("dpop-replayed");
  expect(more).toEqual(["dpop-replayed", "dpop-replayed"]);
});
