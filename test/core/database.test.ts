// core/database.ts over SQLite: migrations, transactions, durability settings, file modes.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Generated, sql } from "kysely";
import { afterAll, describe, expect, test } from "vitest";
import { type Migration, openDatabase } from "../../core/database.ts";

interface Schema {
  item: { id: Generated<number>; name: string; data: Buffer; big: number };
}

const create: Migration = {
  name: "2026-01-01-001-item",
  up: (db, types) =>
    db.schema
      .createTable("item")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("name", "text", (column) => column.notNull().unique())
      .addColumn("data", types.bytes, (column) => column.notNull())
      .addColumn("big", "bigint", (column) => column.notNull())
      .execute(),
};

const folder = mkdtempSync(join(tmpdir(), "wjf-db-"));
afterAll(() => rmSync(folder, { recursive: true }));

const row = (name: string) => ({ name, data: Buffer.from([0, 255, 7]), big: 2 ** 40 });

describe("a SQLite database", () => {
  test("gives back what was put in, in the same types", async () => {
    await using db = await openDatabase<Schema>("sqlite::memory:", [create]);
    const inserted = await db.insertInto("item").values(row("a")).executeTakeFirstOrThrow();
    expect(inserted.numInsertedOrUpdatedRows).toBe(1n);
    const read = await db.selectFrom("item").selectAll().executeTakeFirstOrThrow();
    expect(read).toEqual({ id: 1, ...row("a") });
    expect(Buffer.isBuffer(read.data)).toBe(true);
  });

  test("is durable per commit and private on disk", async () => {
    const path = join(folder, "deep", "state.db");
    {
      await using db = await openDatabase<Schema>(`sqlite:${path}`, [create]);
      await db.insertInto("item").values(row("kept")).execute();
      for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
      const pragma = async (name: string) =>
        Object.values(
          (await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(db)).rows[0]!,
        )[0];
      expect(await pragma("journal_mode")).toBe("wal");
      expect(await pragma("synchronous")).toBe(2);
      expect(await pragma("foreign_keys")).toBe(1);
    }
    await using again = await openDatabase<Schema>(`sqlite:${path}`, [create]);
    expect(await again.selectFrom("item").select("name").execute()).toEqual([{ name: "kept" }]);
  });

  test("rolls back whole, and serialises concurrent transactions", async () => {
    await using db = await openDatabase<Schema>("sqlite::memory:", [create]);
    const failed = db.transaction().execute(async (tx) => {
      await tx.insertInto("item").values(row("x")).execute();
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    const add = (name: string) =>
      db.transaction().execute(async (tx) => {
        const { n } = await tx
          .selectFrom("item")
          .select((e) => e.fn.countAll<number>().as("n"))
          .executeTakeFirstOrThrow();
        await new Promise((resolve) => setImmediate(resolve));
        await tx
          .insertInto("item")
          .values({ ...row(name), big: n })
          .execute();
      });
    await Promise.all(Array.from({ length: 20 }, (_, i) => add(`n${i}`)));
    const seen = await db.selectFrom("item").select("big").orderBy("id").execute();
    expect(seen.map((r) => r.big)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});

describe("migrations", () => {
  const url = () => `sqlite:${join(folder, `${Math.random()}.db`)}`;

  test("a failed one leaves nothing behind, and the next start runs it again", async () => {
    const at = url();
    const broken: Migration = {
      name: "2026-01-02-001-broken",
      up: async (db) => {
        await db.schema.createTable("half").addColumn("id", "integer").execute();
        throw new Error("power cut");
      },
    };
    await expect(openDatabase(at, [create, broken])).rejects.toThrow("power cut");
    const whole: Migration = {
      ...broken,
      up: (db) => db.schema.createTable("half").addColumn("id", "integer").execute(),
    };
    await using db = await openDatabase<Schema>(at, [create, whole]);
    expect((await db.introspection.getTables()).map((t) => t.name).sort()).toEqual([
      "half",
      "item",
    ]);
  });

  test("run once each, also when a later release brings one with an earlier name", async () => {
    const at = url();
    {
      await (await openDatabase<Schema>(at, [create])).destroy();
    }
    let runs = 0;
    const earlier: Migration = { name: "2025-01-01-001-other", up: async () => void runs++ };
    for (let start = 0; start < 2; start++) {
      await (await openDatabase<Schema>(at, [create, earlier])).destroy();
    }
    expect(runs).toBe(1);
  });

  test("another address is refused by name", async () => {
    await expect(openDatabase("mysql://x", [])).rejects.toMatchObject({ code: "config-invalid" });
    await expect(openDatabase("sqlite::memory:", [create, create])).rejects.toThrow("one name");
  });
});
