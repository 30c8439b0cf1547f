// The audit log's queries, the same on SQLite and PostgreSQL. `lockHead` is the gate: whoever holds it (until its
// transaction ends) is the only writer of the log, in every process on this database. Nothing here decides anything.
import { CompiledQuery, type Kysely, type Transaction } from "kysely";
import { WjfError } from "../../core/errors.ts";
import type { Engine } from "../../core/database.ts";
import { HASH_BYTES } from "../../crypto/merkle.ts";
import type { LogSchema } from "./schema.ts";
import { edgeTilesOf, encodeBundle, TILE_WIDTH, type TileRef } from "./tile.ts";
import { type TileData, TileTree } from "./tile-tree.ts";

type Db = Kysely<LogSchema>;
type Tx = Transaction<LogSchema>;
export type Head = LogSchema["log_head"];

// Rows per INSERT: one statement text for all but the last chunk, and well below both engines' parameter limits.
const ROWS_PER_INSERT = 100;

/** Compiled once: these run for every caller of a group. */
export const SAVEPOINT = {
  set: CompiledQuery.raw("savepoint caller"),
  release: CompiledQuery.raw("release savepoint caller"),
  rollback: CompiledQuery.raw("rollback to savepoint caller"),
};

export async function readHead(db: Db): Promise<Head> {
  return db.selectFrom("log_head").selectAll().where("id", "=", 1).executeTakeFirstOrThrow();
}

/**
 * The head, with no other writer until this transaction ends. SQLite: BEGIN IMMEDIATE has seen to that. PostgreSQL: a
 * row lock; at READ COMMITTED the row is read again after the wait, so it is the other replica's latest.
 */
export async function lockHead(tx: Tx, engine: Engine): Promise<Head> {
  const query = tx.selectFrom("log_head").selectAll().where("id", "=", 1);
  return (engine === "postgres" ? query.forUpdate() : query).executeTakeFirstOrThrow();
}

export async function saveHead(tx: Tx, head: Omit<Head, "id">): Promise<void> {
  await tx.updateTable("log_head").set(head).where("id", "=", 1).execute();
}

/** The tree of the head's size, ready to grow. @throws WjfError `log-invalid` when tiles and head disagree. */
export async function loadTree(db: Db, head: Pick<Head, "size" | "root">): Promise<TileTree> {
  const tree = new TileTree(head.size, await loadTiles(db, edgeTilesOf(head.size)));
  if (!tree.tree().root().equals(head.root)) {
    throw new WjfError("log-invalid", "the stored tiles do not have the stored root");
  }
  return tree;
}

/** Each tile cut to the width asked for: stored tiles may have grown since. */
export async function loadTiles(
  db: Db,
  refs: readonly (TileRef & { level: number })[],
): Promise<TileData[]> {
  const tiles = refs.map(async ({ level, index, width }) => {
    const data = await readTile(db, level, index, width);
    if (data === undefined) throw new WjfError("log-invalid", `tile ${level}/${index}: missing`);
    return { level, index, data };
  });
  return Promise.all(tiles);
}

export async function readTile(
  db: Db,
  level: number,
  index: number,
  width: number,
): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom("log_tile")
    .select("data")
    .where("level", "=", level)
    .where("idx", "=", index)
    .executeTakeFirst();
  const bytes = width * HASH_BYTES;
  return row === undefined || row.data.length < bytes ? undefined : row.data.subarray(0, bytes);
}

/** By index; those that there are. */
export async function readLeaves(
  db: Db,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const query = db.selectFrom("log_leaf").select(["idx", "leaf"]).where("idx", "in", indexes);
  return new Map((await query.execute()).map(({ idx, leaf }) => [idx, leaf]));
}

/** The entry bundle of `width` leaves, or nothing when there are not that many. */
export async function readBundle(
  db: Db,
  index: number,
  width: number,
): Promise<Buffer | undefined> {
  const start = index * TILE_WIDTH;
  const rows = await db
    .selectFrom("log_leaf")
    .select("leaf")
    .where("idx", ">=", start)
    .where("idx", "<", start + width)
    .orderBy("idx")
    .execute();
  return rows.length === width ? encodeBundle(rows.map((row) => row.leaf)) : undefined;
}

export async function insertLeaves(
  tx: Tx,
  start: number,
  leaves: readonly string[],
): Promise<void> {
  for (let at = 0; at < leaves.length; at += ROWS_PER_INSERT) {
    const rows = leaves
      .slice(at, at + ROWS_PER_INSERT)
      .map((leaf, i) => ({ idx: start + at + i, leaf }));
    await tx.insertInto("log_leaf").values(rows).execute();
  }
}

export async function saveTiles(tx: Tx, tiles: readonly TileData[]): Promise<void> {
  for (const { level, index, data } of tiles) {
    await tx
      .insertInto("log_tile")
      .values({ level, idx: index, data })
      .onConflict((conflict) => conflict.columns(["level", "idx"]).doUpdateSet({ data }))
      .execute();
  }
}

// PostgreSQL: serialization_failure, deadlock_detected. SQLite: SQLITE_BUSY, another process kept the lock.
const TRANSIENT = new Set<unknown>(["40001", "40P01"]);
const SQLITE_BUSY = 5;

/** The engine has rolled back and says that the same transaction may succeed if it is run again. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return TRANSIENT.has(code) || errcode === SQLITE_BUSY;
}
