// The two HTTP servers against whoever can open a connection: smuggled, split, oversized, slow and compressed requests, paths
// that climb, lines that forge the log, and what a browser could be made to do with a response. Raw sockets, because no
// client would send these. Failure: a second request is seen, something is served or logged that should not be, or a
// connection is held.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import fastify from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Settings } from "../../core/config.ts";
import { errorEntry, type WjfError } from "../../core/errors.ts";
import { HTTP_LIMITS, protect, serverOptions } from "../../core/http-server.ts";
import { createLogger } from "../../core/log.ts";
import { openFixture } from "../consent/oidc-fixture.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";

const SCORE = { product: "credit-score@1" };
const logged: string[] = [];
let federation: Federation;
let bank: Bank;
let consent: GivenConsent;

beforeAll(async () => {
  const destination = { write: (line: string) => void logged.push(line) };
  const log = createLogger({ service: "test", level: "debug", destination });
  federation = await startFederation({ provinces: 2, peoplePerProvince: 4, log });
  bank = await Bank.register(federation);
  consent = await bank.consent({
    subject: federation.truth[0]?.numbers[0]?.msisdn as string,
    maxUses: 50,
  });
});
afterAll(() => federation[Symbol.asyncDispose]());

type Server = "gateway" | "authority";
const SERVERS = ["gateway", "authority"] as const;

function origin(server: Server): URL {
  return new URL(server === "gateway" ? federation.gateway.url : federation.authority.url);
}

/** When the connection is closed, cleanly or by a reset: a server that closes on unread bytes resets. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** Everything that the server sends on one connection, until it closes it or has been silent for a while. */
async function raw(server: Server, bytes: string): Promise<string> {
  const { hostname, port } = origin(server);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(bytes, "latin1");
  await Promise.race([closed(socket), delay(300)]);
  socket.destroy();
  return Buffer.concat(chunks).toString("latin1");
}

function statuses(response: string): number[] {
  return [...response.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

const SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const head = (...lines: string[]): string =>
  ["POST /v1/queries HTTP/1.1", "Host: x", "Content-Type: application/json", ...lines].join("\r\n");

describe.each(SERVERS)("request smuggling at the %s", (server) => {
  test("the probe works: two honest requests on one connection are two", async () => {
    expect(statuses(await raw(server, SMUGGLED + SMUGGLED))).toEqual([200, 200]);
  });

  test.each<[string, string]>([
    [
      "Transfer-Encoding with Content-Length",
      `${head("Transfer-Encoding: chunked", `Content-Length: ${4 + SMUGGLED.length}`)}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    [
      "two Content-Lengths",
      `${head("Content-Length: 0", `Content-Length: ${SMUGGLED.length}`)}\r\n\r\n${SMUGGLED}`,
    ],
    [
      "a list of Content-Lengths",
      `${head(`Content-Length: 0, ${SMUGGLED.length}`)}\r\n\r\n${SMUGGLED}`,
    ],
    ["a signed Content-Length", `${head("Content-Length: +0")}\r\n\r\n${SMUGGLED}`],
    ["an obscured coding", `${head("Transfer-Encoding: xchunked")}\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    [
      "chunked that is not last",
      `${head("Transfer-Encoding: chunked, identity")}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    [
      "white space before the colon",
      `${head("Transfer-Encoding : chunked")}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ["a folded header", `${head("X: a", " Transfer-Encoding: chunked")}\r\n\r\n${SMUGGLED}`],
    ["bare line feeds", `${head("Content-Length: 0").replaceAll("\r\n", "\n")}\n\n${SMUGGLED}`],
    [
      "a bare carriage return in a header",
      `${head("X: a\rTransfer-Encoding: chunked")}\r\n\r\n${SMUGGLED}`,
    ],
    ["a NUL in a header", `${head("X: a\0b")}\r\n\r\n${SMUGGLED}`],
    [
      "a chunk size that overflows",
      `${head("Transfer-Encoding: chunked")}\r\n\r\n10000000000000000\r\nx`,
    ],
    [
      "a chunk with a sign",
      `${head("Transfer-Encoding: chunked")}\r\n\r\n-1\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
    ],
  ])("%s: refused, and nothing behind it is read", async (_what, bytes) => {
    const response = await raw(server, bytes);
    expect(response).not.toContain("200 OK");
    for (const status of statuses(response)) expect(status).toBe(400);
  });
});

describe.each(SERVERS)("sizes at the %s", (server) => {
  test("a head that is too large, in one header or in the path", async () => {
    const large = "a".repeat(HTTP_LIMITS.headerBytes);
    expect(statuses(await raw(server, `GET / HTTP/1.1\r\nHost: x\r\nX: ${large}\r\n\r\n`))).toEqual(
      [431],
    );
    expect(statuses(await raw(server, `GET /${large} HTTP/1.1\r\nHost: x\r\n\r\n`))).toEqual([431]);
  });

  test("a body that is too large, declared or in chunks", async () => {
    const [path, type] =
      server === "gateway"
        ? ["/v1/queries", "application/json"]
        : ["/consents/session", "application/x-www-form-urlencoded"];
    const same = `Origin: ${origin(server).origin}`;
    const start = `POST ${path} HTTP/1.1\r\nHost: x\r\n${same}\r\nContent-Type: ${type}\r\n`;
    const declared = await raw(server, `${start}Content-Length: 100000000\r\n\r\n`);
    const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
    const chunks = `${chunk}${chunk}0\r\n\r\n`;
    const chunked = await raw(server, `${start}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
    for (const response of [declared, chunked]) expect(statuses(response)).toEqual([413]);
  });

  test("a body that says it is compressed is refused before it is looked at", async () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024));
    for (const coding of ["gzip", "br", "deflate", "identity, gzip", "x-gzip"]) {
      const url = new URL(server === "gateway" ? "/v1/queries" : "/portal/code", origin(server));
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "content-encoding": coding },
        body: bomb,
      });
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({ type: "/errors#media-type-unsupported" });
    }
  });
});

describe("sizes at the OpenID endpoints, which parse for themselves", () => {
  test.each(["/oidc/token", "/oidc/backchannel"])(
    "%s: a form that is too large, or endless",
    async (path) => {
      const start = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
      const declared = await raw("authority", `${start}Content-Length: 100000000\r\n\r\na=`);
      const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
      const chunked = await raw(
        "authority",
        `${start}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(4)}`,
      );
      for (const response of [declared, chunked]) {
        expect(statuses(response)).toEqual([400]);
        expect(response).toContain("invalid_request");
      }
    },
  );
});

describe.each(SERVERS)("what a browser is told by the %s", (server) => {
  const paths: Record<Server, readonly string[]> = {
    gateway: [
      "/healthz",
      "/readyz",
      "/v1/products",
      "/v1/federation",
      "/metrics",
      "/openapi.json",
      "/errors",
      "/docs/",
      "/no-such-page",
    ],
    authority: [
      "/healthz",
      "/errors",
      "/status-lists",
      "/status-lists/0",
      "/log/checkpoint",
      "/.well-known/openid-configuration",
      "/oidc/jwks",
      "/portal",
      "/no-such-page",
    ],
  };

  test.each(paths[server])("%s: not to sniff, frame, run or refer", async (path) => {
    const response = await fetch(new URL(path, origin(server)), { redirect: "manual" });
    await response.body?.cancel();
    const { headers } = response;
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("content-security-policy")).toMatch(/default-src '(none|self)'/);
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("referrer-policy")).toMatch(/^(no-referrer|same-origin)$/);
    expect(headers.get("server")).toBeNull();
    expect(headers.get("x-powered-by")).toBeNull();
    // Over plain HTTP it would mean nothing (RFC 6797 §8.1).
    expect(headers.get("strict-transport-security")).toBeNull();
  });
});

test("an answer, and a refusal, is stored by nobody on the way", async () => {
  for (const response of [await bank.send(consent, SCORE), await bank.send(consent, "{}")]) {
    await response.body?.cancel();
    expect(response.headers.get("cache-control")).toBe("no-store");
  }
});

describe("where the outside speaks HTTPS", () => {
  test("browsers are told never to come without it", async () => {
    const app = fastify();
    protect(app, { ...HTTP_LIMITS, connections: 1 }, "https://gateway.example");
    app.get("/", () => ({}));
    const { headers } = await app.inject("/");
    expect(headers["strict-transport-security"]).toMatch(/^max-age=31536000/);
  });

  test("whether a proxy is believed is a setting, off unless it is set", () => {
    expect(Settings.parse({}).WJF_TRUST_PROXY).toBe(false);
    expect(Settings.parse({ WJF_TRUST_PROXY: "true" }).WJF_TRUST_PROXY).toBe(true);
    for (const value of ["perhaps", "10.0.0.0/8", ""]) {
      expect(Settings.safeParse({ WJF_TRUST_PROXY: value }).success).toBe(false);
    }
    expect(Settings.safeParse({ WJF_MAX_CONNECTIONS: "0" }).success).toBe(false);
  });

  test("the authority names its endpoints by its issuer, whatever stands in front says", async () => {
    for (const trustProxy of [true, false]) {
      await using fixture = await openFixture({ overrides: { trustProxy } });
      const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "elsewhere.example" };
      const response = await fetch(`${fixture.origin}/.well-known/openid-configuration`, {
        headers,
      });
      const { issuer, token_endpoint: endpoint } = (await response.json()) as {
        issuer: string;
        token_endpoint: string;
      };
      expect(new URL(endpoint).origin).toBe(new URL(issuer).origin);
      expect(issuer).not.toContain("elsewhere");
    }
  });

  test("X-Forwarded-* from anybody changes nothing that the authority says of itself", async () => {
    const discovery = new URL("/.well-known/openid-configuration", federation.authority.url);
    const honest = await (await fetch(discovery)).text();
    const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "evil.example" };
    expect(await (await fetch(discovery, { headers })).text()).toBe(honest);
  });
});

describe("slow and many", () => {
  /** The limits of the real servers, with short times. */
  async function listen(limits: {
    headersTimeoutMs: number;
    checkEveryMs: number;
    connections: number;
    refusedConnections?: number;
  }) {
    const all = { ...HTTP_LIMITS, ...limits };
    const app = fastify({ http: serverOptions(all) });
    protect(app, all, "http://127.0.0.1");
    app.setErrorHandler((error, _request, reply) =>
      reply.status(errorEntry((error as WjfError).code).http).send(),
    );
    app.get("/", () => ({}));
    const url = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
    return { app, port: Number(url.port), [Symbol.asyncDispose]: () => app.close() };
  }

  test("a head that drips in is cut off, however often another byte comes", async () => {
    await using server = await listen({ headersTimeoutMs: 60, checkEveryMs: 20, connections: 10 });
    const socket = connect(server.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    const cutOff = closed(socket);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    const drip = setInterval(() => socket.write("X: a\r\n"), 10);
    await cutOff;
    clearInterval(drip);
    expect(statuses(Buffer.concat(chunks).toString())).toEqual([408]);
  });

  test("who is refused and sends on is let go, although nobody reads it", async () => {
    for (const [server, path] of [
      ["authority", "/oidc/token"],
      ["gateway", "/v1/batches"],
    ] as const) {
      const { hostname, port } = origin(server);
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined).resume();
      const type =
        server === "gateway" ? "application/x-ndjson" : "application/x-www-form-urlencoded";
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 200000\r\n\r\n`,
      );
      socket.write("a".repeat(150_000));
      await closed(socket);
    }
  });

  test("connections beyond the cap are told so and closed, many more at once; those within it go on", async () => {
    await using server = await listen({
      headersTimeoutMs: 10_000,
      checkEveryMs: 1000,
      connections: 2,
      refusedConnections: 1,
    });
    const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const open = async (): Promise<Socket> => {
      const socket = connect(server.port, "127.0.0.1").on("error", () => undefined);
      await once(socket, "connect");
      return socket;
    };
    const held = [await open(), await open()];
    const told = await open();
    const cut = (await open()).resume();
    await closed(cut);
    const chunks: Buffer[] = [];
    told.on("data", (chunk: Buffer) => chunks.push(chunk));
    // Whatever was sent behind it is not read.
    told.write(GET + GET);
    await closed(told);
    const response = Buffer.concat(chunks).toString();
    expect(statuses(response)).toEqual([503]);
    expect(response).toMatch(/^retry-after: 1\r$/im);
    expect(response).toMatch(/^connection: close\r$/im);
    const [first, second] = held;
    first?.write(GET);
    const [reply] = (await once(first as never, "data")) as [Buffer];
    expect(reply.toString()).toContain("200 OK");
    second?.destroy();
    await closed(second as Socket);
    first?.write(GET);
    await once(first as never, "data");
    // Whoever comes now finds the place that became free.
    const next = await open();
    next.write(GET);
    const [welcome] = (await once(next, "data")) as [Buffer];
    expect(welcome.toString()).toContain("200 OK");
    for (const socket of [first, next]) socket?.destroy();
  });
});

describe("paths", () => {
  test.each([
    "/log/../secrets/root.jwk",
    "/log/..%2f..%2fsecrets%2froot.jwk",
    "/log/%2e%2e/%2e%2e/secrets/root.jwk",
    "/log/tile/0/../../../secrets/root.jwk",
    "/log/tile/0/%2e%2e%5c%2e%2e%5csecrets",
    "/log/tile/entries/x001/..%00",
    "/log//etc/passwd",
    "/log/tile/99999999999999999999/000",
    "/log/tile/0/000.p/0",
    "/log/tile/-1/000",
  ])("%s is not there", async (path) => {
    const response = await raw(
      "authority",
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(statuses(response)).toEqual([404]);
    expect(response).not.toContain('"d"');
  });
});

describe("the log", () => {
  test("what an attacker sends cannot write a line of its own, nor be found in one", async () => {
    logged.length = 0;
    const forged = '{"level":60,"msg":"forged"}';
    const probes = [
      `GET /%0a${encodeURIComponent(forged)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[2J${forged}\r\nX-Request-Id: ${forged}\r\n\r\n`,
      `${head(`Authorization: DPoP ${forged}`, "Content-Length: 0")}\r\n\r\n`,
    ];
    for (const probe of probes) for (const server of SERVERS) await raw(server, probe);
    await bank.send(consent, { product: `x\n${forged}` });
    await bank.send(consent, `{"product":"\\u000a${forged.replaceAll('"', '\\"')}"}`);
    expect(logged.length).toBeGreaterThan(0);
    for (const line of logged) {
      expect(line.trimEnd()).not.toContain("\n");
      expect(() => JSON.parse(line) as unknown).not.toThrow();
      expect(line).not.toContain("forged");
    }
  });

  test("a request id is the server's own, and not what the caller says", async () => {
    const response = await bank.send(consent, "{");
    const { instance } = (await response.json()) as { instance: string };
    expect(instance).toMatch(/^urn:request:[0-9a-f-]{36}$/);
  });
});
