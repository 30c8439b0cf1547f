// The rejects file: one line per rejected row, saying file, line, column and rule. It holds no values: the row itself
// is in the operator's own file, at that line. Written beside its place and renamed when the load is through.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface RejectSummary {
  table: string;
  column: string;
  rule: string;
  count: number;
}

const FLUSH_CHARACTERS = 1 << 18;

export class Rejects {
  readonly path: string;
  readonly #temporary: string;
  readonly #file: number;
  readonly #byRule = new Map<
    string,
    { table: string; column: string; rule: string; count: number }
  >();
  readonly #byFile = new Map<string, number>();
  #pending = "file,line,column,rule\n";
  #closed = false;
  total = 0;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.path = join(folder, "rejects.csv");
    this.#temporary = `${this.path}.${process.pid}.tmp`;
    this.#file = openSync(this.#temporary, "w", 0o600);
  }

  /** `count` > 1 where one entry stands for several rows. */
  add(
    file: { label: string; table: string },
    line: number,
    column: string,
    rule: string,
    count = 1,
  ): void {
    this.total += count;
    this.#pending += `${[file.label, line, column, `"${rule}"`].join(",")}
`;
    if (this.#pending.length > FLUSH_CHARACTERS) this.#flush();
    this.#byFile.set(file.label, this.countOf(file.label) + count);
    const key = `${file.table}
${column}
${rule}`;
    const known = this.#byRule.get(key) ?? { table: file.table, column, rule, count: 0 };
    known.count += count;
    this.#byRule.set(key, known);
  }

  countOf(label: string): number {
    return this.#byFile.get(label) ?? 0;
  }

  summary(): RejectSummary[] {
    return [...this.#byRule.values()].sort((a, b) => b.count - a.count);
  }

  /** Puts the file in its place. */
  publish(): void {
    this.#flush();
    fsyncSync(this.#file);
    this[Symbol.dispose]();
    renameSync(this.#temporary, this.path);
  }

  #flush(): void {
    writeSync(this.#file, this.#pending);
    this.#pending = "";
  }

  [Symbol.dispose](): void {
    if (!this.#closed) closeSync(this.#file);
    this.#closed = true;
  }
}
