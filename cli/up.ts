// `wjf up`: the whole federation on this machine, until Ctrl-C. Leaves no process behind.
import { readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { stopSignal } from "../core/process.ts";
import type { Province } from "../core/provinces.ts";
import { type Output, type Progress } from "./output.ts";
import { readPrepared, writePrepared } from "./prepared.ts";
import { FederationProcesses } from "./processes.ts";

export interface StartedFederation extends AsyncDisposable {
  readonly provinces: number;
  readonly processes: FederationProcesses;
  readonly seconds: number;
}

/** Prepares what is missing, starts every process, waits until the gateway can answer. */
export async function startFederation(
  output: Output,
  signal?: AbortSignal,
): Promise<StartedFederation> {
  const settings = readSettings();
  const startedMs = performance.now();
  const provinces = readPrepared(settings) ?? (await prepare(settings, output));
  output.line(`Starting ${provinces.length} province nodes, the authority and the gateway`);
  let progress: Progress | undefined;
  const processes = await FederationProcesses.start({
    settings,
    provinces,
    ...(signal === undefined ? {} : { signal }),
    onReady: (done, of) => {
      progress ??= output.progress("processes ready", of);
      progress.update(done);
    },
  }).finally(() => progress?.[Symbol.dispose]());
  await using starting = new AsyncDisposableStack();
  starting.use(processes);
  await gatewayReady(settings.gatewayUrl);
  await provincesReached(settings.gatewayUrl);
  starting.move();
  return {
    provinces: provinces.length,
    processes,
    seconds: (performance.now() - startedMs) / 1000,
    [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
  };
}

async function prepare(settings: Settings, output: Output): Promise<readonly Province[]> {
  const { prepareFederation } = await import("./prepare.ts");
  const provinces = await prepareFederation(settings, output);
  if (!settings.production) writePrepared(settings, provinces);
  return provinces;
}

const READY_WITHIN_MS = 20_000;
const POLL_MS = 100;

async function gatewayReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new WjfError("federation-unavailable", "the gateway did not become ready in time");
}

const REACHED_WITHIN_MS = 5000;

/** The gateway has looked for provinces since before they were there: the first question waits until it has found them all. */
async function provincesReached(url: string): Promise<void> {
  const deadline = performance.now() + REACHED_WITHIN_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${url}/v1/federation`);
    const { provinces } = (await response.json()) as { provinces?: { state: string }[] };
    if (provinces?.every(({ state }) => state === "up" || state === "drained")) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export async function up(output: Output): Promise<void> {
  const settings = readSettings();
  using stop = stopSignal();
  await using federation = await startFederation(output, stop.signal);
  const { provinces, seconds, processes } = federation;
  output.line(
    `Ready in ${seconds.toFixed(1)} s: ${provinces} provinces, ${processes.services.length} processes.`,
  );
  output.line(`  gateway    ${settings.gatewayUrl}   API docs at ${settings.gatewayUrl}/docs`);
  output.line(
    `  authority  ${settings.authorityUrl}   audit log at ${settings.authorityUrl}/log/checkpoint`,
  );
  output.line(`  data       ${settings.home}   logs in ${settings.home}/logs`);
  output.line("Ask something: npx wjf ask --help. Stop with Ctrl-C.");
  output.result({
    provinces,
    gateway: settings.gatewayUrl,
    authority: settings.authorityUrl,
    home: settings.home,
    processes: processes.services.map(({ name, child, logPath }) => ({
      name,
      pid: child.pid,
      log: logPath,
    })),
  });
  const ended = await Promise.race([stop.requested, processes.firstExit()]);
  if (ended !== undefined) {
    throw new WjfError("federation-unavailable", `${ended.name} has ended; see ${ended.logPath}`);
  }
  output.line("Stopping");
}
