// One DuckDB instance for one load: bounded memory, spilling beside the store, nothing fetched from the network.
// A failed statement becomes `data-invalid` or `internal` naming the step; DuckDB's own message may quote rows, so it
// is kept as a cause and never shown.
import {
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBValue,
} from "@duckdb/node-api";
import { type ErrorCode, WjfError } from "../../core/errors.ts";

export interface EngineOptions {
  /** A folder of this load's own, for what does not fit into memory. */
  readonly spillDir: string;
  /** YYYY-MM-DD: the session variable `asof` of every connection. */
  readonly asof: string;
  readonly threads?: number;
  readonly memoryLimit?: string;
  /** A database file; in memory without it. */
  readonly path?: string;
}

export class Engine {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #asof: string;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    { asof }: EngineOptions,
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.#asof = setAsof(asof);
  }

  static async open(options: EngineOptions): Promise<Engine> {
    const instance = await DuckDBInstance.create(options.path ?? ":memory:", {
      threads: String(options.threads ?? 2),
      memory_limit: options.memoryLimit ?? "2GB",
      temp_directory: options.spillDir,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    await connection.run(setAsof(options.asof));
    return new Engine(instance, connection, options);
  }

  /** @throws WjfError `code`, naming `step`. */
  async run(step: string, sql: string, code: ErrorCode = "internal"): Promise<number> {
    try {
      return (await this.#connection.run(sql)).rowsChanged;
    } catch (cause) {
      throw new WjfError(code, `${step}: ${kindOf(cause)}`, { cause });
    }
  }

  /** All rows of a small result. */
  async rows(
    step: string,
    sql: string,
    code: ErrorCode = "internal",
  ): Promise<Record<string, DuckDBValue>[]> {
    try {
      return await (await this.#connection.run(sql)).getRowObjects();
    } catch (cause) {
      throw new WjfError(code, `${step}: ${kindOf(cause)}`, { cause });
    }
  }

  async appender(table: string): Promise<DuckDBAppender> {
    return this.#connection.createAppender(table);
  }

  /** Columns of one chunk after another; each call has a connection of its own, so that several can be read at once. */
  async *chunks(step: string, sql: string): AsyncGenerator<readonly (readonly DuckDBValue[])[]> {
    const connection = await this.#instance.connect();
    try {
      await connection.run(this.#asof);
      const result = await connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) return;
        yield chunk.getColumns();
      }
    } catch (cause) {
      if (cause instanceof WjfError) throw cause;
      throw new WjfError("internal", `${step}: ${kindOf(cause)}`, { cause });
    } finally {
      connection.disconnectSync();
    }
  }

  [Symbol.dispose](): void {
    this.#connection.disconnectSync();
    this.#instance.closeSync();
  }
}

/** "Binder Error", "Out of Memory Error": the part of DuckDB's message that never holds data. */
function kindOf(cause: unknown): string {
  const kind = /^[A-Z][A-Za-z ]{2,40} Error/.exec(cause instanceof Error ? cause.message : "");
  return kind?.[0] ?? "failed";
}

function setAsof(asof: string): string {
  return `SET VARIABLE "asof" = DATE ${quoteText(asof)}`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
