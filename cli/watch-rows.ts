// FILE.rows.ndjson of `wjf watch add --from FILE`: what became of each line before it is sent, consents and sealed conditions or the
// code that refused it. It is only added to, so that nobody is asked twice, whenever a run ends; what is added about a line counts
// instead of what was there.
import { appendFileSync, existsSync } from "node:fs";
import { z } from "zod";
import { sha256Base64url } from "../core/canonical.ts";
import type { ErrorCode } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { readLines } from "./batch-consents.ts";
import { Refused } from "./row-refusal.ts";

/** All that is signed when it is sent. */
const Prepared = z.strictObject({ line: z.int(), token: z.string(), body: z.string() });
export type PreparedRow = z.infer<typeof Prepared>;

const RefusedRow = z.strictObject({
  line: z.int(),
  refused: Refused,
  detail: z.string().optional(),
  /** SHA-256 of the line: another line is another question. */
  row: z.string(),
});
export type RefusedRow = z.infer<typeof RefusedRow>;

const Entry = z.union([Prepared, RefusedRow]);

export class WatchRows {
  readonly path: string;
  readonly #refused = new Map<number, RefusedRow>();
  #lines = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws WjfError `data-invalid`. */
  static async open(path: string): Promise<WatchRows> {
    const rows = new WatchRows(path);
    if (existsSync(path)) for await (const entry of rows.#entries()) rows.#note(entry);
    return rows;
  }

  /** How many lines something became of. */
  get lines(): number {
    return this.#lines;
  }

  /** What no watch comes of, by line. */
  get refused(): readonly RefusedRow[] {
    return [...this.#refused.values()].toSorted((a, b) => a.line - b.line);
  }

  /** Whether there is nothing more to do about a line: it is prepared, or its person has said no to this very question. */
  isDone(line: number, text: string): boolean {
    if (line > this.#lines) return false;
    const before = this.#refused.get(line);
    if (before === undefined) return true;
    return before.refused === "consent-refused" && before.row === sha256Base64url(text);
  }

  prepare(row: PreparedRow): void {
    this.#add(row);
  }

  refuse(line: number, text: string, code: ErrorCode, detail: string | undefined): void {
    const row = sha256Base64url(text);
    this.#add({ line, refused: code, ...(detail !== undefined && { detail }), row });
  }

  async *prepared(): AsyncGenerator<PreparedRow> {
    for await (const entry of this.#entries()) if ("token" in entry) yield entry;
  }

  #add(entry: z.infer<typeof Entry>): void {
    appendFileSync(this.path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    this.#note(entry);
  }

  #note(entry: z.infer<typeof Entry>): void {
    this.#lines = Math.max(this.#lines, entry.line);
    if ("token" in entry) this.#refused.delete(entry.line);
    else this.#refused.set(entry.line, entry);
  }

  async *#entries(): AsyncGenerator<z.infer<typeof Entry>> {
    for await (const { line, text } of readLines(this.path)) {
      yield parseJsonWith(Entry, text, "data-invalid", `${this.path}: line ${line}`);
    }
  }
}
