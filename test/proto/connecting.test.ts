// A party that goes silent while it is being connected to, or with which TLS fails later, is called again: with grpc-js alone each of these
// ends all calls for ever.
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createServer, type TLSSocket } from "node:tls";
import { Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import { ProvinceCode } from "../../core/ids.ts";
import {
  bindServer,
  type BoundServer,
  clientSecurity,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  type Role,
  serverCredentials,
  type TlsIdentity,
} from "../../proto/index.ts";
import { Link } from "../fault/link.ts";

const role = provinceRole(ProvinceCode.parse("51"));
const folder = mkdtempSync(join(tmpdir(), "wjf-channel-"));

let caller: TlsIdentity;
let party: TlsIdentity;
let bound: BoundServer;

beforeAll(async () => {
  const ca = await createDevelopmentCa(join(folder, "ca"), Date.now());
  const issue = async (of: Role): Promise<TlsIdentity> => {
    await issueCertificate(ca, of, join(folder, of), Date.now());
    return readTlsIdentity(join(folder, of));
  };
  [caller, party] = [await issue("gateway"), await issue(role)];
  const server = new Server();
  server.addService(ProvinceNodeStub.service, {
    Evaluate: (_call: unknown, done: (error: null, reply: object) => void) => done(null, {}),
  });
  bound = await bindServer(server, "127.0.0.1:0", serverCredentials(party));
});
afterAll(async () => {
  await bound[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Agrees on TLS as the party does, and says nothing more. */
async function mute() {
  const { ca, certificate: cert, key } = party;
  const sockets = new Set<TLSSocket>();
  const options = { ca, cert, key, requestCert: true, ALPNProtocols: ["h2"] };
  const server = createServer(options, (socket) => {
    sockets.add(socket.on("error", () => undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

type Caller = InstanceType<typeof ProvinceNodeStub>;

async function call(client: Caller, withinMs: number): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const options = { deadline: Date.now() + withinMs };
  client["Evaluate"]?.({}, options, (error: unknown, reply: unknown) => {
    if (error) reject(error);
    else resolve(reply);
  });
  return await promise;
}

async function expectCalledAgain(link: Link, client: Caller): Promise<void> {
  link.target = bound.port;
  for (;;) {
    const reply = await call(client, 1000).catch(() => undefined);
    if (reply !== undefined) return;
    await setTimeout(10);
  }
}

async function calling(connectedWithinMs: number) {
  const link = await Link.open();
  const { credentials, options } = clientSecurity(caller, role, connectedWithinMs);
  const client = new ProvinceNodeStub(link.endpoint, credentials, options);
  return {
    link,
    client,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await link[Symbol.asyncDispose]();
    },
  };
}

test("a connection is accepted, and nothing follows", async () => {
  await using called = await calling(50);
  const { link, client } = called;
  {
    using _hung = link.inject("never answered");
    await expect(call(client, 300)).rejects.toThrow();
  }
  await expectCalledAgain(link, client);
});

test("TLS is agreed on, and nothing follows", async () => {
  using silent = await mute();
  await using called = await calling(50);
  const { link, client } = called;
  link.target = silent.port;
  await expect(call(client, 300)).rejects.toThrow();
  await expectCalledAgain(link, client);
});

test("a connection that is made is left alone", async () => {
  await using called = await calling(50);
  const { link, client } = called;
  await expectCalledAgain(link, client);
  using _noOther = link.inject("refused");
  const limitIsOver = performance.now() + 100;
  while (performance.now() < limitIsOver) expect(await call(client, 10_000)).toBeDefined();
});

test.each(["flipped", "repeated", "swapped", "lost"] as const)(
  "a piece of a connection that is made is %s",
  async (kind) => {
    await using called = await calling(10_000);
    const { link, client } = called;
    await expectCalledAgain(link, client);
    for (const way of ["there", "back"] as const) {
      using _fault = link.inject({ kind, way, afterBytes: 0 });
      await expect(call(client, 100)).rejects.toThrow();
      await expectCalledAgain(link, client);
    }
  },
);
