// Reads a log straight from its database: what the authority serves, and what its operator's commands read when nothing is
// running. It holds no key, signs nothing and takes no lock.
import type { Kysely } from "kysely";
import * as store from "./log-store.ts";
import type { LogReader } from "./reader.ts";
import type { LogSchema } from "./schema.ts";
import { parseTilePath } from "./tile.ts";

/** Only committed state is seen, and only what a signed checkpoint covers. */
export function databaseReader(db: Kysely<LogSchema>): LogReader {
  return {
    async read(path) {
      if (path === "checkpoint") return Buffer.from((await store.readHead(db)).checkpoint);
      const tile = parseTilePath(path);
      if (tile === undefined) return undefined;
      return tile.level === "entries"
        ? store.readBundle(db, tile.index, tile.width)
        : store.readTile(db, tile.level, tile.index, tile.width);
    },
  };
}
