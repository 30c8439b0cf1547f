// Runs one party's service as this command: the same entry point that `wjf up` starts, in the foreground.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cacheFolder, readSettings } from "../core/config.ts";

/** @param flags V8's. */
export async function serve(
  script: string,
  args: readonly string[],
  flags: readonly string[],
): Promise<void> {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const child = spawn(process.execPath, [...flags, path, ...args], {
    stdio: "inherit",
    // Without one the compiler that strips types is loaded at every start, and stays: 21 MiB (docs/PERFORMANCE.md).
    env: { NODE_COMPILE_CACHE: cacheFolder(readSettings().home), ...process.env },
    // Its own group: Ctrl-C reaches it once, through this process.
    detached: true,
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", forward);
  process.on("SIGTERM", forward);
  const [code] = (await once(child, "exit")) as [number | null];
  process.off("SIGINT", forward);
  process.off("SIGTERM", forward);
  process.exitCode = code ?? 1;
}
