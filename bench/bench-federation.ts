// A whole federation in processes of its own, real or plaintext twin, with an institution that has consents in hand: what
// the end-to-end benchmarks measure. Lives in a temporary folder, on free ports.
import { type ChildProcess, spawn } from "node:child_process";
import { createPrivateKey, randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { loadCatalogue } from "../catalogue/index.ts";
import { sha256Base64url } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import { cacheFolder, partyFolder, readSettings, type Settings } from "../core/config.ts";
import type { ProductRef, ProvinceCode } from "../core/ids.ts";
import { NODE_V8_FLAGS } from "../core/process.ts";
import { PROVINCES } from "../core/provinces.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { normaliseMsisdn, PrivateP256Jwk, sealSubject, subjectTag } from "../crypto/index.ts";
import { addClient, DEFAULT_LIMITS } from "../consent/clients.ts";
import type { QueryAuthorization } from "../consent/consent-claims.ts";
import { consentTables } from "../consent/ledger.ts";
import { ConsentOperator } from "../consent/operator.ts";
import { type AuthoritySecrets, readAuthoritySecrets } from "../consent/secrets.ts";
import { bundleProvinceNode } from "../cli/bundle.ts";
import { performCeremony } from "../cli/ceremony.ts";
import { generateSandbox, loadProvince, type TruthPerson } from "../province-node/index.ts";
import { keptAgent, prepareOne, send } from "./asking.ts";
import { buildStore } from "./store.ts";

export const ASOF = "2026-11-01";
const PURPOSE = "dpv:CreditChecking";
/** What a consent allows unless a benchmark says otherwise. */
export const SCORES: QueryAuthorization = {
  type: "weijifen_query",
  actions: ["credit-score@1" as ProductRef],
  fetch: "ONETIME",
  max_uses: 100_000,
  result: "score",
  retention: { unit: "DAY", value: 1 },
  term: { unit: "DAY", value: 1 },
};

export interface BenchFederationOptions {
  readonly provinces: number;
  readonly peoplePerProvince: number;
  /** Persons with a consent that can be asked about. */
  readonly consents: number;
  /** Of each consent; credit-score@1 has to be among its products: with it the federation is found ready. */
  readonly terms?: QueryAuthorization;
  readonly twin: boolean;
  /** Each province's store is filled up to this many with made-up people. */
  readonly storePeople?: number;
  /** Puts a connection of its own before a party's gRPC port, for the gateway. @returns the port that leads there. */
  readonly link?: (party: "authority" | ProvinceCode, port: number) => Promise<number>;
  readonly environment?: NodeJS.ProcessEnv;
}

/** A consent token and the key it is bound to. */
export interface Asker {
  readonly token: string;
  /** @param atMs the time that it bears. */
  proof(body: string, atMs: number): Promise<string>;
}

export type SignDpop = (claims: Record<string, unknown>) => Promise<string>;

interface Consented {
  readonly askers: readonly Asker[];
  readonly sign: SignDpop;
  readonly signingKey: PrivateP256Jwk;
}

interface StartedProcesses {
  readonly processes: ChildProcess[];
  readonly starters: readonly (() => ChildProcess)[];
}

/** Processor time, microseconds: of the authority, all nodes together, the gateway. */
export interface CpuShares {
  readonly authority: number;
  readonly nodes: number;
  readonly gateway: number;
}

/** Below what may wait for the audit log. */
const CONSENTS_AT_ONCE = 2000;

export class BenchFederation implements AsyncDisposable {
  readonly settings: Settings;
  readonly askers: readonly Asker[];
  /** Signs DPoP claims with the key that every token is bound to. */
  readonly sign: SignDpop;
  /** That key. */
  readonly signingKey: PrivateP256Jwk;
  readonly #started: StartedProcesses;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    settings: Settings,
    { askers, sign, signingKey }: Consented,
    started: StartedProcesses,
    resources: AsyncDisposableStack,
  ) {
    this.settings = settings;
    this.askers = askers;
    this.sign = sign;
    this.signingKey = signingKey;
    this.#started = started;
    this.#resources = resources;
  }

  static async start(options: BenchFederationOptions): Promise<BenchFederation> {
    await using resources = new AsyncDisposableStack();
    const home = mkdtempSync(join(tmpdir(), "wjf-bench-"));
    resources.defer(() => rmSync(home, { recursive: true, force: true }));
    const provinces = PROVINCES.slice(0, options.provinces);
    const [gateway, http, grpc, ...nodes] = await freePorts(3 + provinces.length);
    const environment = {
      WJF_HOME: home,
      WJF_GATEWAY_PORT: String(gateway),
      WJF_AUTHORITY_PORT: String(http),
      WJF_AUTHORITY_GRPC_PORT: String(grpc),
      WJF_LOG_LEVEL: "warn",
      // Dozens of processes on few cores take their time, and the time limit would be measured instead.
      WJF_FAN_OUT_TIMEOUT_MS: "60000",
      // As `wjf up` starts them: otherwise the memory of a compiler would be measured with each.
      NODE_COMPILE_CACHE: cacheFolder(home),
      ...options.environment,
    };
    const settings = readSettings(environment);
    const ports = new Map(provinces.map(({ code }, i) => [code, nodes[i] as number]));
    const link = options.link ?? (async (_party, port) => port);
    const reached = new Map<string, number>();
    for (const [code, port] of ports) reached.set(code, await link(code, port));
    const authorityPort = await link("authority", settings.authorityGrpcPort);
    const endpoint = ({ code }: { code: string }): string => `127.0.0.1:${reached.get(code)}`;
    await performCeremony({ settings, provinces, endpoint, nowMs: systemClock.nowMs() });
    const truth = await loadProvinces(settings, provinces, options.peoplePerProvince);
    if (options.storePeople !== undefined) {
      fillStores(settings, provinces, truth, options.storePeople);
    }
    const consented = await giveConsents(settings, truth, options);
    const nodeMain = options.twin
      ? TWIN_MAIN
      : await bundleProvinceNode(join(cacheFolder(home), "province-node"));
    const log = openSync(join(home, "bench.log"), "a", 0o600);
    resources.defer(() => closeSync(log));
    const start = (party: string, extra: NodeJS.ProcessEnv = {}): ChildProcess =>
      startProcess(
        argumentsOf(party, options.twin, nodeMain),
        { ...process.env, ...environment, ...extra },
        log,
      );
    const starters = [
      () => start("authority"),
      ...provinces.map(
        ({ code }) =>
          () =>
            start(code, { WJF_NODE_BASE_PORT: String((ports.get(code) as number) - Number(code)) }),
      ),
      () => start("gateway", { WJF_AUTHORITY_ENDPOINT: `127.0.0.1:${authorityPort}` }),
    ];
    const processes = starters.map((startOne) => startOne());
    resources.defer(async () => {
      await Promise.all(processes.map(stopProcess));
    });
    await Promise.all(processes.map(ready));
    await waitReady(settings.gatewayUrl);
    await answered(settings.gatewayUrl, consented.askers[0] as Asker);
    const started = { processes, starters };
    return new BenchFederation(settings, consented, started, resources.move());
  }

  /** The authority, the provinces in order, the gateway. */
  get processes(): readonly ChildProcess[] {
    return this.#started.processes;
  }

  /** kill -9 of one process, and the same once more. @param at its place in `processes`. */
  async killAndRestart(at: number): Promise<void> {
    const { processes } = this.#started;
    const child = processes[at] as ChildProcess;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    const again = (this.#started.starters[at] as () => ChildProcess)();
    processes[at] = again;
    await ready(again);
  }

  /** Resident memory of each process, in MiB, by its name on the command line. */
  memoryMib(): number[] {
    return this.processes.map(({ pid }) => {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    });
  }

  /** Processor time that each process has used so far, in seconds. */
  cpuSeconds(): number[] {
    return this.processes.map(({ pid }) => {
      // proc_pid_stat(5): utime and stime are the 12th and 13th fields after the command's closing bracket.
      const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
      const [utime, stime] = fields.split(" ").slice(11, 13);
      return (Number(utime) + Number(stime)) / CLOCK_TICKS_PER_S;
    });
  }

  /** What each of so many has cost since `cpuSeconds()` was this. */
  cpuSince(before: readonly number[], count: number): CpuShares {
    const spent = this.cpuSeconds().map((now, i) => now - (before[i] ?? 0));
    const each = (s: readonly number[]): number =>
      (s.reduce((sum, one) => sum + one, 0) * 1e6) / count;
    return {
      authority: each(spent.slice(0, 1)),
      nodes: each(spent.slice(1, -1)),
      gateway: each(spent.slice(-1)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** sysconf(_SC_CLK_TCK) on every Linux that Node runs on. */
const CLOCK_TICKS_PER_S = 100;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const TWIN_MAIN = "bench/twin/main.ts";

function argumentsOf(party: string, twin: boolean, nodeMain: string): string[] {
  const real: Record<string, string[]> = {
    authority: ["consent/main.ts"],
    gateway: ["gateway/main.ts"],
  };
  if (twin) return [...(party in real ? [] : NODE_V8_FLAGS), TWIN_MAIN, party];
  return real[party] ?? [...NODE_V8_FLAGS, nodeMain, "--province", party];
}

function startProcess(args: readonly string[], env: NodeJS.ProcessEnv, log: number): ChildProcess {
  return spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", log, log, "ipc"] });
}

/** @throws Error when it ends instead. */
async function ready(child: ChildProcess): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const message = once(child, "message", { signal }).then(() => true);
  const exit = once(child, "exit", { signal }).then(() => false);
  const isReady = await Promise.race([message, exit]);
  abort.abort();
  await Promise.allSettled([message, exit]);
  if (!isReady) throw new Error(`a process ended at its start: ${child.spawnargs.join(" ")}`);
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

async function loadProvinces(
  settings: Settings,
  provinces: typeof PROVINCES,
  peoplePerProvince: number,
): Promise<TruthPerson[]> {
  const raw = join(settings.home, "sandbox");
  const codes = provinces.map(({ code }) => code);
  await generateSandbox({ seed: 5, peoplePerProvince, outDir: raw, asof: ASOF, provinces: codes });
  for (const code of codes) {
    const folder = partyFolder(settings.home, code);
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

/** Everybody who is asked about is held by every province: what is measured is the lookup, not the answer. */
function fillStores(
  settings: Settings,
  provinces: typeof PROVINCES,
  truth: readonly TruthPerson[],
  people: number,
): void {
  const numbers = truth.map((person) => normaliseMsisdn(person.numbers[0]?.msisdn ?? ""));
  for (const { code } of provinces) {
    const folder = partyFolder(settings.home, code);
    const key = readSecretFile(join(folder, "secrets", "subject.key"));
    buildStore({ path: join(folder, "store.db"), key, people, numbers });
  }
}

interface BoundKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
  readonly jkt: string;
}

/** Registers one institution and gives it consents, as approvals would, before the authority starts. */
async function giveConsents(
  settings: Settings,
  truth: readonly TruthPerson[],
  { consents: count, terms = SCORES }: BenchFederationOptions,
): Promise<Consented> {
  const secrets = readAuthoritySecrets(join(partyFolder(settings.home, "authority"), "secrets"));
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const key: BoundKey = { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
  await using operator = await ConsentOperator.open(settings);
  await addClient(consentTables(operator.db), systemClock, {
    client_id: "bench-bank",
    name: "Bench Bank",
    contact: "bench@bank.example",
    jwks: { keys: [{ ...jwk, kid: "sig", use: "sig" } as never] },
    products: terms.actions,
    purposes: [PURPOSE],
    // A few people are asked about all the time.
    limits: {
      ...DEFAULT_LIMITS,
      queries_per_person_per_day: null,
      claims_per_person_per_day: null,
    },
  });
  const people = Array.from({ length: count }, (_, i) => truth[i % truth.length] as TruthPerson);
  const askers: Asker[] = [];
  for (let at = 0; at < people.length; at += CONSENTS_AT_ONCE) {
    const some = people.slice(at, at + CONSENTS_AT_ONCE);
    const given = some.map((person) =>
      giveConsent(person, terms, { key, operator, secrets, settings }),
    );
    askers.push(...(await Promise.all(given)));
  }
  const signingKey = PrivateP256Jwk.parse(await exportJWK(privateKey));
  return { askers, sign: (claims) => signDpop(claims, key), signingKey };
}

interface GivenFrom {
  readonly key: BoundKey;
  readonly operator: ConsentOperator;
  readonly secrets: AuthoritySecrets;
  readonly settings: Settings;
}

async function giveConsent(
  person: TruthPerson,
  terms: QueryAuthorization,
  { key, operator, secrets, settings }: GivenFrom,
): Promise<Asker> {
  const { ledger, lifecycle } = operator;
  const id = randomUUID();
  const msisdn = normaliseMsisdn(person.numbers[0]?.msisdn ?? "");
  const tag = subjectTag(secrets.subjectKey, "msisdn", msisdn);
  const digest = sha256Base64url("bench");
  const notice = {
    uri: `${settings.authorityUrl}/notices/bench`,
    version: "bench",
    sha256: digest,
  };
  const { value: consent } = await ledger.transact(async (tx) => {
    const tables = consentTables(tx);
    await lifecycle.request(tables, {
      id,
      clientId: "bench-bank",
      recipient: "Bench Bank",
      purpose: PURPOSE,
      terms,
      audience: settings.gatewayUrl,
      subjectTag: tag,
      contactIndex: "bench",
      notice,
      lapsesAt: systemClock.nowMs() + 600_000,
    });
    return { value: await lifecycle.approve(tables, id, { terms, evidence: {} }) };
  });
  const jti = randomUUID();
  const now = Math.floor(systemClock.nowMs() / 1000);
  const { current } = secrets.tokenKeys;
  const { kty, crv, x, y, d } = current;
  const uri = `${settings.authorityUrl}/status-lists/${consent.status?.list ?? 0}`;
  const token = await new SignJWT({
    client_id: "bench-bank",
    cnf: { jkt: key.jkt },
    scope: [PURPOSE, ...terms.actions].join(" "),
    authorization_details: [terms],
    recipient: "Bench Bank",
    notice,
    collection: { method: "bench", time: new Date().toISOString(), evidence_hash: digest },
    grant_id: id,
    status: { status_list: { idx: consent.status?.index ?? 0, uri } },
  })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: current.kid })
    .setIssuer(settings.authorityUrl)
    .setAudience(settings.gatewayUrl)
    .setSubject(sealSubject(secrets.subjectMasterKey, 1, tag, jti))
    .setJti(jti)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + 86_400)
    .sign(createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" }));
  const url = new URL("/v1/queries", settings.gatewayUrl).href;
  return { token, proof: (body, atMs) => signProof({ token, body, url, atMs }, key) };
}

interface ProofWish {
  readonly token: string;
  readonly body: string;
  readonly url: string;
  readonly atMs: number;
}

async function signProof({ token, body, url, atMs }: ProofWish, key: BoundKey): Promise<string> {
  const hashes = { ath: sha256Base64url(token), "camara:bh": sha256Base64url(body) };
  return await signDpop({ htm: "POST", htu: url, ...hashes }, key, atMs);
}

async function signDpop(
  claims: Record<string, unknown>,
  key: BoundKey,
  atMs = systemClock.nowMs(),
): Promise<string> {
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: key.jwk })
    .setJti(randomUUID())
    .setIssuedAt(Math.floor(atMs / 1000))
    .sign(key.privateKey);
}

async function waitReady(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    await response.body?.cancel();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A gateway is ready before every province has heard of the epoch, and answers before the last has. */
async function answered(gatewayUrl: string, asker: Asker): Promise<void> {
  using agent = keptAgent(1);
  for (;;) {
    const { status, body } = await send(gatewayUrl, await prepareOne(asker), agent.agent);
    if (status === 200) {
      const { coverage } = JSON.parse(body) as { coverage: { answered: number; of: number } };
      if (coverage.answered === coverage.of) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map(async (server) => {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) server.close();
  return ports;
}
