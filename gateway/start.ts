// Wires the gateway: federation view, province connections, coalescer, HTTP API.
import { join } from "node:path";
import { LiveCatalogue, packageFolder } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { BACKLOG, HTTP_LIMITS } from "../core/http-server.ts";
import type { Logger } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { VERSION } from "../core/version.ts";
import { type HeScheme, SealScheme } from "../crypto/index.ts";
import { FederationView, followFederation, readTrustAnchor } from "../consent/verifier.ts";
import { AuthorityClient, TlsFiles } from "../proto/index.ts";
import { Alerts, sinkPolicy } from "./alerts/index.ts";
import { createGateway } from "./app.ts";
import { Batches } from "./batches/index.ts";
import { Coalescer, DEFAULT_LIMITS } from "./coalescer.ts";
import { openGatewayDatabase } from "./database.ts";
import { fanOut } from "./fan-out.ts";
import { watchGateway } from "./metrics.ts";
import { ProvincePool } from "./province-pool.ts";
import { readGatewayKey } from "./secrets.ts";
import { Training } from "./training/index.ts";
import { endUnwanted, Watches } from "./watches/index.ts";
import { refuseWithdrawn, WITHDRAWN_LIMITS } from "./withdrawn.ts";

const CONNECT_EVERY_MS = 1000;
const DAY_MS = 86_400_000;

export interface RunningGateway extends AsyncDisposable {
  readonly url: string;
}

/** @throws WjfError `secret-missing`, `config-invalid`, `port-in-use`. */
export async function startGateway(
  settings: Settings,
  log: Logger,
  createScheme: () => Promise<HeScheme> = () => SealScheme.create(),
): Promise<RunningGateway> {
  await using resources = new AsyncDisposableStack();
  const folder = partyFolder(settings.home, "gateway");
  const secrets = join(folder, "secrets");
  const identity = resources.use(await TlsFiles.open(secrets, "gateway", log));
  const signingKey = readGatewayKey(secrets);
  const trustAnchor = readTrustAnchor(join(secrets, "trust.jwk"));
  const view = new FederationView(trustAnchor, systemClock);
  const scheme = resources.use(await createScheme());
  const provinces = resources.use(new ProvincePool(identity, systemClock));
  const authority = resources.use(new AuthorityClient(settings.authorityEndpoint, identity));
  const stop = new AbortController();
  const following = followFederation(authority, view, log, stop.signal);
  resources.defer(async () => {
    stop.abort();
    await following;
  });
  const connecting = setInterval(() => {
    if (view.ready) provinces.keepConnected(view.current());
  }, CONNECT_EVERY_MS).unref();
  resources.defer(() => clearInterval(connecting));
  const { fanOutTimeoutMs: timeoutMs } = settings;
  const parts = { scheme, view, provinces, authority, signingKey, log, timeoutMs };
  const catalogue = new LiveCatalogue({
    folder: packageFolder(folder),
    authorityKey: trustAnchor,
    clock: systemClock,
    onFault: ({ file, error }) => log.warn({ file, err: error }, "a model package is not used"),
  });
  const db = await openGatewayDatabase(settings);
  resources.defer(() => db.destroy());
  const retentionMs = settings.batchRetentionDays * DAY_MS;
  const batches = resources.use(
    new Batches({ ...parts, db, catalogue, clock: systemClock, retentionMs }),
  );
  const sinks = sinkPolicy(settings);
  const alerts = resources.use(
    new Alerts({
      db,
      view,
      signingKey,
      log,
      url: settings.gatewayUrl,
      policy: sinks,
      onGone: async (tx, alert) => await endUnwanted(tx, alert, systemClock),
      clock: systemClock,
      random: systemRandom,
    }),
  );
  const watches = resources.use(
    new Watches({ ...parts, db, catalogue, clock: systemClock, sinks }),
  );
  const training = resources.use(new Training({ ...parts, clock: systemClock }));
  const coalescer = new Coalescer(
    (group) => fanOut(group, parts),
    DEFAULT_LIMITS,
    (clientId) => view.isInstitution(clientId),
  );
  const withdrawals = new Coalescer((group) => refuseWithdrawn(group, parts), WITHDRAWN_LIMITS);
  resources.use(watchGateway({ view, coalescer, batches, provinces }));
  const app = await createGateway({
    view,
    provinces,
    log,
    batches,
    alerts,
    watches,
    training,
    coalescer,
    withdrawals,
    catalogue,
    clock: systemClock,
    version: VERSION,
    http: { ...HTTP_LIMITS, connections: settings.maxConnections },
    url: settings.gatewayUrl,
  });
  resources.defer(() => app.close());
  const url = await listen(app, settings);
  const owned = resources.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

interface Listener {
  listen(options: { host: string; port: number; backlog: number }): Promise<string>;
}

/** @throws WjfError `port-in-use`. */
async function listen(app: Listener, { bind, gatewayPort }: Settings): Promise<string> {
  try {
    return await app.listen({ host: bind, port: gatewayPort, backlog: BACKLOG });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new WjfError("port-in-use", `${bind}:${gatewayPort} (WJF_GATEWAY_PORT)`, { cause });
  }
}
