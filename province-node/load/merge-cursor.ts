// Streams that are sorted by msisdn, read in step with the province's numbers: each number takes its own rows from
// every stream, so that a province of any size is brought together in constant memory.
import type { DuckDBValue } from "@duckdb/node-api";
import type { Engine } from "./duckdb.ts";

export type Columns = readonly (readonly DuckDBValue[])[];

export class MergeCursor {
  readonly #chunks: AsyncGenerator<Columns>;
  #columns: Columns = [];
  #row = 0;
  #length = 0;
  #done = false;

  constructor(engine: Engine, step: string, sql: string) {
    this.#chunks = engine.chunks(step, sql);
  }

  /** Gives `take` every row of this number; rows of numbers that are not asked for are passed over. */
  async rowsOf(msisdn: string, take: (columns: Columns, row: number) => void): Promise<void> {
    for (;;) {
      if (this.#row >= this.#length && !(await this.#advance())) return;
      const current = this.#columns[0]?.[this.#row] as string;
      if (current > msisdn) return;
      if (current === msisdn) take(this.#columns, this.#row);
      this.#row++;
    }
  }

  async #advance(): Promise<boolean> {
    if (this.#done) return false;
    const next = await this.#chunks.next();
    this.#done = next.done === true;
    this.#columns = next.done ? [] : next.value;
    this.#length = this.#columns[0]?.length ?? 0;
    this.#row = 0;
    return !this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
