// The gateway as a process of its own, `node gateway/main.ts`, so that its memory is nobody else's and can be searched:
// as a V8 heap snapshot (strings and objects) and, where the system lets us, as raw memory (buffers too).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync, readSync, renameSync } from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Settings } from "../../core/config.ts";
import type { RunningGateway } from "../../gateway/index.ts";

const MAIN = fileURLToPath(new URL("../../gateway/main.ts", import.meta.url));

export interface GatewayProcess extends RunningGateway {
  readonly pid: number;
  /** All that it has written, at the finest log level. */
  output(): string;
  /** Path of a heap snapshot taken now. */
  heapSnapshot(): Promise<string>;
}

/** @param diagnostics folder for heap snapshots; must exist and be empty. */
export async function startGatewayProcess(
  settings: Settings,
  diagnostics: string,
): Promise<GatewayProcess> {
  const child = spawn(
    process.execPath,
    ["--heapsnapshot-signal=SIGUSR2", `--diagnostic-dir=${diagnostics}`, MAIN],
    {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...environmentOf(settings) },
    },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  const output = (): string => Buffer.concat(chunks).toString("utf8");
  const ended = once(child, "exit").then(() => {
    throw new Error(`the gateway ended:\n${output()}`);
  });
  await Promise.race([once(child, "message"), ended]);
  ended.catch(() => undefined);
  return {
    url: settings.gatewayUrl,
    pid: child.pid as number,
    output,
    heapSnapshot: () => takeHeapSnapshot(child, diagnostics),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

function environmentOf(settings: Settings): NodeJS.ProcessEnv {
  return {
    WJF_HOME: settings.home,
    WJF_GATEWAY_PORT: String(settings.gatewayPort),
    WJF_AUTHORITY_PORT: String(settings.authorityPort),
    WJF_AUTHORITY_GRPC_PORT: String(settings.authorityGrpcPort),
    WJF_FAN_OUT_TIMEOUT_MS: String(settings.fanOutTimeoutMs),
    WJF_LOG_LEVEL: "trace",
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

/** Node writes the file at once and blocks meanwhile: when it answers again over IPC or HTTP the file is whole. */
async function takeHeapSnapshot(child: ChildProcess, folder: string): Promise<string> {
  const abort = new AbortController();
  const changes = watch(folder, { signal: abort.signal });
  child.kill("SIGUSR2");
  try {
    for await (const _change of changes) {
      const name = readdirSync(folder).find((entry) => entry.endsWith(".heapsnapshot"));
      // Closed with its last brackets only when it is complete.
      if (name !== undefined && endsWhole(join(folder, name))) {
        const path = join(folder, "gateway.heap");
        renameSync(join(folder, name), path);
        return path;
      }
    }
  } finally {
    abort.abort();
  }
  throw new Error("no heap snapshot");
}

function endsWhole(path: string): boolean {
  return readFileSync(path).subarray(-8).toString("latin1").trimEnd().endsWith("]}");
}

/** Which of the needles are in the process's writable memory. Undefined where the system does not let us look. */
export function searchMemory(pid: number, needles: readonly Buffer[]): Set<Buffer> | undefined {
  let memory: number;
  let maps: string;
  try {
    maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch {
    return undefined;
  }
  const found = new Set<Buffer>();
  for (const line of maps.split("\n")) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    searchRegion(memory, parseInt(from, 16), parseInt(to, 16), needles, found);
  }
  closeSync(memory);
  return found;
}

const STEP_BYTES = 4 * 1024 * 1024;

function searchRegion(
  memory: number,
  from: number,
  to: number,
  needles: readonly Buffer[],
  found: Set<Buffer>,
): void {
  const overlap = Math.max(...needles.map(({ length }) => length));
  const buffer = Buffer.alloc(STEP_BYTES + overlap);
  for (let at = from; at < to; at += STEP_BYTES) {
    let length: number;
    try {
      length = readSync(memory, buffer, 0, Math.min(buffer.length, to - at), at);
    } catch {
      // A guard page, or memory that has gone meanwhile.
      continue;
    }
    const bytes = buffer.subarray(0, length);
    for (const needle of needles) if (bytes.includes(needle)) found.add(needle);
  }
}
