// An institution that asks one question of a federation under faults: over a connection of its own, under one query id, until it has
// an answer. What it was told each time is kept for the check.
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { Product } from "../../catalogue/index.ts";
import type { GivenConsent } from "../federation/bank.ts";
import type { SimulatedFederation } from "./simulated-federation.ts";
import type { PlannedQuestion } from "./simulation-plan.ts";

export interface Told {
  readonly status: number;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly retryAfter?: string;
  readonly answer?: unknown;
  readonly coverage?: { readonly answered: number; readonly of: number };
  readonly receipt?: string;
}

/** "broken": the connection; "late": nothing was said for as long as the institution waits. */
export interface Attempt {
  readonly atMs: number;
  readonly tookMs: number;
  readonly told: Told | "broken" | "late" | "went away";
  /** A fault was under way, or had been until then and the federation had not answered in full since. */
  readonly underFault: boolean;
}

export interface Asked {
  readonly queryId: string;
  readonly consent: GivenConsent;
  readonly product: Product;
  readonly body: string;
}

/** What is true of the whole run, as it goes on. */
export interface Conditions {
  readonly underFault: boolean;
  readonly institutionSkewMs: number;
  /** When to stop asking. */
  readonly overMs: number;
}

/** What an institution waits for, milliseconds. */
const PATIENCE_MS = 15_000;
const PAUSE_MS = 100;

/** Asks until there is an answer, or until asking is over. */
export async function askUntilAnswered(
  federation: SimulatedFederation,
  asked: Asked,
  planned: Pick<PlannedQuestion, "manner" | "leavesAfterMs">,
  conditions: () => Conditions,
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  const attempt = async (proof: string, patienceMs = PATIENCE_MS): Promise<Attempt> => {
    const before = conditions().underFault;
    const atMs = performance.now();
    const told = await send(federation.url, asked, proof, patienceMs);
    const tookMs = performance.now() - atMs;
    const underFault = before || conditions().underFault;
    const wentAway = told === "late" && patienceMs < PATIENCE_MS;
    const made = { atMs, tookMs, told: wentAway ? ("went away" as const) : told, underFault };
    attempts.push(made);
    return made;
  };
  const prove = async (): Promise<string> => {
    const iat = Math.floor((Date.now() + conditions().institutionSkewMs) / 1000);
    return await federation.bank.proof(asked.consent.token, asked.body, { claims: { iat } });
  };
  const first = await prove();
  if (planned.manner === "goes away") await attempt(first, planned.leavesAfterMs);
  else if (planned.manner === "sent twice") await Promise.all([attempt(first), attempt(first)]);
  else if (planned.manner === "repeated at once") {
    await Promise.all([attempt(first), attempt(await prove())]);
  } else await attempt(first);
  while (!attempts.some(isAnswered) && performance.now() < conditions().overMs) {
    await delay(PAUSE_MS);
    await attempt(await prove());
  }
  return attempts;
}

export function isAnswered({ told }: Attempt): boolean {
  return typeof told === "object" && told.status === 200;
}

async function send(
  url: string,
  { consent, body }: Asked,
  proof: string,
  patienceMs: number,
): Promise<Attempt["told"]> {
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  const signal = AbortSignal.timeout(patienceMs);
  const outgoing = request(`${url}/v1/queries`, {
    method: "POST",
    agent: false,
    signal,
    headers: {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      authorization: `DPoP ${consent.token}`,
      dpop: proof,
    },
  });
  outgoing.on("error", reject);
  outgoing.on("response", (response) => {
    const { statusCode: status = 0, headers } = response;
    const retryAfter = headers["retry-after"];
    text(response)
      .then((body) => {
        const told = JSON.parse(body) as object;
        resolve({ status, ...(retryAfter === undefined ? {} : { retryAfter }), ...told });
      })
      .catch(reject);
  });
  outgoing.end(body);
  try {
    return await promise;
  } catch {
    return signal.aborted ? "late" : "broken";
  }
}
