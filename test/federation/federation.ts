// A whole federation in one process, for tests: the real ceremony, mutual TLS, gRPC, cryptography and stores, over a
// generated sandbox, on free ports. Consents are given by the lifecycle directly and tokens signed with the authority's
// own key, so that a test can also make tokens that are wrong in one respect.
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCatalogue } from "../../catalogue/index.ts";
import { partyFolder, readSettings, type Settings } from "../../core/config.ts";
import { PROVINCES, type Province } from "../../core/provinces.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { createLogger, type Logger, silentLogger } from "../../core/log.ts";
import type { RosterProvince } from "../../crypto/index.ts";
import { performCeremony } from "../../cli/ceremony.ts";
import { writeRosterChange } from "../../consent/roster-change.ts";
import { startAuthority, type RunningAuthority } from "../../consent/start.ts";
import { startGateway, type RunningGateway } from "../../gateway/index.ts";
import { startProvinceNode } from "../../province-node/index.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import { generateSandbox, type TruthPerson } from "../../province-node/sandbox/generate.ts";

export const ASOF = "2026-11-01";

export interface Federation extends AsyncDisposable {
  readonly settings: Settings;
  readonly provinces: readonly Province[];
  /** What the roster says, or would say, of each. */
  readonly enrolments: readonly RosterProvince[];
  readonly authority: RunningAuthority;
  readonly gateway: RunningGateway;
  readonly truth: readonly TruthPerson[];
  /** Stops one province's node. */
  stopNode(code: string): Promise<void>;
}

export interface FederationOptions {
  readonly provinces?: number;
  readonly peoplePerProvince?: number;
  /** Of the provinces, so many of the last are up with their people, but not in the roster at first. */
  readonly outside?: number;
  readonly log?: Logger;
  readonly environment?: NodeJS.ProcessEnv;
  /** Changes a province's raw tables before they are loaded. */
  readonly plant?: (rawFolder: string, code: string) => void;
  /** Starts a province's node some other way; undefined: as it is. */
  readonly startNode?: (code: string, settings: Settings) => Promise<AsyncDisposable | undefined>;
  /** Starts the gateway some other way: as a process of its own. */
  readonly startGateway?: (settings: Settings, log: Logger) => Promise<RunningGateway>;
}

export async function startFederation(options: FederationOptions = {}): Promise<Federation> {
  await using resources = new AsyncDisposableStack();
  const home = mkdtempSync(join(tmpdir(), "wjf-"));
  resources.defer(() => rmSync(home, { recursive: true, force: true }));
  const provinces = PROVINCES.slice(0, options.provinces ?? 3);
  const log =
    options.log ?? (process.env["WJF_TEST_LOG"] ? createLogger({ service: "test" }) : silentLogger);
  const [gateway, http, grpc, ...nodes] = await freePorts(3 + provinces.length);
  const environment = {
    WJF_HOME: home,
    WJF_GATEWAY_PORT: String(gateway),
    WJF_AUTHORITY_PORT: String(http),
    WJF_AUTHORITY_GRPC_PORT: String(grpc),
    // A busy machine is not a missing province.
    WJF_FAN_OUT_TIMEOUT_MS: "30000",
    ...options.environment,
  };
  const settings = readSettings(environment);
  const portOf = new Map(provinces.map(({ code }, i) => [code, nodes[i] as number]));
  const { provinces: enrolments } = await performCeremony({
    settings,
    provinces,
    endpoint: ({ code }) => `127.0.0.1:${portOf.get(code)}`,
    nowMs: Date.now(),
  });
  for (const { code } of provinces.slice(provinces.length - (options.outside ?? 0))) {
    writeRosterChange(partyFolder(home, "authority"), { kind: "leave", code });
  }
  const truth = await loadSandbox(settings, provinces, options);
  const authority = resources.use(await startAuthority(settings, log));
  const running = new Map<string, AsyncDisposable>();
  resources.defer(async () => {
    await Promise.all([...running.values()].map((node) => node[Symbol.asyncDispose]()));
  });
  for (const { code } of provinces) {
    const nodeSettings = { ...settings, nodeBasePort: (portOf.get(code) as number) - Number(code) };
    const folder = partyFolder(home, code);
    const other = await options.startNode?.(code, nodeSettings);
    running.set(code, other ?? (await startProvinceNode(code, folder, nodeSettings, log)));
  }
  const gatewayService = resources.use(await (options.startGateway ?? startGateway)(settings, log));
  await waitReady(gatewayService.url);
  const owned = resources.move();
  return {
    settings,
    provinces,
    enrolments,
    authority,
    gateway: gatewayService,
    truth,
    async stopNode(code) {
      const node = running.get(code);
      running.delete(code);
      await node?.[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Everybody who is in the provinces. */
export async function loadSandbox(
  settings: Settings,
  provinces: readonly Province[],
  { peoplePerProvince = 20, plant }: FederationOptions,
): Promise<TruthPerson[]> {
  const raw = join(settings.home, "sandbox");
  const codes = provinces.map(({ code }) => code);
  await generateSandbox({ seed: 7, peoplePerProvince, outDir: raw, asof: ASOF, provinces: codes });
  for (const code of codes) {
    const folder = partyFolder(settings.home, code);
    plant?.(join(raw, code), code);
    await loadProvince({
      rawDir: join(raw, code),
      storePath: join(folder, "store.db"),
      rejectsDir: join(folder, "rejects"),
      subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
      asof: ASOF,
      catalogue: loadCatalogue(),
    });
  }
  const lines = readFileSync(join(raw, "truth", "people.ndjson"), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as TruthPerson);
}

/** Waits until the gateway has the epoch and the status lists; polls, because readiness is what is under test. */
async function waitReady(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    await response.body?.cancel();
    if (response.ok) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export function sha256Base64url(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("base64url");
}

export { randomUUID };
