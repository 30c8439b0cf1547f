// The HTTP API of watches: created by a signed request that stands, seen and changed by the holder of the key that signed it,
// proven by DPoP on every request, and by nobody else. docs/decisions/071-watches.md.
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Catalogue, requireProduct } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith, parseWith } from "../../core/parse.ts";
import {
  type FederationView,
  periodSeconds,
  requestRules,
  secondsOf,
  type SignedRequest,
  type StandingWatch,
  verifyKeyProof,
  verifyWatch,
  WATCHES_PATH,
} from "../../consent/verifier.ts";
import { parseSink, type SinkPolicy } from "../alerts/sink.ts";
import { readCredentials, readProof } from "../credentials.ts";
import { ReplayGuard } from "../replay-guard.ts";
import type { WatchRunner } from "./watch-runner.ts";
import {
  WatchParams,
  WatchPatch,
  WatchQuery,
  watchSchemas,
  type WatchSchemaOut,
} from "./watch-schemas.ts";
import type { Watch, WatchChange, WatchStore } from "./watch-store.ts";

export interface WatchRouteParts {
  readonly store: WatchStore;
  readonly runner: WatchRunner;
  readonly view: FederationView;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly sinks: SinkPolicy;
}

/** Oldest proof of a request; remembered for as long. */
const MAX_PROOF_AGE_S = 60;

const asIs = () => (value: unknown) => ({ value });

export async function watchRoutes(app: FastifyInstance, parts: WatchRouteParts): Promise<void> {
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  const own = async (request: FastifyRequest) => await ownWatch(request, replays, parts);
  app.post(WATCHES_PATH, {
    schema: watchSchemas.create,
    // The body is bytes until its signature has been verified.
    validatorCompiler: asIs,
    handler: async (request, reply) => {
      const { watch, created } = await createWatch(readCredentials(request), replays, parts);
      if (created) void parts.runner.look();
      return await reply.status(created ? 201 : 200).send(describe(watch));
    },
  });
  app.get(WATCHES_PATH, {
    schema: watchSchemas.list,
    handler: async (request) => {
      const { jkt } = await proofOf(request, replays, parts);
      const { after = "", limit } = parseWith(WatchQuery, request.query, "request-malformed");
      const watches = await parts.store.list(jkt, after, limit);
      return { watches: watches.map(describe) };
    },
  });
  app.get(`${WATCHES_PATH}/:id`, {
    schema: watchSchemas.read,
    handler: async (request) => describe((await own(request)).watch),
  });
  app.patch(`${WATCHES_PATH}/:id`, {
    schema: watchSchemas.change,
    validatorCompiler: asIs,
    handler: async (request) => {
      const { watch, jti } = await own(request);
      const changed = await parts.store.change(watch.id, readChange(request, watch, parts), jti);
      if (changed === undefined) throw new WjfError("route-unknown", "this watch has ended");
      return describe(changed);
    },
  });
  app.delete(`${WATCHES_PATH}/:id`, {
    schema: watchSchemas.remove,
    handler: async (request, reply) => {
      await parts.store.end((await own(request)).watch.id, "deleted");
      return await reply.status(204).send();
    },
  });
}

/**
 * Idempotent: the same request, signed again or not, is the same watch.
 * @throws WjfError `token-*`, `dpop-*`, `request-malformed`, `product-*`, `consent-*`, `sink-refused`, `watch-frequency`,
 * `query-conflict`.
 */
async function createWatch(
  credentials: SignedRequest,
  replays: ReplayGuard,
  { store, view, catalogue, clock, sinks }: WatchRouteParts,
) {
  const rules = requestRules(view.current(), catalogue, MAX_PROOF_AGE_S, WATCHES_PATH);
  const standing = await verifyWatch(credentials, rules, clock);
  const { consent, body, id, everyS, startsS, expiresS } = standing;
  if (requireProduct(catalogue, body.product).rule.type !== "watch") {
    throw new WjfError("product-unknown", "not a product to watch");
  }
  requireAllowed(standing);
  if (expiresS !== undefined && expiresS <= nowSeconds(clock)) throw new WjfError("watch-expired");
  const sink = parseSink(body.sink.url, sinks);
  view.requireActive(consent.status);
  const { status_list: status } = consent.status;
  replays.requireFresh(consent.cnf.jkt, standing.proofId);
  return await store.create({
    id,
    client_id: consent.client_id,
    jkt: consent.cnf.jkt,
    consent_id: consent.grant_id,
    status_uri: status.uri,
    status_idx: status.idx,
    product: body.product,
    token: credentials.token,
    proof: credentials.proof,
    body: Buffer.from(credentials.body).toString("utf8"),
    body_sha256: sha256Hex(credentials.body),
    sealed: body.sealed ? 1 : 0,
    sink: sink.href,
    every_s: everyS,
    due_at: startsS,
    expires_at: expiresS ?? null,
    max_events: body.max_events ?? null,
  });
}

/** @throws WjfError `watch-frequency` when the schedule alone would use more than the consent's frequency. */
function requireAllowed({ consent, everyS }: StandingWatch): void {
  const [{ frequency }] = consent.authorization_details;
  if (frequency === undefined) return;
  const unitS = periodSeconds({ unit: frequency.unit, value: 1 });
  if (everyS * frequency.value < unitS) throw new WjfError("watch-frequency");
}

function readChange(
  { body }: FastifyRequest,
  watch: Watch,
  { sinks }: WatchRouteParts,
): WatchChange {
  const text = Buffer.isBuffer(body) ? body.toString("utf8") : "";
  const patch = parseJsonWith(WatchPatch, text, "request-malformed", "body");
  const expires = secondsOf(patch.expires);
  // The authority holds the watch to the time that was signed; a later one would be a promise that is not kept.
  if (expires !== undefined && watch.expires_at !== null && expires > watch.expires_at) {
    throw new WjfError("request-malformed", "expires: sooner only");
  }
  return {
    ...(patch.sink !== undefined && { sink: parseSink(patch.sink.url, sinks).href }),
    ...(expires !== undefined && { expires_at: expires }),
    ...(patch.max_events !== undefined && { max_events: patch.max_events }),
  };
}

/** The watch of the key that signed the request. Somebody else's is as unknown as one that never was. */
async function ownWatch(request: FastifyRequest, replays: ReplayGuard, parts: WatchRouteParts) {
  const { id } = parseWith(WatchParams, request.params, "route-unknown");
  const { jkt, jti } = await proofOf(request, replays, parts);
  const watch = await parts.store.find(id);
  if (watch?.jkt !== jkt) throw new WjfError("route-unknown", "no such watch of this key");
  return { watch, jti };
}

async function proofOf(
  request: FastifyRequest,
  replays: ReplayGuard,
  { view, clock }: WatchRouteParts,
) {
  const url = new URL(request.url, view.current().roster.audience);
  const about = {
    method: request.method,
    url: `${url.origin}${url.pathname}`,
    ...(Buffer.isBuffer(request.body) && { body: request.body }),
  };
  const proof = await verifyKeyProof(readProof(request), about, clock, MAX_PROOF_AGE_S);
  replays.requireFresh(proof.jkt, proof.jti);
  return proof;
}

function describe(watch: Watch): WatchSchemaOut {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const { reason, evaluated_at, expires_at, max_events, ended_at } = watch;
  return {
    watch_id: watch.id,
    state: watch.state as WatchSchemaOut["state"],
    ...(reason !== null && { reason }),
    product: watch.product,
    sink: { url: watch.sink },
    sealed: watch.sealed === 1,
    created: iso(watch.created_at),
    ...(ended_at === null && { next: iso(watch.due_at * 1000) }),
    ...(evaluated_at !== null && { evaluated: iso(evaluated_at * 1000) }),
    ...(expires_at !== null && { expires: iso(expires_at * 1000) }),
    events: watch.events,
    ...(max_events !== null && { max_events }),
    ...(ended_at !== null && { ended: iso(ended_at) }),
  };
}
