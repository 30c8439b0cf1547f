// What is over capacity is refused before anything is verified: refusing must be cheap, or it is what the gateway is busy with.
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { UnsecuredJWT } from "jose";
import { expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { HTTP_LIMITS } from "../../core/http-server.ts";
import { createLogger } from "../../core/log.ts";
import { createGateway, type GatewayParts } from "../../gateway/app.ts";
import { Coalescer, DEFAULT_LIMITS } from "../../gateway/coalescer.ts";
import { pending } from "./pending-queries.ts";

/** A gateway that can refuse and nothing else: what it would verify with is not there. */
function gatewayWith(coalescer: Coalescer) {
  return createGateway({
    coalescer,
    batches: { register: () => Promise.resolve() },
    alerts: { register: () => Promise.resolve() },
    watches: { register: () => Promise.resolve() },
    training: { register: () => Promise.resolve() },
    view: {
      current: () => {
        throw new Error("verified");
      },
    },
    clock: systemClock,
    log: createLogger({ service: "test", level: "silent" }),
    version: "0",
    http: HTTP_LIMITS,
    url: "http://127.0.0.1",
  } as unknown as GatewayParts);
}

function questionOf(claims: Record<string, unknown>) {
  return {
    method: "POST" as const,
    url: "/v1/queries",
    headers: {
      authorization: `DPoP ${new UnsecuredJWT(claims).encode()}`,
      dpop: "x",
      "content-type": "application/json",
    },
    payload: "{}",
  };
}

/** Nothing ever leaves, and what is full is so with one question. */
function narrow(registered: readonly string[]): Coalescer {
  const never = () => new Promise<never>(() => undefined);
  const limits = { ...DEFAULT_LIMITS, inFlight: 0, groupItems: 1, waitingFanOuts: 1 };
  return new Coalescer(never, limits, (id) => registered.includes(id));
}

/** The institution's share of one question waits. */
async function fullFor(clientId: string): Promise<Coalescer> {
  const coalescer = narrow([clientId, "modest"]);
  void coalescer.submit(pending({ client: clientId }));
  return coalescer;
}

test("an institution whose share waits already is refused unverified, another is not", async () => {
  await using app = await gatewayWith(await fullFor("greedy"));
  const refused = await app.inject(questionOf({ client_id: "greedy" }));
  expect(refused.statusCode).toBe(503);
  expect(refused.json()).toMatchObject({ type: "/errors#overloaded" });
  expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
  for (const claims of [{ client_id: "modest" }, { client_id: 7 }, {}]) {
    expect((await app.inject(questionOf(claims))).statusCode).toBe(500);
  }
});

test("made-up ids, as many as there may be, do not keep out an institution that has not asked yet", async () => {
  const coalescer = narrow(["bank"]);
  using _flood = coalescer.holdRoom("made up");
  await using app = await gatewayWith(coalescer);
  for (const claims of [{ client_id: "made up 2" }, { client_id: 7 }, {}]) {
    expect((await app.inject(questionOf(claims))).statusCode).toBe(503);
  }
  // As far as verification, which is not there.
  expect((await app.inject(questionOf({ client_id: "bank" }))).statusCode).toBe(500);
});

test("it is refused by its head: nobody waits for the body", async () => {
  await using app = await gatewayWith(await fullFor("greedy"));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const { headers } = questionOf({ client_id: "greedy" });
  const socket = connect(port, "127.0.0.1");
  const lines = Object.entries({ host: "x", "content-length": "2", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`POST /v1/queries HTTP/1.1\r\n${head}\r\n`);
  const [reply] = (await once(socket, "data")) as [Buffer];
  expect(reply.toString()).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n/is);
  socket.destroy();
});
