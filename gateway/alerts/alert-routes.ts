// The HTTP API of alerts, for institutions: what was sent to them, from a cursor on; what was given up, and another try at it. An
// institution is known here by a consent token of its own and a proof by the token's key, or by a proof alone of the key that signed
// its watches, since a token is over when there is most to tell; what somebody else was sent does not exist for it.
// docs/decisions/072-alerts.md.
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { type FederationView, TokenChecker, verifyKeyProof } from "../../consent/verifier.ts";
import { readProof, readToken } from "../credentials.ts";
import { ReplayGuard } from "../replay-guard.ts";
import { alertSchemas, type AlertsOut, type AttemptsOut } from "./alert-schemas.ts";
import type { Alert, AlertAttempt, AlertStore, Reader } from "./alert-store.ts";
import { toCloudEvent } from "./envelope.ts";

export const ALERTS_PATH = "/v1/alerts";

/** Oldest proof that is taken; remembered for as long. */
const MAX_PROOF_AGE_S = 60;
const ATTEMPTS_SHOWN = 100;

export interface AlertRouteParts {
  readonly store: AlertStore;
  readonly view: FederationView;
  readonly clock: Clock;
  /** Of the events. */
  readonly source: string;
  /** Tells the delivery that something has become due. */
  readonly look: () => void;
}

export async function alertRoutes(plain: FastifyInstance, parts: AlertRouteParts): Promise<void> {
  const { store, source } = parts;
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  const own = async (request: FastifyRequest): Promise<Reader> =>
    await authenticate(request, replays, parts);
  app.addHook("onRequest", (_request, reply, done) => {
    void reply.header("cache-control", "no-store");
    done();
  });
  app.get(ALERTS_PATH, {
    schema: alertSchemas.list,
    handler: async (request) => {
      const { after, limit } = request.query;
      return describePage(await store.read(await own(request), after, limit), after, source);
    },
  });
  app.get(`${ALERTS_PATH}/dead-letters`, {
    schema: alertSchemas.dead,
    handler: async (request) => {
      const { after, limit } = request.query;
      const dead = await store.read(await own(request), after, limit, "dead");
      return describePage(dead, after, source);
    },
  });
  app.get(`${ALERTS_PATH}/:cursor/attempts`, {
    schema: alertSchemas.attempts,
    handler: async (request) => {
      const reader = await own(request);
      const attempts = await store.attempts(reader, request.params.cursor, ATTEMPTS_SHOWN);
      return { attempts: attempts.map(describeAttempt) };
    },
  });
  app.post(`${ALERTS_PATH}/:cursor/redeliver`, {
    schema: alertSchemas.redeliver,
    handler: async (request) => {
      const redelivered = await store.redeliver(await own(request), request.params.cursor);
      if (redelivered === 0) throw new WjfError("route-unknown", "no such dead letter");
      parts.look();
      return { redelivered };
    },
  });
  app.post(`${ALERTS_PATH}/dead-letters/redeliver`, {
    schema: alertSchemas.redeliverAll,
    handler: async (request) => {
      const redelivered = await store.redeliver(await own(request));
      parts.look();
      return { redelivered };
    },
  });
}

/**
 * The institution that a token was issued to, proven by the token's key; or that whose watches the key of a proof has signed. The
 * consent is not looked at: who is told that it was withdrawn, or has expired, has to be able to read so.
 * @throws WjfError `token-*`, `dpop-*`; `token-missing` for a key alone that says not who asks.
 */
async function authenticate(
  request: FastifyRequest,
  replays: ReplayGuard,
  { store, view, clock }: AlertRouteParts,
): Promise<Reader> {
  const { roster, tokenKeys } = view.current();
  const url = new URL(request.url, roster.audience);
  const about = { method: request.method, url: `${url.origin}${url.pathname}` };
  const { authorization, dpop } = request.headers;
  if (authorization === undefined && dpop !== undefined) {
    const { jkt, jti } = await verifyKeyProof(readProof(request), about, clock, MAX_PROOF_AGE_S);
    const reader = await store.readerBy(jkt);
    if (reader === undefined) {
      throw new WjfError("token-missing", "a key that signed no watch of one institution");
    }
    // Not before: anybody can make keys and proofs, as many as the guard can remember.
    replays.requireFresh(jkt, jti);
    return reader;
  }
  const token = readToken(request);
  const checker = new TokenChecker({ ...roster, tokenKeys }, clock);
  const claims = checker.open(token);
  checker.requireTimely(claims);
  const ofToken = { ...about, token };
  const proof = await verifyKeyProof(readProof(request), ofToken, clock, MAX_PROOF_AGE_S);
  if (proof.jkt !== claims.cnf.jkt) throw new WjfError("dpop-key");
  replays.requireFresh(proof.jkt, proof.jti);
  return { clientId: claims.client_id };
}

function describePage(alerts: readonly Alert[], after: number, source: string): AlertsOut {
  return {
    alerts: alerts.map((alert) => ({
      cursor: alert.seq,
      event: toCloudEvent(alert, source),
      state: alert.state as AlertsOut["alerts"][number]["state"],
      attempts: alert.attempts,
      outcome: alert.outcome as AlertsOut["alerts"][number]["outcome"],
    })),
    next: alerts.at(-1)?.seq ?? after,
  };
}

function describeAttempt(each: AlertAttempt): AttemptsOut["attempts"][number] {
  const { attempt, status, took_ms } = each;
  const outcome = each.outcome as AttemptsOut["attempts"][number]["outcome"];
  return { attempt, at: new Date(each.at).toISOString(), outcome, status, took_ms };
}
