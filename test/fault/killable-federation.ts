// A federation whose authority is a process of its own: real nodes and gateway in this process, the real authority beside
// it on SQLite or PostgreSQL. Consents are given by a second writer of the authority's database, in this process, as an
// operator's command would: so they can be given while the authority is down, and the log always has two writers.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCatalogue } from "../../catalogue/index.ts";
import { performCeremony } from "../../cli/ceremony.ts";
import { AtRest } from "../../consent/at-rest.ts";
import { ConsentService } from "../../consent/consent-service.ts";
import { type AuthorityDb, type ConsentLedger, consentTables } from "../../consent/ledger.ts";
import { openLedger } from "../../consent/open-ledger.ts";
import { productNotices } from "../../consent/product-notice.ts";
import { type AuthoritySecrets, readAuthoritySecrets } from "../../consent/secrets.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder, readSettings, type Settings } from "../../core/config.ts";
import { silentLogger } from "../../core/log.ts";
import { PROVINCES, type Province } from "../../core/provinces.ts";
import { systemRandom } from "../../core/random.ts";
import { startGateway } from "../../gateway/index.ts";
import { startProvinceNode } from "../../province-node/index.ts";
import { Bank } from "../federation/bank.ts";
import {
  type Federation,
  type FederationOptions,
  freePorts,
  loadSandbox,
} from "../federation/federation.ts";
import { PartyProcess } from "./party-process.ts";

export interface KillableFederation extends AsyncDisposable {
  readonly settings: Settings;
  /** Replicas, if there is more than one. */
  readonly authorities: readonly PartyProcess[];
  /** The first replica. */
  readonly authority: PartyProcess;
  /** Asks the gateways in turn: gateway i is connected to authority i. */
  readonly bank: Bank;
  /** The second writer's view of the authority's state. */
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
}

export interface KillableOptions {
  /** PostgreSQL; without it the authority's own SQLite file. */
  readonly databaseUrl?: string;
  readonly replicas?: number;
  readonly provinces?: number;
  /** Changes a province's raw tables before they are loaded. */
  readonly plant?: FederationOptions["plant"];
}

const AUTHORITY_MAIN = join(import.meta.dirname, "../../consent/main.ts");
const PEOPLE = 4;
const NODES = 2;

interface Replica {
  readonly environment: NodeJS.ProcessEnv;
  readonly settings: Settings;
}

export async function startKillableFederation(
  options: KillableOptions = {},
): Promise<KillableFederation> {
  await using resources = new AsyncDisposableStack();
  const home = mkdtempSync(join(tmpdir(), "wjf-kill-"));
  resources.defer(() => rmSync(home, { recursive: true, force: true }));
  const replicas = await describeReplicas(home, options);
  const { settings } = replicas[0] as Replica;
  const provinces = PROVINCES.slice(0, options.provinces ?? NODES);
  const nodePorts = await freePorts(provinces.length);
  const portOf = new Map(provinces.map(({ code }, i) => [code, nodePorts[i] as number]));
  const endpoint = ({ code }: Province) => `127.0.0.1:${portOf.get(code)}`;
  await performCeremony({ settings, provinces, endpoint, nowMs: Date.now() });
  await loadSandbox(settings, provinces, {
    peoplePerProvince: PEOPLE,
    ...(options.plant && { plant: options.plant }),
  });
  const secrets = readAuthoritySecrets(join(partyFolder(home, "authority"), "secrets"));
  const { db, ledger } = resources.use(await openLedger(settings, secrets));
  const authorities = replicas.map(({ environment }) =>
    resources.use(new PartyProcess({ args: [AUTHORITY_MAIN], environment })),
  );
  for (const authority of authorities) authority.spawn();
  for (const [i, { code }] of provinces.entries()) {
    // Each node follows one of the replicas.
    const near = (replicas[i % replicas.length] as Replica).settings;
    const node = { ...near, nodeBasePort: (portOf.get(code) as number) - Number(code) };
    resources.use(await startProvinceNode(code, partyFolder(home, code), node, silentLogger));
  }
  const gateways: string[] = [];
  for (const replica of replicas) {
    gateways.push(resources.use(await startGateway(replica.settings, silentLogger)).url);
  }
  const service = frontDesk(settings, secrets, db, ledger);
  // What a bank in tests uses of a federation.
  const known = { settings, gateway: inTurn(gateways), authority: { service } };
  const bank = await Bank.register(known as Federation);
  const owned = resources.move();
  return {
    settings,
    authorities,
    authority: authorities[0] as PartyProcess,
    bank,
    db,
    ledger,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** They share folder and database, and the addresses that the world knows; each listens on its own ports. */
async function describeReplicas(
  home: string,
  { databaseUrl, replicas = 1 }: KillableOptions,
): Promise<Replica[]> {
  const ports = await freePorts(3 * replicas);
  const addresses = {
    WJF_GATEWAY_URL: `http://127.0.0.1:${ports[0]}`,
    WJF_AUTHORITY_URL: `http://127.0.0.1:${ports[1]}`,
  };
  return Array.from({ length: replicas }, (_, i) => {
    const [gateway, http, grpc] = ports.slice(3 * i, 3 * i + 3);
    const environment = {
      WJF_HOME: home,
      ...addresses,
      WJF_GATEWAY_PORT: String(gateway),
      WJF_AUTHORITY_PORT: String(http),
      WJF_AUTHORITY_GRPC_PORT: String(grpc),
      NODE_COMPILE_CACHE: join(home, "cache"),
      ...(databaseUrl && { WJF_DATABASE_URL: databaseUrl }),
    };
    return { environment, settings: readSettings(environment) };
  });
}

function inTurn(urls: readonly string[]): { readonly url: string } {
  let turn = 0;
  return {
    get url() {
      return urls[turn++ % urls.length] as string;
    },
  };
}

/** The consent side without any listener, on this process's own writer. */
export function frontDesk(
  settings: Settings,
  secrets: AuthoritySecrets,
  db: AuthorityDb,
  ledger: ConsentLedger,
): ConsentService {
  return new ConsentService({
    db: consentTables(db),
    transact: async (work) => {
      const done = await ledger.transact(async (tx) => ({ value: await work(consentTables(tx)) }));
      return done.value;
    },
    recordEvent: ledger.recordEvent,
    timeOf: ledger.timeOf,
    atRest: new AtRest(secrets.storageKey),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    issuer: settings.authorityUrl,
    audiences: [settings.gatewayUrl],
    subjectKey: secrets.subjectKey,
    subjectMasterKey: secrets.subjectMasterKey,
    epoch: () => 1,
    signingKeys: secrets.tokenKeys,
    sms: { name: "none", send: async () => undefined },
    products: productNotices(loadCatalogue()),
  });
}
