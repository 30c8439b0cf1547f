// How every service process lives and dies: it starts, says that it is ready, and on SIGINT, SIGTERM or the end of the
// process that started it lets go of everything in order. A second signal ends it at once.
import { once } from "node:events";
import { WjfError } from "./errors.ts";
import type { Logger } from "./log.ts";

/** What a child process sends to its parent when it can serve. */
export interface ReadyMessage {
  readonly ready: true;
}

/** Exit status for a refusal to start (sysexits EX_CONFIG). */
const EX_CONFIG = 78;

export async function runService(
  start: () => Promise<AsyncDisposable>,
  log: Logger,
): Promise<void> {
  try {
    await using _service = await start();
    log.info({ pid: process.pid }, "ready");
    process.send?.({ ready: true } satisfies ReadyMessage);
    await stopRequested();
    process.once("SIGINT", () => process.exit(130));
    log.info("stopping");
  } catch (error) {
    log.fatal({ err: error }, "could not start");
    const next = error instanceof WjfError ? `${error.message}\n` : "";
    process.stderr.write(next);
    process.exitCode = error instanceof WjfError ? EX_CONFIG : 1;
  }
  if (process.connected) process.disconnect?.();
}

/** Resolves on the first SIGINT or SIGTERM, or when the parent's channel closes. */
export async function stopRequested(): Promise<void> {
  const abort = new AbortController();
  const events = ["SIGINT", "SIGTERM", "disconnect"];
  await Promise.race(events.map((event) => once(process, event, { signal: abort.signal })));
  abort.abort();
}
