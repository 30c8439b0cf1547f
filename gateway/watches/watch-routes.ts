// The HTTP API of watches: created by a signed request that stands, seen and changed by the holder of the key that signed it,
// proven by DPoP on every request, and by nobody else. docs/decisions/071-watches.md.
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith, parseWith } from "../../core/parse.ts";
import {
  secondsOf,
  type SignedRequest,
  verifyKeyProof,
  WATCHES_PATH,
} from "../../consent/verifier.ts";
import { parseSink } from "../alerts/sink.ts";
import { readCredentials, readProof } from "../credentials.ts";
import { ReplayGuard } from "../replay-guard.ts";
import { NDJSON } from "../schemas.ts";
import { type Creation, readNewWatch, requestChecker } from "./watch-creation.ts";
import type { WatchRunner } from "./watch-runner.ts";
import {
  WatchParams,
  WatchPatch,
  WatchQuery,
  watchSchemas,
  type WatchSchemaOut,
} from "./watch-schemas.ts";
import type { Watch, WatchChange } from "./watch-store.ts";
import { takeUpload, type UploadParts } from "./watch-upload.ts";

export interface WatchRouteParts extends UploadParts {
  readonly runner: WatchRunner;
}

/** Oldest proof of a request; remembered for as long. */
const MAX_PROOF_AGE_S = 60;

/** What uploads keep for clients that do not read is so many times the results of one. */
const MAX_UPLOADS = 4;

const asIs = () => (value: unknown) => ({ value });

export async function watchRoutes(app: FastifyInstance, parts: WatchRouteParts): Promise<void> {
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  const own = async (request: FastifyRequest) => await ownWatch(request, replays, parts);
  let uploads = 0;
  // An upload is never in memory: what has not been dealt with is not read.
  app.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload));
  app.post(WATCHES_PATH, {
    schema: watchSchemas.create,
    // The body is bytes until its signature has been verified.
    validatorCompiler: asIs,
    handler: async (request, reply) => {
      if (request.body instanceof Readable) {
        if (uploads >= MAX_UPLOADS) throw new WjfError("overloaded", "uploads of watches");
        const results = takeUpload(request.body, parts);
        uploads++;
        results.once("close", () => uploads--);
        return await reply.type(NDJSON).send(results);
      }
      const { watch, created } = await createWatch(readCredentials(request), replays, parts);
      if (created) void parts.runner.look();
      return await reply.status(created ? 201 : 200).send(describe(watch));
    },
  });
  app.get(WATCHES_PATH, {
    schema: watchSchemas.list,
    handler: async (request) => {
      const { jkt, jti } = await proofOf(request, parts);
      const { after = "", limit } = parseWith(WatchQuery, request.query, "request-malformed");
      const [own] = await parts.store.list(jkt, "", 1);
      if (own === undefined) return { watches: [] };
      replays.requireFresh(jkt, jti);
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
 * @throws WjfError what `readNewWatch` throws, `dpop-replayed`, `query-conflict`, `rate-limited`.
 */
async function createWatch(
  credentials: SignedRequest,
  replays: ReplayGuard,
  parts: WatchRouteParts,
): Promise<Extract<Creation, { watch: unknown }>> {
  const checker = requestChecker(parts, MAX_PROOF_AGE_S);
  const { watch, proofId } = readNewWatch(credentials, checker, parts);
  replays.requireFresh(watch.jkt, proofId);
  const [creation] = await parts.store.create([watch]);
  if (creation === undefined) throw new WjfError("internal", "no watch");
  if ("refusal" in creation) throw creation.refusal;
  return creation;
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
  const { jkt, jti } = await proofOf(request, parts);
  const watch = await parts.store.find(id);
  if (watch?.jkt !== jkt) throw new WjfError("route-unknown", "no such watch of this key");
  replays.requireFresh(jkt, jti);
  return { watch, jti };
}

/** By whomever. Not remembered before its key is known: anybody can make keys and proofs, as many as the guard can remember. */
async function proofOf(request: FastifyRequest, { view, clock }: WatchRouteParts) {
  const url = new URL(request.url, view.current().roster.audience);
  const about = {
    method: request.method,
    url: `${url.origin}${url.pathname}`,
    ...(Buffer.isBuffer(request.body) && { body: request.body }),
  };
  return await verifyKeyProof(readProof(request), about, clock, MAX_PROOF_AGE_S);
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
