// core/database.ts over PostgreSQL: the same types as over SQLite, and migrations when two processes start at once.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, type Migration, openDatabase } from "../../core/database.ts";
import { type PostgresServer, startPostgres } from "./database-postgres-server.ts";

interface Schema {
  item: { name: string; data: Buffer; big: number; small: number };
}

const create: Migration = {
  name: "2026-01-01-001-item",
  up: (db, types) =>
    db.schema
      .createTable("item")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("data", types.bytes, (column) => column.notNull())
      .addColumn("big", "bigint", (column) => column.notNull())
      .addColumn("small", "integer", (column) => column.notNull())
      .execute(),
};

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

test("gives back what was put in, in the types that SQLite gives", async () => {
  await using db = await openDatabase<Schema>(await server.emptyDatabase(), [create]);
  const row = { name: "a", data: Buffer.from([0, 255]), big: 2 ** 52 + 1, small: 7 };
  await db.insertInto("item").values(row).execute();
  expect(await db.selectFrom("item").selectAll().executeTakeFirstOrThrow()).toEqual(row);
  const { n } = await db
    .selectFrom("item")
    .select((e) => e.fn.countAll<number>().as("n"))
    .executeTakeFirstOrThrow();
  expect(n).toBe(1);
  await db.scrub("item");
});

test("refuses a bigint that JavaScript cannot hold, instead of rounding it", async () => {
  await using db = await openDatabase<Schema>(await server.emptyDatabase(), [create]);
  const big = (2n ** 60n) as unknown as number;
  await db.insertInto("item").values({ name: "a", data: Buffer.of(), big, small: 0 }).execute();
  await expect(db.selectFrom("item").selectAll().execute()).rejects.toThrow("2^53");
});

test("a connection that the server ends within a transaction fails that transaction, and nothing else", async () => {
  await using db = await openDatabase<Schema>(await server.emptyDatabase(), [create]);
  const ended = db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(db);
    // The end is noticed while nothing is asked, as when a replica hangs.
    while (await isAlive(db, rows[0]?.pid)) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    await tx.selectFrom("item").selectAll().execute();
  });
  await expect(ended).rejects.toThrow();
  expect(await db.selectFrom("item").selectAll().execute()).toEqual([]);
});

async function isAlive(db: Database<Schema>, pid: number | undefined): Promise<boolean> {
  const alive = sql`select 1 from pg_stat_activity where pid = ${pid}`;
  return (await alive.execute(db)).rows.length > 0;
}

test("processes that start together run each migration once", async () => {
  const url = await server.emptyDatabase();
  let runs = 0;
  const counting: Migration = {
    ...create,
    up: (db, types) => {
      runs += 1;
      return create.up(db, types);
    },
  };
  const opened = await Promise.all(
    Array.from({ length: 3 }, () => openDatabase<Schema>(url, [counting])),
  );
  for (const db of opened) await db.destroy();
  expect(runs).toBe(1);
});
