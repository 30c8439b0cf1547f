// The HTTP API of batches: NDJSON in, NDJSON out, progress as server-sent events (DESIGN §7). A batch is seen by the holder of
// the key that signed it, proven by DPoP on every request, and by nobody else. docs/decisions/052-batches.md.
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseWith } from "../../core/parse.ts";
import { BATCHES_PATH, type FederationView, verifyKeyProof } from "../../consent/verifier.ts";
import { readProof } from "../credentials.ts";
import { ReplayGuard } from "../replay-guard.ts";
import { NDJSON } from "../schemas.ts";
import { batchSchemas, type BatchSchemaOut } from "./batch-schemas.ts";
import type { BatchRunner } from "./batch-runner.ts";
import type { Batch, BatchStore } from "./batch-store.ts";
import { resultLines } from "./block-results.ts";
import { type BatchLimits, receiveBatch } from "./receive.ts";

export interface BatchRouteParts {
  readonly store: BatchStore;
  readonly runner: BatchRunner;
  readonly view: FederationView;
  readonly clock: Clock;
  readonly limits: BatchLimits;
}

/** Oldest proof of a request about a batch; remembered for as long. */
const MAX_PROOF_AGE_S = 60;
/** Blocks read at once for their results. */
const BLOCKS_PER_READ = 16;
const PROGRESS_EVERY_MS = 500;

const BatchParams = z.object({ id: z.uuid() });

export async function batchRoutes(app: FastifyInstance, parts: BatchRouteParts): Promise<void> {
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  const own = async (request: FastifyRequest): Promise<Batch> =>
    await ownBatch(request, replays, parts);
  // A batch is never in memory: what has not been stored is not read.
  app.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload));
  app.post(BATCHES_PATH, {
    schema: batchSchemas.create,
    bodyLimit: parts.limits.bytes,
    validatorCompiler: () => (value: unknown) => ({ value }),
    handler: async (request, reply) => {
      if (!(request.body instanceof Readable)) throw new WjfError("media-type-unsupported", NDJSON);
      const batch = await receiveBatch(readProof(request), request.body, parts);
      parts.runner.look();
      return await reply.status(202).send(describe(batch));
    },
  });
  app.get(`${BATCHES_PATH}/:id`, {
    schema: batchSchemas.read,
    handler: async (request) => describe(await own(request)),
  });
  app.get(`${BATCHES_PATH}/:id/results`, {
    schema: batchSchemas.results,
    serializerCompiler: () => (value: unknown) => String(value),
    handler: async (request, reply) => {
      const batch = await own(request);
      return await reply.type(NDJSON).send(Readable.from(readResults(batch.id, parts.store)));
    },
  });
  app.get(`${BATCHES_PATH}/:id/events`, {
    schema: batchSchemas.events,
    serializerCompiler: () => (value: unknown) => String(value),
    handler: async (request, reply) => await streamEvents(await own(request), reply, parts.store),
  });
  app.delete(`${BATCHES_PATH}/:id`, {
    schema: batchSchemas.remove,
    handler: async (request, reply) => {
      await parts.store.remove((await own(request)).id);
      return await reply.status(204).send();
    },
  });
}

/** The batch of the key that signed the request. Somebody else's is as unknown as one that never was. */
async function ownBatch(
  request: FastifyRequest,
  replays: ReplayGuard,
  { store, view, clock }: BatchRouteParts,
): Promise<Batch> {
  const { id } = parseWith(BatchParams, request.params, "route-unknown");
  const url = new URL(request.url, view.current().roster.audience);
  const about = { method: request.method, url: `${url.origin}${url.pathname}` };
  const proof = await verifyKeyProof(readProof(request), about, clock, MAX_PROOF_AGE_S);
  const batch = await store.find(id);
  if (batch?.jkt !== proof.jkt) throw new WjfError("route-unknown", "no such batch of this key");
  // Not before: anybody can make keys and proofs, as many as the guard can remember.
  replays.requireFresh(proof.jkt, proof.jti);
  return batch;
}

function describe(batch: Batch): BatchSchemaOut {
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    id: batch.id,
    state: batch.state as BatchSchemaOut["state"],
    rows: batch.rows,
    done: batch.answered + batch.refused,
    answered: batch.answered,
    refused: batch.refused,
    sealed: batch.sealed === 1,
    created: iso(batch.created_at),
    deadline: iso(batch.deadline_at),
    ...(batch.finished_at !== null && { finished: iso(batch.finished_at) }),
    ...(batch.expires_at !== null && { expires: iso(batch.expires_at) }),
  };
}

/** What is answered so far, in the lines' order. */
async function* readResults(id: string, store: BatchStore): AsyncGenerator<string> {
  for (let from = 0; ;) {
    const blocks = await store.results(id, from, BLOCKS_PER_READ);
    for (const { idx, result } of blocks) {
      yield await resultLines(result);
      from = idx + 1;
    }
    if (blocks.length < BLOCKS_PER_READ) return;
  }
}

/** HTML §9.2: one `progress` event at once and whenever something has changed, then `finished`. */
async function streamEvents(batch: Batch, reply: FastifyReply, store: BatchStore) {
  void reply.header("cache-control", "no-store");
  const closed = new AbortController();
  reply.raw.once("close", () => closed.abort());
  const events = readEvents(batch, store, closed.signal);
  return await reply.type("text/event-stream").send(Readable.from(events));
}

async function* readEvents(
  batch: Batch,
  store: BatchStore,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let told = "";
  for (let now: Batch | undefined = batch; now !== undefined; now = await store.find(batch.id)) {
    const data = JSON.stringify(describe(now));
    if (now.state === "finished") return yield event("finished", data);
    if (data !== told) yield event("progress", data);
    // A comment keeps proxies from closing what only waits.
    else yield ":\n\n";
    told = data;
    await delay(PROGRESS_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}

function event(name: string, data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`;
}
