// How every service process lives and dies: it starts, says that it is ready, and on SIGINT, SIGTERM or the end of the
// process that started it lets go of everything in order. A second signal ends it at once.
import { flushCompileCache } from "node:module";
import { WjfError } from "./errors.ts";
import type { Logger } from "./log.ts";

/** What a child process sends to its parent when it can serve. */
export interface ReadyMessage {
  readonly ready: true;
}

/** Exit status for a refusal to start (sysexits EX_CONFIG). */
export const EX_CONFIG = 78;

export async function runService(
  start: () => Promise<AsyncDisposable>,
  log: Logger,
): Promise<void> {
  // Listening from the first moment: who started this process may be gone before it is ready.
  using stop = stopSignal();
  try {
    await using _traces = await startTracing(String(log.bindings()["service"]));
    await using _service = await start();
    if (!stop.signal.aborted) {
      log.info("ready");
      // Otherwise written at the end: of 31 nodes that start in turn, each would compile what the first has compiled.
      flushCompileCache();
      process.send?.({ ready: true } satisfies ReadyMessage);
    }
    await stop.requested;
    process.once("SIGINT", () => process.exit(130));
    log.info("stopping");
  } catch (error) {
    log.fatal({ err: error }, "could not start");
    if (error instanceof WjfError) process.stderr.write(`${error.message}\n`);
    process.exitCode = error instanceof WjfError ? EX_CONFIG : 1;
  }
  if (process.connected) process.disconnect?.();
}

/** Without a collector nothing of the SDK is loaded. */
async function startTracing(service: string): Promise<AsyncDisposable | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } =
    process.env;
  if ((traces ?? all ?? "") === "") return undefined;
  const { exportTraces } = await import("./trace-export.ts");
  return exportTraces(`weijifen-${service}`);
}

export interface StopSignal extends Disposable {
  /** Aborts on the first SIGINT or SIGTERM, or when the parent's channel closes. */
  readonly signal: AbortSignal;
  /** Resolves at the same time. */
  readonly requested: Promise<void>;
}

export function stopSignal(): StopSignal {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const request = (): void => {
    abort.abort();
    resolve();
  };
  const events = ["SIGINT", "SIGTERM", "disconnect"] as const;
  for (const event of events) process.on(event, request);
  return {
    signal: abort.signal,
    requested: promise,
    [Symbol.dispose]: () => {
      for (const event of events) process.off(event, request);
    },
  };
}

/**
 * How a province node's process is to be started. V8 lets the young generation grow to 16 MiB a half space under load, and every one
 * of a machine's processes keeps what it grew to. A node's garbage is mostly bytes outside that heap, so it loses nothing by
 * a small one: 50 MiB less per process at the same processor time. Of V8's four threads each has an allocator's arena of its own, which keeps
 * what was freed in it: one thread is 2 to 6 MiB less. And the old generation is collected when it has grown by a fifth, not
 * when it has grown several times over: up to 8 MiB less (docs/PERFORMANCE.md).
 */
export const NODE_V8_FLAGS = [
  "--max-semi-space-size=1",
  "--v8-pool-size=1",
  "--heap-growing-percent=20",
] as const;
