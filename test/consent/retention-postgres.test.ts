// Retention on PostgreSQL.
import { afterAll, beforeAll } from "vitest";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { retentionSuite } from "./retention-suite.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

retentionSuite(() => server.emptyDatabase());
