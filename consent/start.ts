// Wires the consent authority: state, audit log, key epochs, consent service, release, gRPC and HTTP.
import { join } from "node:path";
import { type Catalogue, LiveCatalogue, packageFolder } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import type { Logger } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { type HeDecryptor, type HeScheme, SealScheme } from "../crypto/index.ts";
import { TlsFiles } from "../proto/index.ts";
import { Admitter } from "./admitter.ts";
import { AtRest } from "./at-rest.ts";
import { BatchAuthority } from "./batch/index.ts";
import { ClientLimiter } from "./client-limits.ts";
import { ConsentService } from "./consent-service.ts";
import {
  type Epoch,
  EPOCH_OVERLAP_S,
  EpochKeeper,
  type Federation,
  readFederation,
} from "./epochs.ts";
import { FollowHub } from "./follow-hub.ts";
import { serveAuthorityHttp } from "./http.ts";
import { type ConsentLedger, consentTables } from "./ledger.ts";
import { watchAuthority } from "./metrics.ts";
import { openLedger, writeLogKeys } from "./open-ledger.ts";
import type { LeafDraft } from "./log/index.ts";
import { productNotices } from "./product-notice.ts";
import { MergeOpener, openSealDecryptor, RefusalLog, Releaser } from "./release/index.ts";
import { sandboxDirectory } from "./sandbox-directory.ts";
import { RosterSources } from "./roster-sources.ts";
import { type AuthoritySecrets, readAuthoritySecrets, TOKEN_KEYS } from "./secrets.ts";
import { serveAuthority } from "./server.ts";
import { sandboxSms } from "./sms.ts";
import { TrainingAuthority } from "./training/index.ts";

/** How often the authority looks whether a consent or a code has run out. */
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
  const federationPath = join(folder, "federation.json");
  const federation = readFederation(federationPath);
  const scheme = resources.use(await createScheme());
  const { db, ledger } = resources.use(await openLedger(settings, secrets));
  writeLogKeys(settings, ledger.log.verifierKeys);
  const catalogue = new LiveCatalogue({
    folder: packageFolder(folder),
    authorityKey: secrets.rootPublicKey,
    clock: systemClock,
    onFault: ({ file, error }) => log.warn({ file, err: error }, "a model package is not used"),
  });
  const service = createConsentService({
    settings,
    folder,
    secrets,
    federation,
    ledger,
    db,
    log,
    catalogue,
    // Opened below, with what the service knows; no token is issued before.
    epoch: () => epochs.current().number,
  });
  const sources = new RosterSources({
    federationPath,
    tokenKeysPath: join(folder, "secrets", TOKEN_KEYS),
    federation,
    service,
    log,
  });
  const epochs = await EpochKeeper.open({
    folder: join(folder, "epochs"),
    scheme,
    federation: sources.federation,
    rootKey: secrets.rootKey,
    rootPublicKey: secrets.rootPublicKey,
    clock: systemClock,
    terms: {
      lifetimeS: settings.epochLifetimeS,
      overlapS: EPOCH_OVERLAP_S,
      maxReleases: settings.epochMaxReleases,
    },
    log,
  });
  await recordEpochs(epochs, ledger, resources, log);
  const { statusLists } = service;
  const hub = resources.use(new FollowHub({ epochs, statusLists, ledger, db, log }));
  resources.use(watchAuthority({ epochs, hub }));
  resources.use(sources.follow(epochs));
  const { admissionKey } = secrets;
  const clock = systemClock;
  const refusals = new RefusalLog(ledger, clock);
  resources.defer(async () => {
    await refusals.tellCounts().catch((error: unknown) => {
      log.error({ err: error }, "the last count of refusals is not in the log");
    });
  });
  const admitter = new Admitter({
    epochs,
    ledger,
    atRest: service.options.atRest,
    db,
    catalogue,
    clock,
    admissionKey,
    log,
    refusals,
    limiter: new ClientLimiter(db, clock),
  });
  const random = systemRandom;
  const opener = resources.use(
    new MergeOpener({
      scheme,
      openDecryptor: (key) => openDecryptor(scheme, key),
      epochs,
      ledger,
      db,
      random,
      auditProbability: settings.mergeAuditProbability,
    }),
  );
  const { atRest } = service.options;
  const releasing = { opener, epochs, ledger, atRest, catalogue, log, refusals };
  const releaser = new Releaser({ ...releasing, admitter });
  const batches = new BatchAuthority({
    ...releasing,
    db,
    clock,
    random,
    admissionKey,
    subjectMasterKey: secrets.subjectMasterKey,
  });
  const training = resources.use(
    new TrainingAuthority({ db, ledger, epochs, atRest, catalogue, clock, admissionKey }),
  );
  const housekeeping = setInterval(() => {
    Promise.all([
      service.housekeeping(),
      training.steps.housekeeping(),
      refusals.tellCounts(),
    ]).catch((error: unknown) => log.error({ err: error }, "housekeeping failed"));
  }, HOUSEKEEPING_MS);
  resources.defer(() => clearInterval(housekeeping));
  const http = resources.use(
    await serveAuthorityHttp(service, { db, ledger, catalogue }, settings),
  );
  const address = `${settings.bind}:${settings.authorityGrpcPort}`;
  const identity = resources.use(await TlsFiles.open(join(folder, "secrets"), "authority", log));
  const grpc = resources.use(
    await serveAuthority({ admitter, releaser, batches, training, hub, log }, identity, address),
  );
  resources.defer(() => hub.release());
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

interface ServiceParts {
  readonly settings: Settings;
  readonly folder: string;
  readonly secrets: AuthoritySecrets;
  readonly federation: Federation;
  readonly ledger: ConsentLedger;
  readonly db: Parameters<typeof consentTables>[0];
  readonly log: Logger;
  readonly catalogue: Catalogue;
  /** The period of the key that subjects are sealed with; nodes derive the same from the number in each `sub`. */
  readonly epoch: () => number;
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
    timeOf: ledger.timeOf,
    atRest: new AtRest(secrets.storageKey),
    clock: systemClock,
    random: systemRandom,
    log: parts.log,
    issuer: federation.issuer,
    audiences: [federation.audience],
    subjectKey: secrets.subjectKey,
    subjectMasterKey: secrets.subjectMasterKey,
    epoch: parts.epoch,
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
    products: productNotices(parts.catalogue),
    trustProxy: settings.trustProxy,
    ...(settings.production ? {} : { pollIntervalSeconds: 1 }),
  });
}

/** Every epoch is in the log: each that opens, and what a crash or another replica left unlogged. */
async function recordEpochs(
  epochs: EpochKeeper,
  ledger: ConsentLedger,
  resources: AsyncDisposableStack,
  log: Logger,
): Promise<void> {
  const recordAll = async (): Promise<void> => {
    for (const epoch of epochs.unlogged()) {
      await ledger.log.append(epochLeaves(epoch));
      epochs.markLogged(epoch);
    }
  };
  let recording = recordAll();
  const opened = epochs.onOpened(() => {
    recording = recording
      .then(recordAll)
      .catch((error: unknown) => log.error({ err: error }, "an epoch was not logged"));
  });
  resources.defer(async () => await recording);
  resources.use(opened);
  await recording;
}

function epochLeaves({ number, roster, rosterDigest }: Epoch): readonly LeafDraft[] {
  const digest = rosterDigest.toString("hex");
  return [
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
  ];
}
