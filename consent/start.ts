// Wires the consent authority: state, audit log, key epochs, consent service, release, gRPC and HTTP.
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import type { Logger } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { type HeDecryptor, type HeScheme, SealScheme } from "../crypto/index.ts";
import { readTlsIdentity } from "../proto/index.ts";
import { AtRest } from "./at-rest.ts";
import { ConsentService } from "./consent-service.ts";
import { openAuthorityDatabase } from "./database.ts";
import { EpochKeeper, type Federation, readFederation } from "./epochs.ts";
import { FollowHub } from "./follow-hub.ts";
import { serveAuthorityHttp } from "./http.ts";
import { ConsentLedger, consentTables } from "./ledger.ts";
import { AuditLog, noteSigner } from "./log/index.ts";
import { publicTokenKeys } from "./oidc/signing-keys.ts";
import { productNotices } from "./product-notice.ts";
import { openSealDecryptor, Releaser } from "./release/index.ts";
import { sandboxDirectory } from "./sandbox-directory.ts";
import { type AuthoritySecrets, readAuthoritySecrets } from "./secrets.ts";
import { serveAuthority } from "./server.ts";
import { sandboxSms } from "./sms.ts";

/** How often the authority looks whether an epoch, a consent or a code has run out. */
const HOUSEKEEPING_MS = 30_000;

/** How the homomorphic scheme comes into the authority; a plaintext twin takes its place in comparisons. */
export interface SchemeParts {
  readonly createScheme: () => Promise<HeScheme>;
  readonly openDecryptor: (scheme: HeScheme, secretKey: Uint8Array) => HeDecryptor;
}

const SEAL: SchemeParts = {
  createScheme: () => SealScheme.create(),
  openDecryptor: openSealDecryptor,
};

export interface RunningAuthority extends AsyncDisposable {
  readonly url: string;
  readonly grpcPort: number;
  readonly service: ConsentService;
  readonly ledger: ConsentLedger;
  readonly epochs: EpochKeeper;
}

/** @throws WjfError `secret-missing`, `config-invalid`, `port-in-use`. */
export async function startAuthority(
  settings: Settings,
  log: Logger,
  { createScheme, openDecryptor }: SchemeParts = SEAL,
): Promise<RunningAuthority> {
  await using resources = new AsyncDisposableStack();
  const folder = partyFolder(settings.home, "authority");
  const secrets = readAuthoritySecrets(join(folder, "secrets"));
  const federation = readFederation(join(folder, "federation.json"));
  const scheme = resources.use(await createScheme());
  const { db, ledger } = await openLedger(settings, secrets, resources);
  const service = createConsentService({ settings, folder, secrets, federation, ledger, db, log });
  const epochs = await EpochKeeper.open({
    folder: join(folder, "epochs"),
    scheme,
    federation: () => ({ ...federation, token_keys: publicTokenKeys(service.signingKeys) }),
    rootKey: secrets.rootKey,
    rootPublicKey: secrets.rootPublicKey,
    clock: systemClock,
  });
  await recordEpochs(epochs, ledger, resources, log);
  const { statusLists } = service;
  const hub = resources.use(new FollowHub({ epochs, statusLists, ledger, log }));
  const releaser = resources.use(
    new Releaser({
      scheme,
      openDecryptor: (key) => openDecryptor(scheme, key),
      epochs,
      ledger,
      db,
      lifecycle: service.lifecycle,
      atRest: service.options.atRest,
      catalogue: loadCatalogue(),
      clock: systemClock,
      random: systemRandom,
      log,
      auditProbability: settings.mergeAuditProbability,
    }),
  );
  const housekeeping = setInterval(() => {
    Promise.all([epochs.rotateIfDue(), service.housekeeping()]).catch((error: unknown) =>
      log.error({ err: error }, "housekeeping failed"),
    );
  }, HOUSEKEEPING_MS);
  resources.defer(() => clearInterval(housekeeping));
  const http = resources.use(await serveAuthorityHttp(service, ledger.log, settings));
  const address = `${settings.bind}:${settings.authorityGrpcPort}`;
  const identity = readTlsIdentity(join(folder, "secrets"));
  const grpc = resources.use(await serveAuthority({ releaser, hub, log }, identity, address));
  const owned = resources.move();
  return {
    url: http.url,
    grpcPort: grpc.port,
    service,
    ledger,
    epochs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openLedger(
  settings: Settings,
  secrets: AuthoritySecrets,
  resources: AsyncDisposableStack,
) {
  const db = await openAuthorityDatabase(settings);
  resources.defer(() => db.destroy());
  const origin = logOrigin(settings);
  const log = resources.use(
    await AuditLog.open({
      db,
      origin,
      signers: secrets.logKeys.map((key) => noteSigner(origin, key)),
      clock: systemClock,
    }),
  );
  return { db, ledger: new ConsentLedger(log) };
}

/** The log's name: the authority's address without its scheme (c2sp.org/tlog-checkpoint). */
export function logOrigin({ authorityUrl }: Pick<Settings, "authorityUrl">): string {
  return `${new URL(authorityUrl).host}/log`;
}

interface ServiceParts {
  readonly settings: Settings;
  readonly folder: string;
  readonly secrets: AuthoritySecrets;
  readonly federation: Federation;
  readonly ledger: ConsentLedger;
  readonly db: Parameters<typeof consentTables>[0];
  readonly log: Logger;
}

function createConsentService(parts: ServiceParts): ConsentService {
  const { settings, secrets, federation, ledger } = parts;
  return new ConsentService({
    db: consentTables(parts.db),
    transact: async (work) => {
      const { value } = await ledger.transact(async (tx) => ({
        value: await work(consentTables(tx)),
      }));
      return value;
    },
    recordEvent: ledger.recordEvent,
    atRest: new AtRest(secrets.storageKey),
    clock: systemClock,
    random: systemRandom,
    log: parts.log,
    issuer: federation.issuer,
    audiences: [federation.audience],
    subjectKey: secrets.subjectKey,
    subjectMasterKey: secrets.subjectMasterKey,
    // The subject key's period; nodes derive the same from the number in each `sub`.
    epoch: () => 1,
    signingKeys: secrets.tokenKeys,
    sms: sandboxSms(
      join(parts.folder, "outbox.ndjson"),
      settings.production ? { WJF_ENV: "production" } : {},
    ),
    ...(settings.production
      ? {}
      : {
          directory: sandboxDirectory(
            join(parts.folder, "sandbox-directory.json"),
            secrets.subjectKey,
            false,
          ),
        }),
    products: productNotices(loadCatalogue()),
    ...(settings.production ? {} : { pollIntervalSeconds: 1 }),
  });
}

/** Every epoch is in the log: the one in force at the start, and each that opens later. */
async function recordEpochs(
  epochs: EpochKeeper,
  ledger: ConsentLedger,
  resources: AsyncDisposableStack,
  log: Logger,
): Promise<void> {
  const record = async ({ number, roster, rosterDigest }: ReturnType<EpochKeeper["current"]>) => {
    const digest = rosterDigest.toString("hex");
    await ledger.log.append([
      {
        type: "epoch",
        event: "opened",
        epoch: number,
        public_key_sha256: roster.he.public_key_sha256,
        roster_sha256: digest,
      },
      {
        type: "roster",
        epoch: number,
        roster_sha256: digest,
        provinces: roster.provinces.map(({ code }) => code),
      },
    ]);
  };
  const opened = epochs.onOpened((epoch) => {
    record(epoch).catch((error: unknown) => log.error({ err: error }, "an epoch was not logged"));
  });
  resources.use(opened);
  if (epochs.isNew) await record(epochs.current());
}
