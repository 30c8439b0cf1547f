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
import { PROVINCES } from "../../core/provinces.ts";
import { systemRandom } from "../../core/random.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { startGateway } from "../../gateway/index.ts";
import { startProvinceNode } from "../../province-node/index.ts";
import { loadProvince } from "../../province-node/load/load.ts";
import { generateSandbox } from "../../province-node/sandbox/generate.ts";
import { Bank } from "../federation/bank.ts";
import { ASOF, type Federation, freePorts } from "../federation/federation.ts";
import { AuthorityProcess } from "./authority-process.ts";

export interface KillableFederation extends AsyncDisposable {
  readonly settings: Settings;
  readonly authority: AuthorityProcess;
  readonly bank: Bank;
  /** The second writer's view of the authority's state. */
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
}

const PEOPLE = 4;

/** @param databaseUrl PostgreSQL, or the authority's own SQLite file. */
export async function startKillableFederation(databaseUrl?: string): Promise<KillableFederation> {
  await using resources = new AsyncDisposableStack();
  const home = mkdtempSync(join(tmpdir(), "wjf-kill-"));
  resources.defer(() => rmSync(home, { recursive: true, force: true }));
  const provinces = PROVINCES.slice(0, 2);
  const [gatewayPort, http, grpc, ...nodePorts] = await freePorts(3 + provinces.length);
  const environment = {
    WJF_HOME: home,
    WJF_GATEWAY_PORT: String(gatewayPort),
    WJF_AUTHORITY_PORT: String(http),
    WJF_AUTHORITY_GRPC_PORT: String(grpc),
    NODE_COMPILE_CACHE: join(home, "cache"),
    ...(databaseUrl && { WJF_DATABASE_URL: databaseUrl }),
  };
  const settings = readSettings(environment);
  const portOf = new Map(provinces.map(({ code }, i) => [code, nodePorts[i] as number]));
  await performCeremony({
    settings,
    provinces,
    endpoint: ({ code }) => `127.0.0.1:${portOf.get(code)}`,
    nowMs: Date.now(),
  });
  await loadSandbox(settings, [...portOf.keys()]);
  const secrets = readAuthoritySecrets(join(partyFolder(home, "authority"), "secrets"));
  const { db, ledger } = resources.use(await openLedger(settings, secrets));
  const authority = resources.use(new AuthorityProcess(environment, join(home, "authority.log")));
  authority.spawn();
  for (const [code, port] of portOf) {
    const node = { ...settings, nodeBasePort: port - Number(code) };
    resources.use(await startProvinceNode(code, partyFolder(home, code), node, silentLogger));
  }
  const gateway = resources.use(await startGateway(settings, silentLogger));
  const service = frontDesk(settings, secrets, db, ledger);
  // What a bank in tests uses of a federation.
  const bank = await Bank.register({ settings, gateway, authority: { service } } as Federation);
  const owned = resources.move();
  return {
    settings,
    authority,
    bank,
    db,
    ledger,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function loadSandbox(settings: Settings, codes: readonly string[]): Promise<void> {
  const raw = join(settings.home, "sandbox");
  const peoplePerProvince = PEOPLE;
  await generateSandbox({
    seed: 7,
    peoplePerProvince,
    outDir: raw,
    asof: ASOF,
    provinces: codes as never,
  });
  for (const code of codes) {
    const folder = partyFolder(settings.home, code as never);
    await loadProvince({
      rawDir: join(raw, code),
      storePath: join(folder, "store.db"),
      rejectsDir: join(folder, "rejects"),
      subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
      asof: ASOF,
      catalogue: loadCatalogue(),
    });
  }
}

/** The consent side without any listener, on this process's own writer. */
function frontDesk(
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
