// The institutions' HTTP API (DESIGN §7): verify, queue, answer. Native errors are RFC 9457 problems. It never sees who
// is asked about or what is claimed, and keeps nothing of a request once it is answered.
import { randomUUID } from "node:crypto";
import swagger from "@fastify/swagger";
import reference from "@scalar/fastify-api-reference";
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { z } from "zod";
import { type Catalogue, requireProduct } from "../catalogue/index.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { type HttpLimits, protect, RETRY_AFTER_S, serverOptions } from "../core/http-server.ts";
import { meterHttp } from "../core/http-metrics.ts";
import type { Logger } from "../core/log.ts";
import { secondsSince } from "../core/metrics.ts";
import { parseWith } from "../core/parse.ts";
import { describeSpan, inSpan } from "../core/tracing.ts";
import { type FederationView, requestRules, verifySignedRequest } from "../consent/verifier.ts";
import { MAX_BODY_BYTES, type ReleaseOutcome } from "../proto/index.ts";
import type { Alerts } from "./alerts/index.ts";
import type { Batches } from "./batches/index.ts";
import type { Coalescer } from "./coalescer.ts";
import { claimedSender, readCredentials } from "./credentials.ts";
import { queries, queryDurations, refusals } from "./metrics.ts";
import { type PendingQuery, pendingQuery } from "./pending-query.ts";
import { toProblem, toWjfError } from "./problem.ts";
import type { ProvincePool } from "./province-pool.ts";
import { ReplayGuard } from "./replay-guard.ts";
import { infoRoutes } from "./info-routes.ts";
import { queryRouteSchema } from "./schemas.ts";
import type { Training } from "./training/index.ts";
import type { Watches } from "./watches/index.ts";
import { withdrawalOf } from "./withdrawn.ts";

/** Oldest DPoP proof the gateway takes, in seconds; it remembers proofs for as long. */
const MAX_PROOF_AGE_S = 60;

const BODY_TIMEOUT_MS = 30_000;
const UPLOAD_TIMEOUT_MS = 3_600_000;

/** The reference page brings its own script, and styles and fonts within it; nothing comes from elsewhere. */
const DOCS_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

export interface GatewayParts {
  readonly view: FederationView;
  readonly coalescer: Coalescer;
  /** Carries what can only be refused: withdrawn.ts. */
  readonly withdrawals: Coalescer;
  readonly batches: Batches;
  readonly alerts: Alerts;
  readonly watches: Watches;
  readonly training: Training;
  readonly provinces: ProvincePool;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly http: HttpLimits;
  /** By which institutions know this gateway. */
  readonly url: string;
}

export async function createGateway(parts: GatewayParts): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: parts.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    genReqId: () => randomUUID(),
    // Of a whole upload; a question's body has its own limit below, and a silent connection the next one.
    requestTimeout: UPLOAD_TIMEOUT_MS,
    connectionTimeout: 30_000,
    http: serverOptions(parts.http),
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  protect(app as unknown as FastifyInstance, parts.http, parts.url);
  app.setValidatorCompiler(parseRequest);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new WjfError("route-unknown"), request, reply),
  );
  // The proof signs the body's bytes, so they are kept as they came.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) =>
    done(null, body),
  );
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "WeiJiFen gateway", version: parts.version },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await app.register(async (scope) => {
    scope.addHook("onRequest", (_request, reply, done) => {
      reply.raw.setHeader("content-security-policy", DOCS_POLICY);
      done();
    });
    await scope.register(reference, { routePrefix: "/docs" });
  });
  meterHttp(app as unknown as FastifyInstance);
  await app.register(infoRoutes, parts);
  await app.register(queryRoutes, parts);
  await app.register(async (scope) => await parts.batches.register(scope as never));
  await app.register(async (scope) => await parts.alerts.register(scope as never));
  await app.register(async (scope) => await parts.watches.register(scope as never));
  await app.register(async (scope) => await parts.training.register(scope as never));
  return app as unknown as FastifyInstance;
}

/** Query and path as any boundary's input: a refusal names the field and the rule. */
function parseRequest({ schema, httpPart }: { schema: z.ZodType; httpPart?: string }) {
  return (value: unknown) => {
    try {
      return { value: parseWith(schema, value, "request-malformed", httpPart) };
    } catch (error) {
      return { error: toWjfError(error) };
    }
  };
}

async function queryRoutes(app: FastifyInstance, parts: GatewayParts): Promise<void> {
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  app.addHook("onRequest", async (request) => {
    limitBodyTime(request);
    // By the head alone: refusing must cost much less than answering, or refusing takes the time that answers need.
    parts.coalescer.requireRoom(claimedSender(request));
  });
  app.post("/v1/queries", {
    schema: queryRouteSchema,
    // The body is bytes until its signature has been verified; signed-request.ts parses it then.
    validatorCompiler: () => (value: unknown) => ({ value }),
    serializerCompiler: () => (value: unknown) => String(value),
    handler: async (request, reply) => {
      const answer = () => answerQuery(request, replays, parts);
      // What an institution sends as a trace is not continued: it would go on to the provinces.
      const outcome = await inSpan("query", answer, { kind: "server", parent: "none" });
      switch (outcome.result) {
        case "answer":
          return await reply.type("application/json").send(outcome.answer);
        case "sealed":
          return await reply.type("application/jose").send(outcome.sealed);
        case "refusal":
          throw new WjfError(outcome.refusal);
      }
    },
  });
}

/** A question's body comes at once; one that drips in holds a connection for nothing. */
function limitBodyTime({ raw }: FastifyRequest): void {
  const late = setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, BODY_TIMEOUT_MS);
  raw.once("close", () => clearTimeout(late));
}

async function answerQuery(
  request: FastifyRequest,
  replays: ReplayGuard,
  parts: GatewayParts,
): Promise<ReleaseOutcome> {
  const query = await readQuery(request, replays, parts);
  const startedMs = performance.now();
  let result: ReleaseOutcome["result"] = "refusal";
  try {
    const lane = query.withdrawn === undefined ? parts.coalescer : parts.withdrawals;
    const outcome = await lane.submit(query);
    result = outcome.result;
    return outcome;
  } finally {
    const { product } = query.item;
    queries.inc({ product, result });
    queryDurations.observe({ product }, secondsSince(startedMs));
  }
}

async function readQuery(
  request: FastifyRequest,
  replays: ReplayGuard,
  { view, catalogue, clock, coalescer }: GatewayParts,
): Promise<PendingQuery> {
  const credentials = readCredentials(request);
  using _room = coalescer.holdRoom(claimedSender(request));
  const rules = requestRules(view.current(), catalogue, MAX_PROOF_AGE_S);
  const verified = await verifySignedRequest(credentials, rules, clock);
  const product = requireProduct(catalogue, verified.product);
  describeSpan({ "wjf.product": product.ref });
  if (product.rule.type === "watch") throw new WjfError("watch-only");
  if (product.claims === "required" && verified.claims === undefined) {
    throw new WjfError("claims-missing");
  }
  if (product.claims === "none" && verified.claims !== undefined) {
    throw new WjfError("claims-unexpected");
  }
  const withdrawn = withdrawalOf(view, verified);
  replays.requireFresh(verified.consent.cnf.jkt, verified.proofId);
  const sealed = request.headers.accept?.includes("application/jose") ?? false;
  const query = pendingQuery(verified, credentials, sealed, catalogue);
  return withdrawn === undefined ? query : { ...query, withdrawn };
}

async function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const known = toWjfError(error);
  const problem = toProblem(known, request.id);
  refusals.inc({ code: problem.code });
  const level = problem.status >= 500 && !problem.retryable ? "error" : "info";
  request.log[level]({ err: known, refusal: known.code }, "refused");
  if (problem.status === 401) {
    void reply.header("WWW-Authenticate", 'DPoP error="invalid_token", algs="ES256"');
  }
  if (problem.retryable) void reply.header("Retry-After", RETRY_AFTER_S);
  return await reply
    .status(problem.status)
    .type("application/problem+json")
    .serializer((value: unknown) => JSON.stringify(value))
    .send(problem);
}
