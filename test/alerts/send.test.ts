// Sinks as institutions, or whoever has broken into one, may run them. Failure would be: a connection to an address that is not
// allowed, a redirect followed, a certificate believed that is not the sink's, memory or a slot held for longer than the
// limits, or "delivered" without a 2xx. How long a refusal takes is not asserted.
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Envelope } from "../../gateway/alerts/envelope.ts";
import { type ResolveName, SINK_LIMITS, SinkClient } from "../../gateway/alerts/send.ts";
import { PUBLIC_SINKS, sandboxSinks, type SinkPolicy } from "../../gateway/alerts/sink.ts";
import {
  type Certificate,
  createSinkCa,
  type RunningSink,
  SINK_NAME,
  type SinkCa,
  startPlainSink,
  startSilentSink,
  startSink,
  startTlsSink,
} from "./sink-server.ts";

const ENVELOPE: Envelope = { body: Buffer.from('{"id":"a"}'), headers: { "x-test": "1" } };
/** Short where the sink is to run into one, so that the test does not take as long as the real ones. */
const SHORT = { dnsMs: 100, connectMs: 200, totalMs: 400, drainMs: 100, drainBytes: 1024 };
const never = new AbortController().signal;

let ca: SinkCa;
let certificate: Certificate;
let sandbox: SinkPolicy;
let resources = new AsyncDisposableStack();

beforeAll(async () => {
  ca = await createSinkCa();
  certificate = await ca.issue();
  sandbox = sandboxSinks(ca.pem, false);
});
afterEach(async () => {
  await resources.disposeAsync();
  resources = new AsyncDisposableStack();
});

const use = async (starting: Promise<RunningSink>): Promise<RunningSink> =>
  resources.use(await starting);

function client(
  options: { policy?: SinkPolicy; resolve?: ResolveName; limits?: typeof SHORT } = {},
): SinkClient {
  return resources.use(new SinkClient({ policy: sandbox, ...options }));
}

const outcome = async (sink: string, options: Parameters<typeof client>[0] = {}) => {
  const { tookMs: _tookMs, ...rest } = await client(options).post(sink, ENVELOPE, never);
  return rest;
};

const answering = (status: number, headers: Record<string, string> = {}) =>
  use(
    startSink(certificate, (request, response) => {
      request.resume().on("end", () => response.writeHead(status, headers).end());
    }),
  );

describe("what a status means", () => {
  test.each([
    [200, "delivered"],
    [204, "delivered"],
    [299, "delivered"],
    [301, "redirect"],
    [304, "redirect"],
    [400, "status-4xx"],
    [404, "status-4xx"],
    [410, "gone"],
    [429, "status-4xx"],
    [500, "status-5xx"],
    [503, "status-5xx"],
    [999, "protocol"],
  ])("%d: %s", async (status, meaning) => {
    const sink = await answering(status);
    expect(await outcome(sink.url)).toEqual({ outcome: meaning, status });
  });
});

test("the body and its headers arrive as they are, as one POST", async () => {
  const seen = Promise.withResolvers<unknown>();
  const sink = await use(
    startSink(certificate, (request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { method, url, headers } = request;
        seen.resolve([method, url, headers["x-test"], headers["content-length"], body]);
        response.end();
      });
    }),
  );
  expect(await outcome(`${sink.url}?watch=1`)).toMatchObject({ outcome: "delivered" });
  expect(await seen.promise).toEqual(["POST", "/alerts?watch=1", "1", "10", '{"id":"a"}']);
});

describe("addresses", () => {
  const by = (port: number): string => `https://${SINK_NAME}:${port}/`;

  test("a name goes where it resolves to, and its certificate has to be the name's", async () => {
    const sink = await answering(204);
    const resolve = () => Promise.resolve(["127.0.0.1"]);
    expect(await outcome(by(sink.port), { resolve })).toMatchObject({ outcome: "delivered" });
  });

  test("a sink that is, or resolves to, a private address is not connected to", async () => {
    const sink = await answering(204);
    const resolve = () => Promise.resolve(["127.0.0.1"]);
    const policy = PUBLIC_SINKS;
    const refused = { outcome: "sink-refused", status: undefined };
    expect(await outcome(by(sink.port), { policy, resolve })).toEqual(refused);
    expect(await outcome(sink.url, { policy })).toEqual(refused);
    expect(await outcome(`http://127.0.0.1:${sink.port}/`)).toEqual(refused);
    expect(sink.connections()).toBe(0);
  });

  test("one private address among the public ones spoils the name", async () => {
    const sink = await answering(204);
    for (const addresses of [
      ["127.0.0.1", "10.0.0.1"],
      ["127.0.0.1", "fd00::1"],
      ["127.0.0.1", "::ffff:169.254.169.254"],
      ["127.0.0.1", "no address"],
    ]) {
      const resolve = () => Promise.resolve(addresses);
      expect(await outcome(by(sink.port), { resolve })).toMatchObject({ outcome: "sink-refused" });
    }
    expect(sink.connections()).toBe(0);
  });

  test("DNS that changes its mind: asked once a connection, and judged each time", async () => {
    const sink = await answering(204, { connection: "close" });
    const answers = [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]];
    let asked = 0;
    const sinks = client({ resolve: () => Promise.resolve(answers[asked++] ?? []) });
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i++) {
      outcomes.push((await sinks.post(by(sink.port), ENVELOPE, never)).outcome);
    }
    expect(outcomes).toEqual(["delivered", "sink-refused", "delivered", "dns"]);
    expect([asked, sink.connections()]).toEqual([4, 2]);
  });

  test("a name that does not resolve, or takes too long to", async () => {
    const failing = () => Promise.reject(new Error("NXDOMAIN"));
    expect(await outcome(by(1), { resolve: failing })).toMatchObject({ outcome: "dns" });
    const hanging = () => new Promise<string[]>(() => undefined);
    const options = { resolve: hanging, limits: SHORT };
    expect(await outcome(by(1), options)).toMatchObject({ outcome: "dns" });
  });

  test("a redirect to a private address, or to anywhere, is not followed", async () => {
    const inside = await answering(204);
    for (const status of [301, 302, 303, 307, 308]) {
      const sink = await answering(status, { location: inside.url });
      expect(await outcome(sink.url)).toEqual({ outcome: "redirect", status });
    }
    expect(inside.connections()).toBe(0);
  });
});

describe("TLS", () => {
  test("a certificate that nobody vouches for", async () => {
    const sink = await answering(204);
    const policy = { allows: () => true };
    expect(await outcome(sink.url, { policy })).toMatchObject({ outcome: "tls" });
  });

  test("of another name", async () => {
    const other = await ca.issue({ name: "other.example" });
    const sink = await use(startSink(other, (_request, response) => response.end()));
    expect(await outcome(sink.url)).toMatchObject({ outcome: "tls" });
  });

  test("that has expired", async () => {
    const old = await ca.issue({ expired: true });
    const sink = await use(startSink(old, (_request, response) => response.end()));
    expect(await outcome(sink.url)).toMatchObject({ outcome: "tls" });
  });

  test("nothing of the kind: plain HTTP", async () => {
    const sink = await use(startPlainSink((_request, response) => response.end()));
    expect(await outcome(sink.url)).toMatchObject({ outcome: "tls" });
  });
});

describe("slow", () => {
  const limits = SHORT;
  const late = { outcome: "timeout", status: undefined };

  test("no handshake", async () => {
    const sink = await use(startSilentSink());
    expect(await outcome(sink.url, { limits })).toEqual(late);
  });

  test("no answer", async () => {
    const sink = await use(startSink(certificate, () => undefined));
    expect(await outcome(sink.url, { limits })).toEqual(late);
  });

  test("headers that drip, interim answers without end", async () => {
    for (const [first, drop] of [
      ["HTTP/1.1 200 OK\r\n", "x: y\r\n"],
      ["", "HTTP/1.1 103 Early Hints\r\n\r\n"],
    ] as const) {
      const sink = await use(
        startTlsSink(certificate, (socket) => {
          socket.write(first);
          const dripping = setInterval(() => socket.write(drop), 50);
          socket.once("close", () => clearInterval(dripping));
        }),
      );
      expect(await outcome(sink.url, { limits })).toEqual(late);
    }
  });

  test("a body that drips: the status has said it", async () => {
    const sink = await use(
      startSink(certificate, (_request, response) => {
        response.writeHead(200);
        response.write("x");
      }),
    );
    expect(await outcome(sink.url, { limits })).toEqual({ outcome: "delivered", status: 200 });
  });
});

describe("huge or lying", () => {
  test("a body without end is cut off, and the connection with it", async () => {
    const closed = Promise.withResolvers<number>();
    const sink = await use(
      startSink(certificate, (_request, response) => {
        let written = 0;
        const chunk = Buffer.alloc(16 * 1024);
        const pour = (): void => {
          while (response.writable && response.write(chunk)) written += chunk.length;
        };
        response.on("drain", pour).on("close", () => closed.resolve(written));
        response.writeHead(200);
        pour();
      }),
    );
    const limits = { ...SINK_LIMITS, drainBytes: 1024 };
    expect(await outcome(sink.url, { limits })).toEqual({ outcome: "delivered", status: 200 });
    // What was under way, in buffers on both sides; never the whole of it.
    expect(await closed.promise).toBeLessThan(64 * 1024 * 1024);
  });

  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["headers larger than they may be", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(64 * 1024)}\r\n\r\n`],
    [
      "another protocol",
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ],
    ["nothing", ""],
    ["half a status", "HTTP/1.1 2"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
  ])("%s", async (_, answer) => {
    const sink = await use(startTlsSink(certificate, (socket) => socket.end(answer)));
    expect(await outcome(sink.url)).toEqual({ outcome: "protocol", status: undefined });
  });

  test("less than was promised: the status has said it", async () => {
    const answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort";
    const sink = await use(startTlsSink(certificate, (socket) => socket.end(answer)));
    expect(await outcome(sink.url)).toEqual({ outcome: "delivered", status: 200 });
  });
});

test("nobody there", async () => {
  const sink = await startSilentSink();
  await sink[Symbol.asyncDispose]();
  expect(await outcome(sink.url)).toEqual({ outcome: "connect", status: undefined });
});

test("connections are kept, and one that has gone meanwhile is made anew", async () => {
  const servers: { destroy(): void }[] = [];
  const sink = await use(
    startSink(certificate, (request, response) => {
      servers.push(request.socket);
      request.resume().on("end", () => response.writeHead(204).end());
    }),
  );
  const sinks = client();
  for (let i = 0; i < 3; i++) {
    expect(await sinks.post(sink.url, ENVELOPE, never)).toMatchObject({ outcome: "delivered" });
  }
  expect(sink.connections()).toBe(1);
  servers[0]?.destroy();
  expect(await sinks.post(sink.url, ENVELOPE, never)).toMatchObject({ outcome: "delivered" });
  expect(sink.connections()).toBe(2);
});

test("a stop breaks off what is under way", async () => {
  const stop = new AbortController();
  const sink = await use(startSink(certificate, () => stop.abort()));
  await expect(client().post(sink.url, ENVELOPE, stop.signal)).rejects.toThrow(/abort/i);
});
