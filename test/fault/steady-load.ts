// Questions at a steady rate, whatever the federation does meanwhile. Open loop: a slow answer does not slow the asking, up to a
// number of questions under way; what that holds back is counted.
const TICK_MS = 10;
const MOST_UNDER_WAY = 64;

/** @returns what is wrong with the answer, if anything is. */
export type Asking = (turn: number) => Promise<string | undefined>;

export class SteadyLoad implements AsyncDisposable {
  readonly #perSecond: number;
  readonly #ask: Asking;
  readonly #underWay = new Set<Promise<void>>();
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #endedAt = 0;
  #launched = 0;
  answered = 0;
  heldBack = 0;
  readonly failures: string[] = [];

  constructor(perSecond: number, ask: Asking) {
    this.#perSecond = perSecond;
    this.#ask = ask;
  }

  start(): void {
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Resolves when so many more have been answered, or one has failed. */
  async more(answers: number): Promise<void> {
    const target = this.answered + answers;
    while (this.answered < target && this.failures.length === 0) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resolves when whatever is under way has its outcome. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#endedAt ||= performance.now();
    await Promise.all(this.#underWay);
  }

  /** Answers per second of the time that it was asked in. */
  get reached(): number {
    return this.answered / ((this.#endedAt - this.#startedAt) / 1000);
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) / 1000) * this.#perSecond);
    for (; this.#launched < due; this.#launched++) {
      if (this.#underWay.size < MOST_UNDER_WAY) this.#launch(this.#launched);
      else this.heldBack++;
    }
  }

  #launch(turn: number): void {
    const asking = this.#ask(turn)
      .catch(String)
      .then((failure) => {
        if (failure === undefined) this.answered++;
        else this.failures.push(failure);
        this.#underWay.delete(asking);
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      });
    this.#underWay.add(asking);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
