// Starting, watching and stopping the federation's processes: one for the authority, one for the gateway, one for each
// province. Each logs to its own file under WJF_HOME/logs and ends with this process, however this process ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, partyFolder, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { NODE_V8_FLAGS } from "../core/process.ts";
import type { Province } from "../core/provinces.ts";
import { bundleProvinceNode } from "./bundle.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const GATEWAY = "gateway";

/** How long one process may take until it is ready. */
const READY_WITHIN_MS = 60_000;
/** How long a stopping process may take before it is killed. */
const STOP_WITHIN_MS = 10_000;

export interface ServiceProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logPath: string;
}

export interface ProcessOptions {
  readonly settings: Settings;
  readonly provinces: readonly Province[];
  /** Gives up and stops what has started. */
  readonly signal?: AbortSignal;
  /** Called as each becomes ready. */
  readonly onReady?: (done: number, of: number) => void;
}

export class FederationProcesses implements AsyncDisposable {
  readonly services: readonly ServiceProcess[];

  private constructor(services: readonly ServiceProcess[]) {
    this.services = services;
  }

  /** Starts all and waits until each is ready. @throws WjfError with the end of the log of the one that is not. */
  static async start(options: ProcessOptions): Promise<FederationProcesses> {
    const { settings, provinces, signal, onReady } = options;
    const logs = join(settings.home, "logs");
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    const nodeMain = await bundleProvinceNode(join(cacheFolder(settings.home), "province-node"));
    const start = (name: string, args: string[]): ServiceProcess =>
      spawnService(name, args, logs, settings);
    await using starting = new AsyncDisposableStack();
    const spawns = [
      // The two that take longest are not left to the end, where one of them would keep a single core busy.
      () => start("authority", [join(ROOT, "consent/main.ts")]),
      () => start(GATEWAY, [join(ROOT, "gateway/main.ts")]),
      ...provinces.map(({ code }) => () => {
        const folder = partyFolder(settings.home, code);
        const args = ["--province", code, "--data", folder];
        return start(`node-${code}`, [...NODE_V8_FLAGS, nodeMain, ...args]);
      }),
    ];
    const services: ServiceProcess[] = [];
    const federation = starting.use(new FederationProcesses(services));
    // A start is all computing: more at once than there are cores take longer in all, and each much longer.
    const lanes = availableParallelism() + 1;
    const waiting = spawns.values();
    let done = 0;
    let failed = false;
    const startInTurn = async (): Promise<void> => {
      for (const spawnNext of waiting) {
        // One failed: what it would start now, nobody would stop.
        if (failed) return;
        const service = spawnNext();
        services.push(service);
        await ready(service, signal).catch((error: unknown) => {
          failed = true;
          throw error;
        });
        onReady?.(++done, spawns.length);
      }
    };
    await Promise.all(Array.from({ length: lanes }, startInTurn));
    starting.move();
    return federation;
  }

  /** Resolves with the first process that ends by itself. */
  async firstExit(): Promise<ServiceProcess> {
    return await Promise.race(
      this.services.map(async (service) => {
        if (service.child.exitCode === null) await once(service.child, "exit");
        return service;
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The gateway first, so that nothing is asked of nodes that are leaving.
    const [gateway = [], others = []] = [true, false].map((isGateway) =>
      this.services.filter(({ name }) => (name === GATEWAY) === isGateway),
    );
    await Promise.all([...gateway, ...others].map(stop));
  }
}

function spawnService(
  name: string,
  args: string[],
  logs: string,
  settings: Settings,
): ServiceProcess {
  const logPath = join(logs, `${name}.log`);
  const log = openSync(logPath, "a", 0o600);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    stdio: ["ignore", log, log, "ipc"],
    // Its own group: Ctrl-C reaches this process alone, which then stops them in order.
    detached: true,
    env: {
      ...process.env,
      WJF_HOME: settings.home,
      NODE_COMPILE_CACHE: cacheFolder(settings.home),
    },
  });
  closeSync(log);
  return { name, child, logPath };
}

async function ready(
  { name, child, logPath }: ServiceProcess,
  signal?: AbortSignal,
): Promise<void> {
  const abort = new AbortController();
  const giveUp = (): void => abort.abort();
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted === true) giveUp();
  const late = setTimeout(() => abort.abort(), READY_WITHIN_MS);
  const message = once(child, "message", { signal: abort.signal });
  const exit = once(child, "exit", { signal: abort.signal });
  const outcome = await Promise.race([message.then(() => "ready"), exit.then(() => "ended")]).catch(
    () => "late",
  );
  clearTimeout(late);
  signal?.removeEventListener("abort", giveUp);
  abort.abort();
  message.catch(() => undefined);
  exit.catch(() => undefined);
  if (outcome === "ready") return;
  if (signal?.aborted === true)
    throw new WjfError("federation-unavailable", "stopped while starting");
  const last = readFileSync(logPath, "utf8").trim().split("\n").slice(-3).join("\n");
  const what = outcome === "ended" ? "ended at its start" : "was not ready in time";
  throw new WjfError("federation-unavailable", `${name} ${what}; the end of ${logPath}:\n${last}`);
}

async function stop({ child }: ServiceProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await exited;
  clearTimeout(late);
}
