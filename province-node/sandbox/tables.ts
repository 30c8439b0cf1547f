// Streaming CSV writers, one per raw table of a province: rows gather in memory and go out in large pieces.
// Values are generated and never hold a comma, quote or line break, so there is nothing to quote.
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { RAW_TABLES, RAW_TABLE_NAMES, type RawTableName } from "../../catalogue/raw-tables.ts";

const FLUSH_CHARACTERS = 1 << 18;

class TableWriter {
  readonly #file: number;
  #pending: string;
  rows = 0;

  constructor(path: string, header: readonly string[]) {
    this.#file = openSync(path, "w", 0o600);
    this.#pending = `${header.join(",")}\n`;
  }

  write(row: string): void {
    this.#pending += `${row}\n`;
    this.rows++;
    if (this.#pending.length > FLUSH_CHARACTERS) this.#flush();
  }

  #flush(): void {
    writeSync(this.#file, this.#pending);
    this.#pending = "";
  }

  [Symbol.dispose](): void {
    this.#flush();
    closeSync(this.#file);
  }
}

/** The thirteen open files of one province. */
export class ProvinceTables {
  readonly #writers: ReadonlyMap<RawTableName, TableWriter>;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#writers = new Map(
      RAW_TABLE_NAMES.map((table) => [
        table,
        new TableWriter(join(folder, `${table}.csv`), Object.keys(RAW_TABLES[table].columns)),
      ]),
    );
  }

  write(table: RawTableName, row: string): void {
    this.#writers.get(table)?.write(row);
  }

  get rows(): number {
    let sum = 0;
    for (const writer of this.#writers.values()) sum += writer.rows;
    return sum;
  }

  [Symbol.dispose](): void {
    for (const writer of this.#writers.values()) writer[Symbol.dispose]();
  }
}
