// Progress of a load on the terminal, for `wjf node load` and `wjf model preview`.
import type { LoadProgress } from "../province-node/index.ts";
import type { Output, Progress } from "./output.ts";

/** One bar a phase: bytes read, statements computed, numbers written. */
export class LoadBars implements Disposable {
  readonly #output: Output;
  #phase: LoadProgress["phase"] | undefined;
  #bar: Progress | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  show({ phase, done, of }: LoadProgress): void {
    if (phase !== this.#phase) {
      this[Symbol.dispose]();
      this.#phase = phase;
      this.#bar = this.#output.progress(phase, of);
    }
    this.#bar?.update(done);
  }

  [Symbol.dispose](): void {
    this.#bar?.[Symbol.dispose]();
  }
}
