// Ends the process when one input takes longer than any reader may: a loop that never ends cannot be interrupted from within
// its own thread, and would otherwise be a test that says nothing. Not a limit on speed.
import { writeSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const HANG_S = 60;
const NAME_BYTES = 64;

export interface Watchdog extends Disposable {
  /** An input begins. */
  beat(target: string): void;
}

interface Shared {
  /** Inputs begun. */
  readonly beats: SharedArrayBuffer;
  readonly name: SharedArrayBuffer;
  readonly seed: number;
}

export function watch(seed: number): Watchdog {
  const shared: Shared = {
    beats: new SharedArrayBuffer(4),
    name: new SharedArrayBuffer(NAME_BYTES),
    seed,
  };
  const worker = new Worker(new URL(import.meta.url), { workerData: shared });
  worker.unref();
  const beats = new Int32Array(shared.beats);
  const name = new Uint8Array(shared.name);
  let told = "";
  return {
    beat(target) {
      if (target !== told) name.fill(32).set(Buffer.from(target).subarray(0, NAME_BYTES));
      told = target;
      Atomics.add(beats, 0, 1);
    },
    [Symbol.dispose]: () => void worker.terminate(),
  };
}

function guard({ beats, name, seed }: Shared): void {
  const count = new Int32Array(beats);
  for (;;) {
    const before = Atomics.load(count, 0);
    if (Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HANG_S * 1000) !== "timed-out")
      continue;
    if (before === 0 || Atomics.load(count, 0) !== before) continue;
    const target = Buffer.from(new Uint8Array(name)).toString().trim();
    writeSync(2, `\nfuzz: ${target}: input ${before} hangs for ${HANG_S} s (WJF_SEED=${seed})\n`);
    process.kill(process.pid, "SIGKILL");
  }
}

if (!isMainThread && (workerData as Partial<Shared> | null)?.beats instanceof SharedArrayBuffer) {
  guard(workerData as Shared);
}
