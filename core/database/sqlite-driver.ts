// A kysely driver over node:sqlite: one connection, a first-come-first-served mutex around it, prepared statements
// kept by their text. Durability is SQLite's own: WAL with synchronous=FULL (sqlite.org/pragma.html#pragma_synchronous),
// so a COMMIT that has returned survives a power cut. It knows nothing of any schema.
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";

const STATEMENTS_KEPT = 256;
const BUSY_TIMEOUT_MS = 5_000;

/** How long a query waits for the one connection before it is taken for a deadlock. */
export const CONNECTION_WAIT_MS = 15_000;

export function sqliteDialect(path: string): Dialect {
  return {
    createAdapter: () => new TransactionalDdlAdapter(),
    createDriver: () => new SqliteDriver(path),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  };
}

// SQLite's DDL is transactional; kysely's adapter says no, which would leave half a migration behind a crash.
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #path: string;
  readonly #mutex = new Mutex();
  #connection: SqliteConnection | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async init(): Promise<void> {
    const database = new DatabaseSync(this.#path, { timeout: BUSY_TIMEOUT_MS });
    // secure_delete overwrites what is deleted, or an erased payload would stay readable in a free page. 64 MiB of pages, and of
    // log before it is copied back: keys are random, and with SQLite's 2 and 4 most rows read and write some page of an
    // index again (docs/PERFORMANCE.md).
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
      PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;
      PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000;`);
    this.#connection = new SqliteConnection(database);
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#mutex.lock();
    return this.#open();
  }

  async beginTransaction(): Promise<void> {
    // IMMEDIATE: a deferred transaction that turns into a writer can fail with SQLITE_BUSY half-way.
    this.#open().exec("begin immediate");
  }

  async commitTransaction(): Promise<void> {
    this.#open().exec("commit");
  }

  async rollbackTransaction(): Promise<void> {
    // Some errors (a full disk) have already rolled back; a second rollback would hide them.
    if (this.#open().inTransaction) this.#open().exec("rollback");
  }

  async releaseConnection(): Promise<void> {
    this.#mutex.unlock();
  }

  async destroy(): Promise<void> {
    this.#connection?.close();
    this.#connection = undefined;
  }

  #open(): SqliteConnection {
    if (this.#connection === undefined) throw new Error("the database is closed");
    return this.#connection;
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, { statement: StatementSync; reads: boolean }>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { statement, reads } = this.#prepare(query.sql);
    const parameters = query.parameters as SQLInputValue[];
    if (reads) return { rows: statement.all(...parameters).map(withBuffers) as R[] };
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    // Not from the cache: a statement that is being stepped through cannot serve a second query.
    const statement = this.#database.prepare(query.sql);
    for (const row of statement.iterate(...(query.parameters as SQLInputValue[]))) {
      yield { rows: [withBuffers(row) as R] };
    }
  }

  #prepare(sql: string): { statement: StatementSync; reads: boolean } {
    let prepared = this.#statements.get(sql);
    if (prepared !== undefined) return prepared;
    const statement = this.#database.prepare(sql);
    prepared = { statement, reads: statement.columns().length > 0 };
    const oldest = this.#statements.keys().next();
    if (this.#statements.size >= STATEMENTS_KEPT && !oldest.done) {
      this.#statements.delete(oldest.value);
    }
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

/** pg answers bytea columns as Buffer; node:sqlite's Uint8Array is viewed as one, so that callers see one type. */
function withBuffers(row: Record<string, unknown>): Record<string, unknown> {
  for (const key in row) {
    const value = row[key];
    if (value instanceof Uint8Array) {
      row[key] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  return row;
}

class Mutex {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  async lock(): Promise<void> {
    if (!this.#held) {
      this.#held = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const admit = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        reject(
          new Error(
            "SQLite connection not released: was `db` used inside a transaction, not `tx`?",
          ),
        );
      }, CONNECTION_WAIT_MS);
      this.#waiting.push(admit);
    });
  }

  unlock(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}
