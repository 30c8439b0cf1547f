// Derived indicators: SQL expressions over other indicators' natural values, computed batch by batch after the others
// have been brought together. Only the values that some derived indicator reads go back into DuckDB.
import { DuckDBDataChunk, type DuckDBAppender, INTEGER } from "@duckdb/node-api";
import { derivedFrom, type Indicator } from "../../catalogue/index.ts";
import { filledSql, storedSql } from "./compute.ts";
import type { ServingCatalogue } from "./serving-catalogue.ts";
import { type Engine, quoteName } from "./duckdb.ts";

/** DuckDB's own vector size: the most that one chunk holds. */
const CHUNK_ROWS = 2048;
const BATCH = quoteName("_derived_batch");

export class DerivedIndicators {
  readonly #engine: Engine;
  readonly #inputs: readonly number[];
  readonly #outputs: readonly number[];
  readonly #sql: string;

  constructor(engine: Engine, catalogue: ServingCatalogue) {
    this.#engine = engine;
    const { indicators } = catalogue;
    const derived = indicators.filter(({ from }) => from === "derived");
    const read = new Set(derived.flatMap((each) => [...derivedFrom(each)]));
    const inputs = indicators.filter(({ id }) => read.has(id));
    this.#inputs = inputs.map((each) => indicators.indexOf(each));
    this.#outputs = derived.map((each) => indicators.indexOf(each));
    this.#sql = derivedSql(inputs, derived);
  }

  /** An empty batch table; call once, before `fill`. */
  async prepare(): Promise<void> {
    if (this.#outputs.length === 0) return;
    const columns = ["_row", ...this.#inputs.map((_, i) => `_s${i}`)];
    await this.#engine.run(
      "derived indicators",
      `CREATE TABLE ${BATCH} (${columns.map((name) => `${name} INTEGER`).join(", ")})`,
    );
  }

  /** Writes the derived values of a batch of records into their places. */
  async fill(batch: readonly (number | null)[][]): Promise<void> {
    if (this.#outputs.length === 0 || batch.length === 0) return;
    const appender = await this.#engine.appender("_derived_batch");
    for (let from = 0; from < batch.length; from += CHUNK_ROWS) {
      this.#append(appender, batch.slice(from, from + CHUNK_ROWS), from);
    }
    appender.closeSync();
    let row = 0;
    for await (const columns of this.#engine.chunks("derived indicators", this.#sql)) {
      const length = columns[0]?.length ?? 0;
      for (let i = 0; i < length; i++, row++) {
        const record = batch[row];
        this.#outputs.forEach((position, output) => {
          if (record) record[position] = columns[output]?.[i] as number | null;
        });
      }
    }
    await this.#engine.run("derived indicators", `TRUNCATE ${BATCH}`);
  }

  #append(appender: DuckDBAppender, rows: readonly (number | null)[][], from: number): void {
    const chunk = DuckDBDataChunk.create(
      [INTEGER, ...this.#inputs.map(() => INTEGER)],
      rows.length,
    );
    chunk.setColumnValues(
      0,
      rows.map((_, i) => from + i),
    );
    this.#inputs.forEach((position, column) =>
      chunk.setColumnValues(
        column + 1,
        rows.map((values) => values[position] ?? null),
      ),
    );
    appender.appendDataChunk(chunk);
  }
}

function derivedSql(inputs: readonly Indicator[], derived: readonly Indicator[]): string {
  const natural = inputs.map(
    ({ id, scale }, i) => `_s${i} / CAST(${scale} AS DOUBLE) AS ${quoteName(id)}`,
  );
  const computed = derived.map(({ sql }, i) => `CAST((${sql}) AS DOUBLE) AS _x${i}`);
  const stored = derived.map((each, i) => filledSql(storedSql(`_x${i}`, each), each));
  return (
    `SELECT ${stored.join(", ")} FROM (SELECT ${["_row", ...computed].join(", ")} ` +
    `FROM (SELECT ${["_row", ...natural].join(", ")} FROM ${BATCH})) ORDER BY _row`
  );
}
