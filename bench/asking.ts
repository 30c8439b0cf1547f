// One consented question, or another signed request, to a gateway over a kept connection, as an institution would send it.
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { systemClock } from "../core/clock.ts";
import type { Asker } from "./bench-federation.ts";

export const CREDIT_SCORE = JSON.stringify({ product: "credit-score@1" });

export interface Prepared {
  readonly token: string;
  readonly proof: string;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** @param atMs when it will be sent. */
export async function prepareOne(asker: Asker, atMs = systemClock.nowMs()): Promise<Prepared> {
  return { token: asker.token, proof: await asker.proof(CREDIT_SCORE, atMs), body: CREDIT_SCORE };
}

/** Questions of the askers in turn. */
export async function prepare(askers: readonly Asker[], count: number): Promise<Prepared[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, i) => prepareOne(askers[i % askers.length] as Asker)),
  );
}

export function keptAgent(maxSockets: number): Disposable & { agent: Agent } {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return { agent, [Symbol.dispose]: () => agent.destroy() };
}

/** Whatever the gateway answers. @throws what the connection throws. */
export async function send(
  gatewayUrl: string,
  prepared: Prepared,
  agent: Agent,
  path = "/v1/queries",
): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const outgoing = request(new URL(path, gatewayUrl), {
    method: "POST",
    agent,
    headers: {
      "content-type": "application/json",
      "content-length": prepared.body.length,
      authorization: `DPoP ${prepared.token}`,
      dpop: prepared.proof,
    },
  });
  outgoing.on("error", reject);
  outgoing.on("response", (response) => {
    const { statusCode: status = 0, headers } = response;
    text(response).then((body) => resolve({ status, headers, body }), reject);
  });
  outgoing.end(prepared.body);
  return await promise;
}

/** @throws Error unless it is answered. */
export async function ask(gatewayUrl: string, prepared: Prepared, agent: Agent): Promise<string> {
  const { status, body } = await send(gatewayUrl, prepared, agent);
  if (status !== 200) throw new Error(`the gateway answered ${status}: ${body.slice(0, 200)}`);
  return body;
}

/** Milliseconds of each question, one after another. */
export async function askInTurn(
  gatewayUrl: string,
  askers: readonly Asker[],
  count: number,
): Promise<number[]> {
  const prepared = await prepare(askers, count);
  using agent = keptAgent(1);
  const samples: number[] = [];
  for (const one of prepared) {
    const start = performance.now();
    await ask(gatewayUrl, one, agent.agent);
    samples.push(performance.now() - start);
  }
  return samples;
}

/** Questions per second with so many always under way. */
export async function saturate(
  gatewayUrl: string,
  askers: readonly Asker[],
  count: number,
  concurrency: number,
): Promise<number> {
  const queue = (await prepare(askers, count)).values();
  using agent = keptAgent(concurrency);
  const start = performance.now();
  const worker = async (): Promise<void> => {
    for (const one of queue) await ask(gatewayUrl, one, agent.agent);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return count / ((performance.now() - start) / 1000);
}
