// Group commit: jobs that arrive while a flush is under way wait and go together in the next one, so that many callers
// share one durable commit. It only groups; what a flush does, and how it settles its jobs, is the caller's.
import { WjfError } from "../../core/errors.ts";

export interface GroupQueueOptions<Job> {
  /** Must not throw: it settles each job of the group itself, failures included. */
  readonly flush: (group: readonly Job[]) => Promise<void>;
  /** Jobs in one flush, at most. */
  readonly groupSize: number;
  /** Jobs waiting, at most; beyond that callers are turned away instead of kept waiting for ever. */
  readonly queueLimit: number;
}

export class GroupQueue<Job> {
  readonly #options: GroupQueueOptions<Job>;
  #waiting: Job[] = [];
  #pump: Promise<void> | undefined;
  #closed = false;

  constructor(options: GroupQueueOptions<Job>) {
    this.#options = options;
  }

  /** @throws WjfError `overloaded`, or `federation-unavailable` once closed; the job was then not taken. */
  push(job: Job): void {
    if (this.#closed) throw new WjfError("federation-unavailable", "the audit log is closed");
    if (this.#waiting.length >= this.#options.queueLimit) {
      throw new WjfError("overloaded", "too many callers wait for the audit log");
    }
    this.#waiting.push(job);
    this.#pump ??= this.#run();
  }

  /** Takes no more jobs; resolves when the last one is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pump;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // A whole turn of the event loop: the requests that came in together get into one group. SQLite never yields
      // within a flush, so without this each flush would hold one job.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#waiting.slice(0, this.#options.groupSize);
      this.#waiting = this.#waiting.slice(group.length);
      await this.#options.flush(group);
    }
    this.#pump = undefined;
  }
}
