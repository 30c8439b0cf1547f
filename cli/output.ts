// What a command prints. With --json: one JSON document on standard output and everything else on standard error;
// without: text for people on standard output. Progress bars only on a terminal, only for what takes a while.
import { SingleBar } from "cli-progress";

export interface Output {
  readonly json: boolean;
  /** A line for people: standard output, or standard error beside --json. */
  line(text?: string): void;
  /** The command's result: printed as the one JSON document, ignored otherwise. */
  result(value: unknown): void;
  progress(label: string, total: number): Progress;
  /** While somebody else takes their time: the seconds that have passed, of those that there are. */
  waiting(label: string, seconds: number): Disposable;
}

export interface Progress extends Disposable {
  update(done: number): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    line: (text = "") => {
      (json ? process.stderr : process.stdout).write(`${text}\n`);
    },
    result: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    progress,
    waiting: (label, seconds) => {
      const progressed = progress(label, seconds);
      let passed = 0;
      const ticking = setInterval(() => progressed.update(Math.min(++passed, seconds)), 1000);
      return {
        [Symbol.dispose]: () => {
          clearInterval(ticking);
          progressed[Symbol.dispose]();
        },
      };
    },
  };
}

function progress(label: string, total: number): Progress {
  return process.stderr.isTTY ? bar(label, total) : silent;
}

const silent: Progress = { update: () => undefined, [Symbol.dispose]: () => undefined };

function bar(label: string, total: number): Progress {
  const single = new SingleBar({
    format: `${label} {bar} {value}/{total} · {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 50,
  });
  single.start(total, 0);
  return { update: (done) => single.update(done), [Symbol.dispose]: () => single.stop() };
}

/** Columns padded for a fixed-width terminal, where a Chinese character is two columns wide. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, c) => Math.max(...rows.map((row) => width(row[c] ?? "")))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, c) => cell + " ".repeat(Math.max(0, (widths[c] ?? 0) - width(cell))))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function width(text: string): number {
  let columns = 0;
  for (const char of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
        char,
      )
        ? 2
        : 1;
  return columns;
}
