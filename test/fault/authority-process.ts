// The real authority, `node consent/main.ts`, as a process that a test may kill and start again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../consent/main.ts");

export class AuthorityProcess implements AsyncDisposable {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #logPath: string;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();

  /** Where it serves HTTP. */
  get httpUrl(): string {
    return `http://127.0.0.1:${this.#environment["WJF_AUTHORITY_PORT"]}`;
  }

  constructor(environment: NodeJS.ProcessEnv, logPath: string) {
    this.#environment = environment;
    this.#logPath = logPath;
  }

  /** Resolves as soon as the process exists; `ready` tells when it can serve. */
  spawn(): void {
    const log = openSync(this.#logPath, "a", 0o600);
    this.#child = spawn(process.execPath, [MAIN], {
      stdio: ["ignore", log, log, "ipc"],
      env: { PATH: process.env["PATH"], ...this.#environment },
    });
    closeSync(log);
    this.#ready = this.#becomesReady(this.#child);
    this.#ready.catch(() => undefined);
  }

  async ready(): Promise<void> {
    await this.#ready;
  }

  async #becomesReady(child: ChildProcess): Promise<void> {
    const ended = once(child, "exit").then(() => {
      const last = readFileSync(this.#logPath, "utf8").split("\n").slice(-4).join("\n");
      throw new Error(`the authority ended at its start:\n${last}`);
    });
    await Promise.race([once(child, "message"), ended]);
    ended.catch(() => undefined);
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child as ChildProcess;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    const [, signal] = (await exited) as [unknown, string];
    if (signal !== "SIGKILL") throw new Error("the authority had ended by itself");
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
}
