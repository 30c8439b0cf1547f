// A gRPC server over mutual TLS: it binds or says why not, lets running calls finish, and tells who calls.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { silentLogger } from "../../core/log.ts";
import {
  bindServer,
  ProvinceNodeClient,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  requirePeer,
  type Role,
  serverCredentials,
  type TlsIdentity,
  unaryMethod,
} from "../../proto/index.ts";

const folder = mkdtempSync(join(tmpdir(), "wjf-proto-"));
const node = provinceRole(ProvinceCode.parse("51"));
const request = {
  descriptor: Buffer.from("{}"),
  credentials: [{ token: "", proof: "", body: Buffer.alloc(0) }],
};
const reply = {
  ciphertext: Buffer.alloc(100),
  receipt: { statement: Buffer.from("{}"), signature: Buffer.alloc(64) },
};
let identities: Record<"gateway" | "authority" | "node", TlsIdentity>;

beforeAll(async () => {
  const ca = await createDevelopmentCa(join(folder, "ca"), Date.now());
  const issue = async (role: Role): Promise<TlsIdentity> => {
    await issueCertificate(ca, role, join(folder, role), Date.now());
    return readTlsIdentity(join(folder, role));
  };
  identities = {
    gateway: await issue("gateway"),
    authority: await issue("authority"),
    node: await issue(node),
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A node that answers as told, and whom it thinks is calling. */
async function serve(work: () => Promise<object> = async () => reply, drainMs?: number) {
  const callers: string[] = [];
  const server = new Server();
  server.addService(ProvinceNodeStub.service, {
    Evaluate: unaryMethod(async (call) => {
      callers.push(requirePeer(call, (name) => name.startsWith("gateway.")));
      return await work();
    }, silentLogger),
  });
  const credentials = serverCredentials(identities.node);
  const bound = await bindServer(server, "127.0.0.1:0", credentials, drainMs);
  return { bound, callers, endpoint: `127.0.0.1:${bound.port}` };
}

test("a caller is who its certificate says, and nobody else may", async () => {
  const { bound, callers, endpoint } = await serve();
  await using _bound = bound;
  using gateway = new ProvinceNodeClient(endpoint, node, identities.gateway);
  expect(await gateway.evaluate(request, 5000)).toEqual(reply);
  expect(callers).toEqual(["gateway.weijifen.internal"]);
  using authority = new ProvinceNodeClient(endpoint, node, identities.authority);
  await expect(authority.evaluate(request, 5000)).rejects.toEqual(
    expect.objectContaining({ code: "peer-unauthorised" }),
  );
  expect(callers).toHaveLength(1);
});

test("a server is who its certificate says: another role is not talked to", async () => {
  const { bound, callers, endpoint } = await serve();
  await using _bound = bound;
  for (const role of ["authority", provinceRole(ProvinceCode.parse("11"))] as const) {
    using client = new ProvinceNodeClient(endpoint, role, identities.gateway);
    await expect(client.evaluate(request, 3000)).rejects.toEqual(
      expect.objectContaining({ code: "federation-unavailable" }),
    );
  }
  expect(callers).toEqual([]);
});

describe("names in a certificate", () => {
  const peer = (subjectaltname: string | undefined) => ({
    getAuthContext: () => ({ sslPeerCertificate: { subjectaltname } }) as never,
  });
  const gateway = (name: string): boolean => name === "gateway.weijifen.internal";

  test("one of several is enough; only DNS names count; none is nobody", () => {
    const found = requirePeer(peer("DNS:a.example, DNS:gateway.weijifen.internal"), gateway);
    expect(found).toBe("gateway.weijifen.internal");
    for (const names of [
      undefined,
      "",
      "DNS:a.example",
      "URI:gateway.weijifen.internal",
      "email:gateway.weijifen.internal",
      "DNS:xgateway.weijifen.internal",
      'DNS:"a, DNS:b, gateway.weijifen.internal"',
    ]) {
      expect(() => requirePeer(peer(names), gateway)).toThrow(
        expect.objectContaining({ code: "peer-unauthorised" }),
      );
    }
  });
});

test("a port that is taken is said to be, with its address", async () => {
  const { bound, endpoint } = await serve();
  await using _bound = bound;
  const second = bindServer(new Server(), endpoint, serverCredentials(identities.node));
  await expect(second).rejects.toEqual(
    expect.objectContaining({ code: "port-in-use", detail: endpoint }),
  );
});

test("stopping lets a running call finish", async () => {
  const held = Promise.withResolvers<object>();
  const begun = Promise.withResolvers<void>();
  const { bound, endpoint } = await serve(() => {
    begun.resolve();
    return held.promise;
  });
  using client = new ProvinceNodeClient(endpoint, node, identities.gateway);
  const answer = client.evaluate(request, 10_000);
  await begun.promise;
  const stopped = bound[Symbol.asyncDispose]();
  held.resolve(reply);
  expect(await answer).toEqual(reply);
  await stopped;
  await expect(client.evaluate(request, 1000)).rejects.toThrow();
});

test("stopping does not wait for who has connected and says nothing", async () => {
  const { bound } = await serve(undefined, 50);
  const silent = connect(bound.port, "127.0.0.1");
  await once(silent, "connect");
  await bound[Symbol.asyncDispose]();
  silent.destroy();
});

test("a call has a deadline, and a late answer is told as late", async () => {
  const held = Promise.withResolvers<object>();
  const { bound, endpoint } = await serve(() => held.promise);
  await using _bound = bound;
  using client = new ProvinceNodeClient(endpoint, node, identities.gateway);
  await expect(client.evaluate(request, 100)).rejects.toEqual(
    expect.objectContaining({ code: "deadline-exceeded" }),
  );
  held.resolve(reply);
});

test("a reply that is not one is not believed", async () => {
  const { bound, endpoint } = await serve(async () => ({ ciphertext: Buffer.alloc(10) }));
  await using _bound = bound;
  using client = new ProvinceNodeClient(endpoint, node, identities.gateway);
  await expect(client.evaluate(request, 5000)).rejects.toEqual(
    expect.objectContaining({ code: "ciphertext-invalid" }),
  );
});
