// A party of a federation as the process that it really is, `node consent/main.ts` or another, which a test may kill, stop, and start again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface PartyStart {
  /** What follows `node` on the command line. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Called when it ends, and nobody has asked it to. */
  readonly onDeath?: (how: string) => void;
}

/** Of what it writes, so much is kept. */
const LAST_LINES = 8;
/** A stopping party has to be gone within this, milliseconds. */
const STOPS_WITHIN_MS = 30_000;

export class PartyProcess implements AsyncDisposable {
  readonly #start: PartyStart;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();
  #isEnding = false;
  #written: string[] = [];

  /** Where the authority serves HTTP. */
  get httpUrl(): string {
    return `http://127.0.0.1:${this.#start.environment["WJF_AUTHORITY_PORT"]}`;
  }

  constructor(start: PartyStart) {
    this.#start = start;
  }

  /** Resolves as soon as the process exists; `ready` tells when it can serve. */
  spawn(): void {
    const { args, environment, onDeath } = this.#start;
    const child = spawn(process.execPath, args, {
      // A pipe, as a container's: what fails in the file system is not the log.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { PATH: process.env["PATH"], ...environment },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#written = [...this.#written, ...text.trimEnd().split("\n")].slice(-LAST_LINES);
      });
    }
    this.#child = child;
    this.#isEnding = false;
    child.once("exit", (code, signal) => {
      if (this.#isEnding || this.#child !== child) return;
      onDeath?.(`${args.join(" ")} ended by itself: ${signal ?? code}\n${this.written}`);
    });
    this.#ready = this.#becomesReady(child);
    this.#ready.catch(() => undefined);
  }

  async ready(): Promise<void> {
    await this.#ready;
  }

  get pid(): number {
    return this.#child?.pid as number;
  }

  async #becomesReady(child: ChildProcess): Promise<void> {
    const ended = once(child, "exit").then(() => {
      throw new Error(`a party ended at its start:\n${this.written}`);
    });
    await Promise.race([once(child, "message"), ended]);
    ended.catch(() => undefined);
  }

  /** The last of what it has written. */
  get written(): string {
    return this.#written.join("\n");
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child as ChildProcess;
    if (hasEnded(child)) throw new Error("the party had ended by itself");
    this.#isEnding = true;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    const [, signal] = (await exited) as [unknown, string];
    if (signal !== "SIGKILL") throw new Error("the party had ended by itself");
  }

  /** SIGTERM, and waits until it is gone. @throws Error when it does not go. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    this.#isEnding = true;
    const exited = once(child, "exit", { signal: AbortSignal.timeout(STOPS_WITHIN_MS) });
    child.kill("SIGTERM");
    child.kill("SIGCONT");
    try {
      await exited;
    } catch (cause) {
      child.kill("SIGKILL");
      throw new Error(`a party did not stop:\n${this.written}`, { cause });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** What its clock is off by; only with `skewed-clock.ts` imported. */
  skew(skewMs: number): void {
    if (this.#child?.connected === true) this.#child.send({ skewMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
