// What is over capacity is refused before anything is verified: refusing must be cheap, or it is what the gateway is busy with.
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

test("an institution that waits too long already is refused unread, another is not", async () => {
  let nowMs = 0;
  const never = () => new Promise<never>(() => undefined);
  const coalescer = new Coalescer(never, { ...DEFAULT_LIMITS, inFlight: 0 }, () => nowMs);
  void coalescer.submit(pending({ client: "greedy" }));
  nowMs = DEFAULT_LIMITS.waitMs + 1;
  await using app = await gatewayWith(coalescer);
  const ask = (claims: Record<string, unknown>) =>
    app.inject({
      method: "POST",
      url: "/v1/queries",
      headers: {
        authorization: `DPoP ${new UnsecuredJWT(claims).encode()}`,
        dpop: "x",
        "content-type": "application/json",
      },
      payload: "{}",
    });
  const refused = await ask({ client_id: "greedy" });
  expect(refused.statusCode).toBe(503);
  expect(refused.json()).toMatchObject({ type: "/errors#overloaded" });
  expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
  for (const claims of [{ client_id: "modest" }, { client_id: 7 }, {}]) {
    expect((await ask(claims)).statusCode).toBe(500);
  }
});
