// Wires one province node: keys, feature store, federation view, gRPC service.
import { join } from "node:path";
import { LiveCatalogue, packageFolder } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { nodePort, type Settings } from "../core/config.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { type HeScheme, SealScheme } from "../crypto/index.ts";
import { FederationView, followFederation, readTrustAnchor } from "../consent/verifier.ts";
import { AuthorityClient, provinceRole, TlsFiles } from "../proto/index.ts";
import { FanOutAnswerer, type NodeParts, rosterMasks } from "./answer.ts";
import { BatchAnswerer } from "./batch-answer.ts";
import { BaselineStore } from "./baseline-store.ts";
import { ClaimsOpener } from "./claims-opener.ts";
import { FanOutGuard } from "./fan-out-guard.ts";
import { FanOutMemory } from "./fan-out-memory.ts";
import { FeatureStore } from "./feature-store.ts";
import { isDrained } from "./maintenance.ts";
import { watchNode } from "./metrics.ts";
import { ModelGate } from "./models/gate.ts";
import { OwnKeys } from "./own-keys.ts";
import { ReplyKeyring } from "./reply-keys.ts";
import { readNodeSecrets } from "./secrets.ts";
import { type Answerers, serveNode } from "./server.ts";
import { TrainingJobs } from "./training/training-jobs.ts";

/** What a plaintext twin swaps, to show what the cryptography costs. */
export interface NodeCrypto {
  readonly createScheme: () => Promise<HeScheme>;
  readonly createMasks: typeof rosterMasks;
}

const REAL: NodeCrypto = { createScheme: () => SealScheme.create(), createMasks: rosterMasks };

export interface RunningNode extends AsyncDisposable {
  readonly port: number;
}

/**
 * @param folder the province's own: `secrets/`, `store.db`.
 * @throws WjfError `secret-missing`, `config-invalid`, `port-in-use`, `data-invalid`.
 */
export async function startProvinceNode(
  province: ProvinceCode,
  folder: string,
  settings: Settings,
  log: Logger,
  crypto: NodeCrypto = REAL,
): Promise<RunningNode> {
  await using resources = new AsyncDisposableStack();
  const secretsFolder = join(folder, "secrets");
  const secrets = readNodeSecrets(secretsFolder);
  const role = provinceRole(province);
  const identity = resources.use(await TlsFiles.open(secretsFolder, role, log));
  const trustAnchor = readTrustAnchor(join(secretsFolder, "trust.jwk"));
  const catalogue = new LiveCatalogue({
    folder: packageFolder(folder),
    authorityKey: trustAnchor,
    clock: systemClock,
    onFault: ({ file, error }) => log.warn({ file, err: error }, "a model package is not used"),
  });
  const store = resources.use(FeatureStore.open(join(folder, "store.db"), catalogue));
  resources.defer(followLoads(store, log));
  const scheme = resources.use(await crypto.createScheme());
  const view = new FederationView(trustAnchor, systemClock);
  const authority = resources.use(new AuthorityClient(settings.authorityEndpoint, identity));
  const stop = new AbortController();
  const following = followFederation(authority, view, log, stop.signal);
  resources.defer(async () => {
    stop.abort();
    await following;
  });
  const memory = resources.use(FanOutMemory.open(join(folder, "fan-outs.db")));
  const guard = new FanOutGuard(province, { view, memory, log });
  const parts: NodeParts = {
    province,
    secrets,
    ownKeys: new OwnKeys(secretsFolder),
    scheme,
    view,
    guard,
    store,
    catalogue,
    models: resources.use(new ModelGate(folder, systemClock)),
    baselines: resources.use(BaselineStore.open(join(folder, "baselines.db"), systemClock)),
    claims: await ClaimsOpener.create(secrets.groupKey),
    clock: systemClock,
    random: systemRandom,
    verifySample: settings.verifySample,
    createMasks: crypto.createMasks(province, scheme.parameters.plainModulus),
    replyQuantumMs: settings.replyQuantumMs,
  };
  const keyring = resources.use(new ReplyKeyring(parts));
  const drained = (): boolean => isDrained(folder);
  const answerers: Answerers = {
    single: new FanOutAnswerer(parts, keyring),
    batch: new BatchAnswerer(parts, keyring),
    training: resources.use(new TrainingJobs(folder, { ...parts, log })),
    prepare: () => keyring.prepare(),
    isDrained: drained,
  };
  resources.use(watchNode({ view, guard, isDrained: drained }));
  const address = `${settings.bind}:${nodePort(settings, province)}`;
  const server = resources.use(await serveNode(answerers, identity, address, log));
  const owned = resources.move();
  return { port: server.port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const LOOK_FOR_LOADS_MS = 1000;

/** A load beside the running node is served within a second. @returns what ends it. */
function followLoads(store: FeatureStore, log: Logger): () => void {
  let isFit = true;
  const looking = setInterval(() => {
    try {
      if (store.reopenIfReplaced()) log.info("a new load is served");
      isFit = true;
    } catch (error) {
      if (isFit) log.warn({ err: error }, "a load is not fit to be served; the one before goes on");
      isFit = false;
    }
  }, LOOK_FOR_LOADS_MS).unref();
  return () => clearInterval(looking);
}
