// The batch store on SQLite and on PostgreSQL.
import { afterAll, beforeAll, describe } from "vitest";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { batchStoreSuite } from "./batch-store-suite.ts";

describe("on SQLite", () => {
  batchStoreSuite(() => Promise.resolve("sqlite::memory:"));
});

describe("on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());
  batchStoreSuite(() => server.emptyDatabase());
});
