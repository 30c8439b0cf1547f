// Finds batches that nobody carries on and carries them on, a few at a time: those that were just received here, and those
// whose process has fallen silent. One per gateway process; replicas share the batches by their leases.
import type { Logger } from "../../core/log.ts";
import { BatchRun, type BatchRunParts } from "./batch-run.ts";
import { type Batch, LEASE_MS } from "./batch-store.ts";

export interface BatchRunnerParts extends BatchRunParts {
  readonly retentionMs: number;
  /** How often this process looks for batches that others have left. */
  readonly lookEveryMs: number;
}

/** Batches carried on at once by one process: one that waits for a province does not hold up the next. */
const AT_ONCE = 2;
const PURGE_EVERY_MS = 60_000;

export class BatchRunner implements AsyncDisposable {
  readonly #parts: BatchRunnerParts;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers: NodeJS.Timeout[];
  #looking: Promise<void> | undefined;

  constructor(parts: BatchRunnerParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.#timers = [
      setInterval(() => this.look(), parts.lookEveryMs),
      setInterval(() => this.#purge(), PURGE_EVERY_MS),
    ];
    this.look();
  }

  get running(): number {
    return this.#running.size;
  }

  /** Looks for a batch to carry on, now. */
  look(): void {
    this.#looking ??= this.#lease()
      .catch((error: unknown) => this.#log.error({ err: error }, "no look for batches"))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #lease(): Promise<void> {
    while (!this.#stop.signal.aborted && this.#running.size < AT_ONCE) {
      const batch = await this.#parts.store.lease();
      if (batch === undefined) return;
      const carrying = this.#carry(batch).finally(() => {
        this.#running.delete(batch.id);
        if (!this.#stop.signal.aborted) this.look();
      });
      this.#running.set(batch.id, carrying);
    }
  }

  async #carry(batch: Batch): Promise<void> {
    const { store, retentionMs } = this.#parts;
    const lost = new AbortController();
    const renewal = setInterval(() => {
      store.renew(batch.id).then(
        (kept) => {
          if (!kept) lost.abort();
        },
        (error: unknown) => this.#log.warn({ err: error }, "a lease was not renewed"),
      );
    }, LEASE_MS / 3);
    const signal = AbortSignal.any([this.#stop.signal, lost.signal]);
    try {
      this.#log.info({ batch: batch.id, rows: batch.rows }, "a batch is carried on");
      await BatchRun.carry(batch, this.#parts, signal);
      await store.finish(batch.id, retentionMs);
      this.#log.info({ batch: batch.id }, "a batch is finished");
    } catch (error) {
      if (!signal.aborted) this.#log.error({ batch: batch.id, err: error }, "a batch broke off");
      // Otherwise the lease runs out by itself, and what broke it off is not tried again at once.
      if (this.#stop.signal.aborted) await store.release(batch.id).catch(() => undefined);
    } finally {
      clearInterval(renewal);
    }
  }

  #purge(): void {
    this.#parts.store
      .purge()
      .catch((error: unknown) => this.#log.error({ err: error }, "batches were not purged"));
  }

  /** Takes nothing more, lets go of what it carries: whoever looks next carries it on. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stop.abort();
    await this.#looking;
    await Promise.all(this.#running.values());
  }
}
