// Certificates that are renewed under running servers and clients. Failure: a new connection on the old certificate, a call
// that fails at the change, unfit files that are taken, or that end what runs.
import { X509Certificate } from "node:crypto";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate, openDevelopmentCa } from "../../cli/dev-ca.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { silentLogger } from "../../core/log.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";
import {
  bindServer,
  ProvinceNodeClient,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  type Role,
  roleName,
  serverCredentials,
  TlsFiles,
  unaryMethod,
} from "../../proto/index.ts";

const DAY_MS = 86_400_000;
const role = provinceRole(ProvinceCode.parse("51"));
const folder = mkdtempSync(join(tmpdir(), "wjf-tls-"));
const node = join(folder, "node");
const gateway = join(folder, "gateway");
const request = {
  descriptor: Buffer.from("{}"),
  credentials: [{ token: "", proof: "", body: Buffer.alloc(0) }],
};
const reply = {
  ciphertext: Buffer.alloc(100),
  receipt: { statement: Buffer.from("{}"), signature: Buffer.alloc(64) },
};

async function issue(to: Role, place: string, nowMs = Date.now()): Promise<void> {
  await issueCertificate(await openDevelopmentCa(join(folder, "ca")), to, place, nowMs);
}

beforeAll(async () => void (await createDevelopmentCa(join(folder, "ca"), Date.now())));
beforeEach(async () => {
  await issue(role, node);
  await issue("gateway", gateway);
});
afterAll(() => rmSync(folder, { recursive: true }));

function serialOf(place: string): string {
  return new X509Certificate(readSecretFile(join(place, "tls.crt"))).serialNumber;
}

/** The certificate that a new connection is shown. */
async function shownSerial(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { ca, certificate: cert, key } = readTlsIdentity(gateway);
  const socket = connect({ port, ca, cert, key, servername: roleName(role) }, () =>
    resolve(socket.getPeerX509Certificate()?.serialNumber ?? ""),
  );
  socket.on("error", reject);
  return await promise.finally(() => socket.destroy());
}

/** A node on renewed files, and the serial numbers of those who called it. */
async function serve(files: TlsFiles) {
  const callers: string[] = [];
  const server = new Server();
  server.addService(ProvinceNodeStub.service, {
    Evaluate: unaryMethod(async (call) => {
      callers.push(call.getAuthContext().sslPeerCertificate?.serialNumber ?? "");
      return reply;
    }, silentLogger),
  });
  return { bound: await bindServer(server, "127.0.0.1:0", serverCredentials(files)), callers };
}

test("server and client take new files for the next connection; the one that stands goes on", async () => {
  using nodeFiles = await TlsFiles.open(node, role, silentLogger);
  using gatewayFiles = await TlsFiles.open(gateway, "gateway", silentLogger);
  const { bound, callers } = await serve(nodeFiles);
  await using _bound = bound;
  const endpoint = `127.0.0.1:${bound.port}`;
  const first = [serialOf(node), serialOf(gateway)];
  using standing = new ProvinceNodeClient(endpoint, role, gatewayFiles);
  expect(await standing.evaluate(request, 5000)).toEqual(reply);
  expect(await shownSerial(bound.port)).toBe(first[0]);
  await issue(role, node);
  await issue("gateway", gateway);
  expect(await nodeFiles.refresh()).toBe(true);
  expect(await gatewayFiles.refresh()).toBe(true);
  expect(await standing.evaluate(request, 5000)).toEqual(reply);
  expect(await shownSerial(bound.port)).toBe(serialOf(node));
  // gRPC shares connections between clients: another server, another connection.
  const other = await serve(nodeFiles);
  await using _other = other.bound;
  using fresh = new ProvinceNodeClient(`127.0.0.1:${other.bound.port}`, role, gatewayFiles);
  expect(await fresh.evaluate(request, 5000)).toEqual(reply);
  expect(callers).toEqual([first[1], first[1]]);
  expect(other.callers).toEqual([serialOf(gateway)]);
  expect(new Set([...first, serialOf(node), serialOf(gateway)]).size).toBe(4);
  expect(await nodeFiles.refresh()).toBe(false);
});

const UNFIT: Record<string, (place: string) => Promise<void> | void> = {
  "a certificate of another key": async (place) => {
    await issue(role, join(folder, "other"));
    cpSync(join(folder, "other", "tls.crt"), join(place, "tls.crt"));
  },
  "half a file": (place) =>
    writeFileSync(join(place, "tls.crt"), readSecretFile(join(place, "tls.crt")).subarray(0, 200)),
  "another party's certificate": async (place) => issue("authority", place),
  "one that is over": async (place) => issue(role, place, Date.now() - 1000 * DAY_MS),
  "one that has not begun": async (place) => issue(role, place, Date.now() + 2 * DAY_MS),
  "one of another CA": async (place) => {
    const stranger = await createDevelopmentCa(join(folder, "stranger"), Date.now());
    const { ca } = readTlsIdentity(place);
    await issueCertificate(stranger, role, place, Date.now());
    writeSecretFile(join(place, "ca.crt"), ca);
  },
  "a key that others may read": async (place) => {
    await issue(role, place);
    chmodSync(join(place, "tls.key"), 0o644);
  },
  "no key": (place) => rmSync(join(place, "tls.key")),
};

for (const [name, spoil] of Object.entries(UNFIT)) {
  test(`unfit is not taken: ${name}`, async () => {
    const lines: string[] = [];
    const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
    using files = await TlsFiles.open(node, role, log);
    const { bound } = await serve(files);
    await using _bound = bound;
    const before = serialOf(node);
    await spoil(node);
    expect(await files.refresh()).toBe(false);
    // It may have been half-written.
    expect(lines).toEqual([]);
    for (let look = 0; look < 3; look++) expect(await files.refresh()).toBe(false);
    expect(lines.map((line) => JSON.parse(line).alert)).toEqual(["certificate"]);
    expect(lines.join("")).not.toContain("PRIVATE KEY");
    expect(await shownSerial(bound.port)).toBe(before);
    await expect(TlsFiles.open(node, role, log)).rejects.toMatchObject({
      code: expect.stringMatching(/^(config-invalid|secret-missing)$/),
    });
    await issue(role, node);
    expect(await files.refresh()).toBe(true);
    expect(await shownSerial(bound.port)).toBe(serialOf(node));
  });
}
