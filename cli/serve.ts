// Runs one party's service as this command: the same entry point that `wjf up` starts, in the foreground. With --json it says where
// the party is to be found once it can serve; its log goes to standard error either way.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cacheFolder, nodePort, readSettings, type Settings } from "../core/config.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { EX_CONFIG, NODE_V8_FLAGS } from "../core/process.ts";
import { WjfError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { failure } from "./command.ts";
import type { Output } from "./output.ts";

export interface ServeOptions {
  readonly province?: string;
  readonly metricsPort?: string;
}

type Kind = "authority" | "gateway" | "node";

const SCRIPTS: Readonly<Record<Kind, string>> = {
  authority: "consent/main.ts",
  gateway: "gateway/main.ts",
  node: "province-node/main.ts",
};

export async function serve(output: Output, kind: Kind, options: ServeOptions): Promise<void> {
  const { province, metricsPort } = options;
  let isReady = false;
  await runScript(scriptPath(SCRIPTS[kind]), {
    flags: kind === "node" ? NODE_V8_FLAGS : [],
    args: [
      ...(province === undefined ? [] : ["--province", province]),
      ...(metricsPort === undefined ? [] : ["--metrics-port", metricsPort]),
    ],
    // Standard output is for the one document.
    stdout: output.json ? 2 : "inherit",
    onReady: (pid) => {
      isReady = true;
      const addresses = addressesOf(kind, options, readSettings());
      output.result({ party: province ?? kind, version: VERSION, pid, addresses });
    },
  });
  if (isReady || process.exitCode === 0) return;
  const code = process.exitCode === EX_CONFIG ? "config-invalid" : "internal";
  output.result(failure(new WjfError(code, "it did not start: standard error says why")));
}

/** host:port of each listener, by what is spoken there. */
function addressesOf(kind: Kind, options: ServeOptions, settings: Settings) {
  const at = (port: number | string): string => `${settings.bind}:${port}`;
  if (kind === "gateway") return { http: at(settings.gatewayPort) };
  if (kind === "authority") {
    return { http: at(settings.authorityPort), grpc: at(settings.authorityGrpcPort) };
  }
  const code = parseWith(ProvinceCode, options.province, "config-invalid", "--province");
  const grpc = at(nodePort(settings, code));
  // Metrics are for the machine itself, whatever WJF_BIND says.
  const { metricsPort } = options;
  return { grpc, ...(metricsPort !== undefined && { metrics: `127.0.0.1:${metricsPort}` }) };
}

/** Of a file of this checkout. */
export function scriptPath(script: string): string {
  return fileURLToPath(new URL(`../${script}`, import.meta.url));
}

export interface Script {
  readonly args: readonly string[];
  /** V8's. */
  readonly flags?: readonly string[];
  /** A descriptor of this process's, for what the script prints. */
  readonly stdout?: "inherit" | number;
  readonly onReady?: (pid: number | undefined) => void;
}

/** Signals reach it through this process, and this process ends as it has ended. */
export async function runScript(path: string, script: Script): Promise<void> {
  const { args, flags = [], stdout = "inherit", onReady } = script;
  const child = spawn(process.execPath, [...flags, path, ...args], {
    stdio: ["inherit", stdout, "inherit", onReady === undefined ? "ignore" : "ipc"],
    // Without one the compiler that strips types is loaded at every start, and stays: 21 MiB (docs/PERFORMANCE.md).
    env: { NODE_COMPILE_CACHE: cacheFolder(readSettings().home), ...process.env },
    // Its own group: Ctrl-C reaches it once, through this process.
    detached: true,
  });
  if (onReady !== undefined) child.once("message", () => onReady(child.pid));
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", forward);
  process.on("SIGTERM", forward);
  const [code] = (await once(child, "exit")) as [number | null];
  process.off("SIGINT", forward);
  process.off("SIGTERM", forward);
  process.exitCode = code ?? 1;
}
