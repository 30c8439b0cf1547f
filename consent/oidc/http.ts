// The authority's HTTP face: the OpenID provider's endpoints, status lists, notices, and the pages for people. Each
// lives in a fastify scope of its own, so that what is mounted beside them (/log, a portal) keeps its own parsers,
// hooks and errors. It listens on nothing by itself.
import cookie from "@fastify/cookie";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import type { ServerOptions } from "node:https";
import { errorEntry, WjfError } from "../../core/errors.ts";
import { HTTP_LIMITS, protect, serverOptions } from "../../core/http-server.ts";
import { ERRORS_PATH, errorsPage } from "../../core/errors-page.ts";
import { meterHttp } from "../../core/http-metrics.ts";
import { approvalRoutes } from "../approval/approval-routes.ts";
import { consentRoutes } from "../approval/consents-routes.ts";
import { STYLE, STYLE_PATH } from "../approval/layout.ts";
import { acceptForms, requireSameOrigin } from "../approval/page-request.ts";
import type { ConsentService } from "../consent-service.ts";
import { offerRoutes } from "../credit-life/offer-routes.ts";
import { type PortalParts, portalRoutes } from "../portal/portal-routes.ts";
import { OIDC_ROUTES } from "./provider.ts";

export interface ConsentHttpOptions {
  /** TLS by this process itself; otherwise a terminator stands in front (`trustProxy`). */
  readonly https?: ServerOptions;
  /** Open connections, at most. */
  readonly connections?: number;
  /** The person's portal, where releases and the ledger are at hand. */
  readonly portal?: PortalParts;
}

export async function createConsentHttp(
  service: ConsentService,
  http: ConsentHttpOptions = {},
): Promise<FastifyInstance> {
  const limits = { ...HTTP_LIMITS, connections: http.connections ?? HTTP_LIMITS.connections };
  const app = fastify({
    logger: false,
    trustProxy: service.options.trustProxy === true,
    bodyLimit: 64 * 1024,
    requestTimeout: 30_000,
    connectionTimeout: 30_000,
    ...(http.https
      ? { https: { ...serverOptions(limits), ...http.https } }
      : { http: serverOptions(limits) }),
    frameworkErrors: (error, _request, reply) => void sendProblem(service, error, reply),
  }) as unknown as FastifyInstance;
  protect(app, limits, service.options.issuer);
  app.setErrorHandler((error, _request, reply) => sendProblem(service, error, reply));
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(service, new WjfError("route-unknown"), reply),
  );
  // PostgreSQL takes no text with NUL, so it is nothing's name.
  app.addHook("onRequest", async ({ url }) => {
    if (url.includes("%00")) throw new WjfError("route-unknown");
  });
  meterHttp(app);
  await app.register(async (scope) => openIdRoutes(scope, service));
  await app.register(async (scope) => statusRoutes(scope, service));
  await app.register(async (scope) => pages(scope, service, http.portal));
  return app;
}

/** Koa answers these itself: fastify neither parses the body nor touches the reply. */
async function openIdRoutes(scope: FastifyInstance, service: ConsentService): Promise<void> {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
  const issuer = new URL(service.options.issuer);
  const pass = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.hijack();
    addressToIssuer(request.raw, issuer);
    await service.provider.callback()(request.raw, reply.raw);
  };
  for (const url of [OIDC_ROUTES.discovery, OIDC_ROUTES.metadata, OIDC_ROUTES.jwks]) {
    scope.route({ method: ["GET", "OPTIONS"], url, handler: pass });
  }
  for (const url of [OIDC_ROUTES.token, OIDC_ROUTES.backchannel]) {
    scope.route({ method: ["POST", "OPTIONS"], url, handler: pass });
  }
}

/**
 * The provider writes every address it names, and checks a proof's `htu`, after what the request says it was sent to. That is
 * the sender's to choose, so it always says the issuer's; with a false Host, discovery would name the endpoints of an enemy.
 */
function addressToIssuer(raw: IncomingMessage, { host, protocol }: URL): void {
  raw.headers.host = host;
  raw.headers["x-forwarded-host"] = host;
  raw.headers["x-forwarded-proto"] = protocol.slice(0, -1);
  raw.url = (raw.url ?? "").replace(/^https?:\/\/[^/]*/i, "");
}

async function statusRoutes(scope: FastifyInstance, service: ConsentService): Promise<void> {
  const { statusLists } = service;
  // Token Status List §9.3: the aggregation names every list.
  scope.get("/status-lists", async () => {
    const all = await statusLists.all();
    return { status_lists: all.map(({ uri }) => uri) };
  });
  scope.get<{ Params: { list: string } }>("/status-lists/:list", async (request, reply) => {
    const { list } = request.params;
    if (!/^\d{1,6}$/.test(list)) throw new WjfError("route-unknown");
    const all = await statusLists.all();
    const signed = all[Number(list)];
    if (signed === undefined) throw new WjfError("route-unknown");
    return reply
      .headers({
        "content-type": "application/statuslist+jwt",
        // A shared cache may not hold it for as long as it counts: that would double its age.
        "cache-control": "public, max-age=1",
        "access-control-allow-origin": "*",
      })
      .send(signed.token);
  });
}

async function pages(
  scope: FastifyInstance,
  service: ConsentService,
  portal: PortalParts | undefined,
): Promise<void> {
  const { options, approvals, sessions, lifecycle } = service;
  await scope.register(cookie);
  acceptForms(scope);
  scope.addHook("onRequest", async (request) => requireSameOrigin(request, options.issuer));
  scope.get(ERRORS_PATH, async (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(errorsPage()),
  );
  scope.get(STYLE_PATH, async (_request, reply) =>
    reply
      .headers({
        "content-type": "text/css; charset=utf-8",
        "cache-control": "public, max-age=300",
        "x-content-type-options": "nosniff",
      })
      .send(STYLE),
  );
  approvalRoutes(scope, { approvals, db: options.db });
  consentRoutes(scope, { options, sessions, lifecycle });
  offerRoutes(scope, service);
  if (portal !== undefined) portalRoutes(scope, service, portal);
}

/** RFC 9457. Nothing of an unexpected error is told; it is logged without its message. */
function sendProblem(service: ConsentService, error: unknown, reply: FastifyReply): FastifyReply {
  const known = asKnown(error);
  if (known.code === "internal") service.options.log.error({ err: error }, "request failed");
  const { http, title, next } = errorEntry(known.code);
  return reply
    .code(http)
    .header("cache-control", "no-store")
    .type("application/problem+json")
    .send({ type: `/errors#${known.code}`, title, status: http, detail: known.detail, next });
}

function asKnown(error: unknown): WjfError {
  if (error instanceof WjfError) return error;
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 413) return new WjfError("body-too-large");
  if (statusCode === 415) return new WjfError("media-type-unsupported");
  if (statusCode !== undefined && statusCode < 500) return new WjfError("request-malformed");
  return new WjfError("internal");
}
