// When a reply may leave: on multiples of a quantum after its request came, so that time does not tell whether anybody
// was held (DESIGN §3). What is done only for people who are held is counted for the others too, as time. Decides about
// nothing but time; docs/decisions/014-reply-time.md says what it hides, and what it does not.
import { setTimeout as delay } from "node:timers/promises";

export interface PendingReply {
  /** Counts work that was spared because nobody is held, as if it had been done. */
  owe(ms: number): void;
  /** Resolves when the reply may leave. */
  due(): Promise<void>;
}

/** @param quantumMs 0: at once. */
export function pendingReply(quantumMs: number): PendingReply {
  const arrivedMs = performance.now();
  let owedMs = 0;
  return {
    owe(ms) {
      owedMs += ms;
    },
    async due() {
      if (quantumMs === 0) return;
      const spentMs = performance.now() - arrivedMs + owedMs;
      const dueMs = arrivedMs + Math.max(1, Math.ceil(spentMs / quantumMs)) * quantumMs;
      await sleepUntil(dueMs);
    },
  };
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Timers count whole milliseconds from a moment that the caller does not see, so that a fraction of the work done before
 * would show in when they fire. The fraction is slept off first, by a wait that is precise and holds this thread for
 * less than a millisecond; whole milliseconds remain, and those a timer keeps.
 */
async function sleepUntil(dueMs: number): Promise<void> {
  const leftMs = dueMs - performance.now();
  if (leftMs <= 0) return;
  Atomics.wait(cell, 0, 0, leftMs % 1);
  const wholeMs = Math.floor(leftMs);
  if (wholeMs > 0) await delay(wholeMs);
}

const REMEMBERED = 31;

/** Microseconds of processor time that this process has used, all threads together. */
export type ProcessorTime = () => number;

const processUsage: ProcessorTime = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/**
 * What a piece of work costs here: the median processor time of its latest runs that nothing else of its kind ran beside. Not the
 * time that passed: on a busy machine that is other processes' work, and counted for everybody who is not held it made a
 * reply of a thousand questions wait for half a minute. The median, because now and then something else of this process is in it.
 */
export class ObservedCost {
  readonly #usedUs: ProcessorTime;
  readonly #ms: number[] = [];
  #running = 0;
  #started = 0;

  constructor(usedUs: ProcessorTime = processUsage) {
    this.#usedUs = usedUs;
  }

  /** 0 before the first run. */
  get typicalMs(): number {
    return this.#ms.toSorted((a, b) => a - b)[this.#ms.length >> 1] ?? 0;
  }

  async measure<T>(work: () => Promise<T>): Promise<T> {
    const first = ++this.#running === 1;
    const started = ++this.#started;
    const beforeUs = this.#usedUs();
    try {
      return await work();
    } finally {
      const last = --this.#running === 0 && this.#started === started;
      if (first && last) this.#remember((this.#usedUs() - beforeUs) / 1000);
    }
  }

  #remember(ms: number): void {
    this.#ms.push(ms);
    if (this.#ms.length > REMEMBERED) this.#ms.shift();
  }
}
