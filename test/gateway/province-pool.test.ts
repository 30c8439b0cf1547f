// The gateway's connections while the roster changes. Failure: a call under the epoch before that fails because its province has
// left or moved; a connection that is never let go; a province shown by what its old address does.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import type { EpochView } from "../../consent/verifier.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { silentLogger } from "../../core/log.ts";
import { ProvincePool } from "../../gateway/province-pool.ts";
import {
  bindServer,
  type BoundServer,
  ProvinceNodeStub,
  provinceRole,
  readTlsIdentity,
  serverCredentials,
  unaryMethod,
} from "../../proto/index.ts";

const code = ProvinceCode.parse("51");
const folder = mkdtempSync(join(tmpdir(), "wjf-pool-"));
const request = {
  descriptor: Buffer.from("{}"),
  credentials: [{ token: "", proof: "", body: Buffer.alloc(0) }],
};
const reply = {
  ciphertext: Buffer.alloc(100),
  receipt: { statement: Buffer.from("{}"), signature: Buffer.alloc(64) },
};
let node: BoundServer;

beforeAll(async () => {
  const ca = await createDevelopmentCa(join(folder, "ca"), Date.now());
  await issueCertificate(ca, "gateway", join(folder, "gateway"), Date.now());
  await issueCertificate(ca, provinceRole(code), join(folder, "node"), Date.now());
  const server = new Server();
  server.addService(ProvinceNodeStub.service, {
    Evaluate: unaryMethod(async () => reply, silentLogger),
  });
  const credentials = serverCredentials(readTlsIdentity(join(folder, "node")));
  node = await bindServer(server, "127.0.0.1:0", credentials);
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function epoch(...endpoints: string[]): EpochView {
  return { roster: { provinces: endpoints.map((endpoint) => ({ code, endpoint })) } } as never;
}

/** Nobody listens there. */
const ELSEWHERE = "127.0.0.1:1";

test.each([
  ["has left", epoch()],
  ["has moved", epoch(ELSEWHERE)],
])("a call under the epoch before is answered though its province %s", async (_, next) => {
  let nowMs = 0;
  using pool = new ProvincePool(readTlsIdentity(join(folder, "gateway")), { nowMs: () => nowMs });
  const before = epoch(`127.0.0.1:${node.port}`);
  const ask = async () => pool.evaluate(code, before, request, 5000, () => undefined);
  // Not connected yet, as after a start: the call waits for it.
  const waiting = ask();
  pool.keepConnected(next);
  expect(await waiting).toEqual(reply);
  expect(await ask()).toEqual(reply);
  expect(pool.state(code)).not.toBe("up");
  nowMs = 299_999;
  pool.keepConnected(next);
  const late = ask();
  nowMs = 300_000;
  pool.keepConnected(next);
  // By then no fan-out of that epoch can be under way.
  await expect(late).rejects.toMatchObject({ code: "federation-unavailable" });
});

test("a province that is back is one that was never gone", async () => {
  let nowMs = 0;
  using pool = new ProvincePool(readTlsIdentity(join(folder, "gateway")), { nowMs: () => nowMs });
  const member = epoch(`127.0.0.1:${node.port}`);
  await pool.evaluate(code, member, request, 5000, () => undefined);
  pool.keepConnected(epoch());
  expect(pool.state(code)).toBe("unknown");
  pool.keepConnected(member);
  expect(pool.state(code)).toBe("up");
  nowMs = 600_000;
  pool.keepConnected(member);
  expect(pool.state(code)).toBe("up");
});
