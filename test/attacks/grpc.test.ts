// gRPC between the parties against a peer that holds a good certificate: messages that are too large, also once they are
// decompressed, and too many calls on one connection. The real node service with its
// real limits; nothing of its work is reached.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChannelOptions, ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { silentLogger } from "../../core/log.ts";
import {
  clientSecurity,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  serverLimits,
  type TlsIdentity,
} from "../../proto/index.ts";
import { type NodeServer, serveNode } from "../../province-node/server.ts";

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "wjf-grpc-"));
const role = provinceRole(ProvinceCode.parse("51"));
let gateway: TlsIdentity;
let server: NodeServer;
let reached = 0;

beforeAll(async () => {
  const ca = await createDevelopmentCa(join(folder, "ca"), Date.now());
  for (const party of ["gateway", role] as const) {
    await issueCertificate(ca, party, join(folder, party), Date.now());
  }
  gateway = readTlsIdentity(join(folder, "gateway"));
  const held = Promise.withResolvers<never>();
  const answerer = {
    answer: () => {
      reached++;
      return held.promise;
    },
  };
  server = await serveNode(
    { single: answerer, batch: answerer, prepare: () => false, isDrained: () => false } as never,
    readTlsIdentity(join(folder, role)),
    "127.0.0.1:0",
    silentLogger,
  );
});
afterAll(async () => {
  const stopping = server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
  await stopping;
});

/** A client that has no limits itself. */
function connect(options: ChannelOptions = {}) {
  const security = clientSecurity(gateway, role);
  return new ProvinceNodeStub(`127.0.0.1:${server.port}`, security.credentials, {
    ...security.options,
    "grpc.max_send_message_length": -1,
    ...options,
  });
}

/** gRPC's own code for one call. */
async function evaluate(
  connection: ReturnType<typeof connect>,
  descriptor: Buffer,
  timeoutMs = 5000,
): Promise<number | undefined> {
  const call = connection["Evaluate"] as unknown as (
    request: object,
    options: { deadline: number },
    done: (error: ServiceError | null) => void,
  ) => void;
  const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
  const credentials = [{ token: "", proof: "", body: Buffer.alloc(0) }];
  const deadline = Date.now() + timeoutMs;
  call.call(connection, { descriptor, credentials }, { deadline }, resolve);
  return (await promise)?.code;
}

async function callOnce(descriptor: Buffer, options: ChannelOptions = {}) {
  const connection = connect(options);
  const code = await evaluate(connection, descriptor);
  connection.close();
  return code;
}

const RESOURCE_EXHAUSTED = 8;

test("a message that is larger than any of ours is refused unread", async () => {
  expect(await callOnce(Buffer.alloc(17 * MIB))).toBe(RESOURCE_EXHAUSTED);
  expect(reached).toBe(0);
});

test("a small message that becomes a large one is refused while it grows", async () => {
  const gzip = { "grpc.default_compression_algorithm": 2 };
  expect(await callOnce(Buffer.alloc(64 * MIB), gzip)).toBe(RESOURCE_EXHAUSTED);
  expect(reached).toBe(0);
});

test("one connection has so many calls under way, and not one more", async () => {
  const connection = connect();
  const streams = serverLimits["grpc.max_concurrent_streams"] as number;
  const codes = Array.from({ length: streams + 50 }, () =>
    evaluate(connection, Buffer.of(1), 1500),
  );
  // All that may come are here before the first is over; none ever is, but by its deadline.
  await Promise.race(codes);
  expect(reached).toBe(streams);
  await Promise.all(codes);
  connection.close();
});
