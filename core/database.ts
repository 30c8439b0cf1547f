// The one way to durable state: SQLite in a file (node:sqlite) or PostgreSQL, behind the same kysely queries.
// Schema changes are forward-only migrations that run, in the order of their names, before anything else does.
// It owns no table; each module brings its own migrations and its own part of the schema type.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { type ColumnDataType, type Dialect, Kysely, Migrator, PostgresDialect, sql } from "kysely";
import { Pool, TypeOverrides } from "pg";
import { WjfError } from "./errors.ts";
import { sqliteDialect } from "./database/sqlite-driver.ts";

export type Engine = "sqlite" | "postgres";

/**
 * Column types that differ between the engines. The others are written the same for both:
 * `text`, `integer` (32 bits on PostgreSQL), `bigint` (read as a JavaScript number, refused beyond 2^53).
 * There are no booleans (use 0/1) and no dates (use milliseconds, or RFC 3339 text): SQLite has neither.
 */
export interface ColumnTypes {
  readonly bytes: ColumnDataType;
}

/** One forward step. Names sort: `2026-11-24-001-log`. What has been released is never edited again. */
export interface Migration {
  readonly name: string;
  up(db: Kysely<unknown>, types: ColumnTypes): Promise<void>;
}

/**
 * A kysely instance over one engine. Contract:
 * - Durability: when `transaction().execute(…)` has resolved, its effects survive a crash and a power cut.
 * - Concurrency: SQLite has one connection. Inside a transaction use only the `tx` that is passed in; a query on the
 *   database itself would wait for its own transaction, and fails after 15 s. PostgreSQL runs at READ COMMITTED
 *   unless `setIsolationLevel` says more: lock the row you decide on (`forUpdate`), or ask for serializable and retry.
 * - Nothing is retried here.
 */
export class Database<Schema> extends Kysely<Schema> {
  readonly engine: Engine;

  constructor(engine: Engine, dialect: Dialect) {
    super({ dialect });
    this.engine = engine;
  }

  /**
   * After a DELETE of personal data has committed: also removes it from where the engine still keeps it
   * (SQLite's write-ahead log; PostgreSQL's dead rows). Backups are the operator's to expire.
   */
  async scrub(table: keyof Schema & string): Promise<void> {
    if (this.engine === "sqlite") await sql`pragma wal_checkpoint(truncate)`.execute(this);
    else await sql`vacuum ${sql.table(table)}`.execute(this);
  }
}

/**
 * Opens `sqlite:<path>` (or `sqlite::memory:`) or `postgres://…` and brings its schema up to date.
 * A process passes the migrations of all its modules at once.
 * @throws WjfError `config-invalid` for another kind of address; the engine's error if it cannot be opened.
 */
export async function openDatabase<Schema>(
  url: string,
  migrations: readonly Migration[],
): Promise<Database<Schema>> {
  const db = connect<Schema>(url);
  try {
    await migrate(db, migrations);
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/** Rows per statement: one statement text for all but the last, well below both engines' parameter limits. */
const ROWS_PER_STATEMENT = 100;

/** What goes into one statement after another, where it is too much for one. */
export function chunks<T>(values: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < values.length; at += ROWS_PER_STATEMENT) {
    parts.push(values.slice(at, at + ROWS_PER_STATEMENT));
  }
  return parts;
}

function connect<Schema>(url: string): Database<Schema> {
  if (url.startsWith("sqlite:")) {
    const path = url.slice("sqlite:".length);
    if (path !== ":memory:") createPrivately(path);
    return new Database("sqlite", sqliteDialect(path));
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    return new Database("postgres", new PostgresDialect({ pool: postgresPool(url) }));
  }
  throw new WjfError("config-invalid", "database address: must start with sqlite: or postgres://");
}

/** The file exists as 0600 before SQLite sees it; its -wal and -shm files take the same mode. */
function createPrivately(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
}

const INT8_OID = 20;

function postgresPool(url: string): Pool {
  const typeOverrides = new TypeOverrides();
  typeOverrides.setTypeParser(INT8_OID, safeInteger);
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 10_000,
    statement_timeout: 30_000,
    // A replica that hangs in a transaction must not hold its row locks for ever.
    idle_in_transaction_session_timeout: 15_000,
    types: typeOverrides,
  });
  // A connection that breaks is replaced by the pool, and whoever uses it learns of it by its next query. Without a listener, of the
  // pool for idle connections and of each for those in use, it would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("a bigint column holds more than 2^53");
  return value;
}

async function migrate<S>(db: Database<S>, migrations: readonly Migration[]): Promise<void> {
  const columnTypes: ColumnTypes = { bytes: db.engine === "sqlite" ? "blob" : "bytea" };
  const names = new Set(migrations.map((migration) => migration.name));
  if (names.size !== migrations.length) throw new Error("two migrations have one name");
  const migrator = new Migrator({
    db,
    // Modules number their migrations by date, so a new one may sort before another module's old one.
    allowUnorderedMigrations: true,
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          migrations.map((migration) => [
            migration.name,
            { up: (tx: Kysely<unknown>) => migration.up(tx, columnTypes) },
          ]),
        ),
    },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
