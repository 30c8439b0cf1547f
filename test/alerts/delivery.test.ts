// The outbox and the delivery on SQLite and on PostgreSQL.
import { afterAll, beforeAll, describe } from "vitest";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { deliverySuite } from "./delivery-suite.ts";
import { outboxSuite } from "./outbox-suite.ts";

describe("on SQLite", () => {
  outboxSuite(() => Promise.resolve("sqlite::memory:"));
  deliverySuite(() => Promise.resolve("sqlite::memory:"));
});

describe("on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());
  outboxSuite(() => server.emptyDatabase());
  deliverySuite(() => server.emptyDatabase());
});
