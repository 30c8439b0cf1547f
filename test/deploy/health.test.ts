// deploy/health.ts against real listeners: which party it finds, and that it tells a serving one from one that is down,
// answers badly, or is somebody else.
import { mkdtempDisposableSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import { nodePort, partyFolder, readSettings } from "../../core/config.ts";
import { ProvinceCode } from "../../core/ids.ts";
import { checkHealth, findParty } from "../../deploy/health.ts";
import {
  type BoundServer,
  bindServer,
  provinceRole,
  readTlsIdentity,
  serverCredentials,
} from "../../proto/index.ts";

const SICHUAN = ProvinceCode.parse("51");
const TIANJIN = ProvinceCode.parse("12");
const home = mkdtempDisposableSync(join(tmpdir(), "wjf-health-"));
const secrets = (code: ProvinceCode): string => join(partyFolder(home.path, code), "secrets");
let node: BoundServer;

beforeAll(async () => {
  const nowMs = Date.now();
  const ca = await createDevelopmentCa(join(home.path, "ca"), nowMs);
  for (const code of [SICHUAN, TIANJIN]) {
    await issueCertificate(ca, provinceRole(code), secrets(code), nowMs);
  }
  const credentials = serverCredentials(readTlsIdentity(secrets(SICHUAN)));
  node = await bindServer(new Server(), "127.0.0.1:0", credentials);
});

afterAll(async () => {
  await node[Symbol.asyncDispose]();
  home.remove();
});

describe("a province node", () => {
  test("is found by its certificate, at its own port", async () => {
    using alone = mkdtempDisposableSync(join(tmpdir(), "wjf-health-"));
    const ca = await createDevelopmentCa(join(alone.path, "ca"), Date.now());
    const folder = join(partyFolder(alone.path, SICHUAN), "secrets");
    expect(findParty({ WJF_HOME: alone.path })).toBeUndefined();
    await issueCertificate(ca, provinceRole(SICHUAN), folder, Date.now());
    const port = nodePort(readSettings({}), SICHUAN);
    expect(findParty({ WJF_HOME: alone.path })).toEqual({ party: "p51", secrets: folder, port });
  });

  test("is healthy when it completes a mutual handshake in its own name", async () => {
    const target = { party: "p51", secrets: secrets(SICHUAN), port: node.port };
    await expect(checkHealth(target)).resolves.toBeUndefined();
  });

  test("is not when another party answers at its port", async () => {
    const target = { party: "p12", secrets: secrets(TIANJIN), port: node.port };
    await expect(checkHealth(target)).rejects.toMatchObject({
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  });

  test("is not when its certificate is of a CA that the server does not know", async () => {
    using foreign = mkdtempDisposableSync(join(tmpdir(), "wjf-health-"));
    const ca = await createDevelopmentCa(join(foreign.path, "ca"), Date.now());
    await issueCertificate(ca, provinceRole(SICHUAN), foreign.path, Date.now());
    const target = { party: "p51", secrets: foreign.path, port: node.port };
    await expect(checkHealth(target)).rejects.toThrow();
  });
});

describe("an HTTP party", () => {
  /** Answers every request with a status. */
  async function answering(status: number): Promise<HttpServer> {
    const server = createServer((_request, response) => response.writeHead(status).end());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  }

  test.each([
    [200, true],
    [503, false],
  ])("that answers %i is healthy: %s", async (status, healthy) => {
    await using server = await answering(status);
    const { port } = server.address() as AddressInfo;
    const check = checkHealth({ party: "gateway", secrets: "", port });
    if (healthy) await expect(check).resolves.toBeUndefined();
    else await expect(check).rejects.toThrow("503");
  });

  test("that is down is not healthy", async () => {
    const server = await answering(200);
    const { port } = server.address() as AddressInfo;
    await server[Symbol.asyncDispose]();
    const check = checkHealth({ party: "authority", secrets: "", port });
    await expect(check).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});
