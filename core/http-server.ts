// What gateway and authority have in common as HTTP servers: time and number limits that keep slow or many connections
// from holding the process, and headers that keep a browser from doing anything with a response but show it. RFC 9110 §8.4,
// RFC 6797, OWASP's HTTP security headers. Node's parser refuses what smuggling needs (RFC 9112 §11.2) as long as
// `insecureHTTPParser` stays off.
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { WjfError } from "./errors.ts";

export interface HttpLimits {
  /** A request's head has to be there within this. */
  readonly headersTimeoutMs: number;
  /** How often connections are held against their limits. */
  readonly checkEveryMs: number;
  readonly headerBytes: number;
  readonly headers: number;
  readonly connections: number;
  /** So many further ones are let in to be told: their first request is refused. Those beyond are closed at once. */
  readonly refusedConnections: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 10_000,
  checkEveryMs: 2000,
  headerBytes: 16 * 1024,
  headers: 64,
  connections: 4096,
  refusedConnections: 1024,
};

/**
 * Connections that the kernel keeps until they are accepted. What is beyond it drops in silence, and who calls tries again after one
 * second, then three, then seven: a burst is then read long after it is over. Linux allows as many (`net.core.somaxconn`).
 */
export const BACKLOG = 4096;

/** Seconds a client should wait before it repeats a request that was refused for now. */
export const RETRY_AFTER_S = 1;

/** For `fastify({ http })`. */
export function serverOptions(limits: HttpLimits) {
  return {
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.checkEveryMs,
    maxHeaderSize: limits.headerBytes,
    insecureHTTPParser: false,
  };
}

/** For every response that does not say otherwise itself. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
const HSTS = "max-age=31536000";

/** Time for a client to read a refusal that came before it had sent everything. */
const LINGER_MS = 1000;

/** Whoever has been answered and still sends is not listened to: unread, the connection would stay for as long as it likes. */
function letGo(request: IncomingMessage): void {
  if (request.complete) return;
  setTimeout(() => {
    if (!request.complete) request.destroy();
  }, LINGER_MS).unref();
}

/** Whether a connection is one that came when there were as many as are taken. */
function countConnections(server: Server, limits: HttpLimits): (socket: Socket) => boolean {
  const beyond = new WeakSet<Socket>();
  let taken = 0;
  server.maxConnections = limits.connections + limits.refusedConnections;
  server.on("connection", (socket: Socket) => {
    if (taken >= limits.connections) {
      beyond.add(socket);
      return;
    }
    taken++;
    socket.once("close", () => taken--);
  });
  return (socket) => beyond.has(socket);
}

/** @param url by which the outside knows this server: HSTS goes out only where that is HTTPS. */
export function protect(app: FastifyInstance, limits: HttpLimits, url: string): void {
  const headers = Object.entries({
    ...SECURITY_HEADERS,
    ...(url.startsWith("https:") && { "strict-transport-security": HSTS }),
  });
  const isBeyond = countConnections(app.server, limits);
  app.server.maxHeadersCount = limits.headers;
  // Straight onto the raw response: those that are hijacked have them too. What a route sets itself comes later and wins.
  app.addHook("onRequest", (request, reply, done) => {
    for (const [name, value] of headers) reply.raw.setHeader(name, value);
    reply.raw.once("finish", () => letGo(request.raw));
    if (isBeyond(request.raw.socket)) {
      reply.raw.setHeader("connection", "close");
      reply.raw.setHeader("retry-after", RETRY_AFTER_S);
      done(new WjfError("overloaded"));
      return;
    }
    const coding = request.headers["content-encoding"];
    // Nothing is decompressed here, so nothing small can become large.
    done(
      coding === undefined ? undefined : new WjfError("media-type-unsupported", "content-encoding"),
    );
  });
}
