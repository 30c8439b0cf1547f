// A suite over what is kept in a database, on SQLite and on a real PostgreSQL: the same tests, one server, an empty database each.
import { afterAll, beforeAll, describe } from "vitest";
import { type PostgresServer, startPostgres } from "./database-postgres-server.ts";

/** @param suites take what gives the URL of an empty database. */
export function onBothEngines(...suites: ((emptyDatabase: () => Promise<string>) => void)[]): void {
  describe("on SQLite", () => {
    for (const suite of suites) suite(() => Promise.resolve("sqlite::memory:"));
  });

  describe("on PostgreSQL", () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres();
    }, 60_000);
    afterAll(() => server[Symbol.asyncDispose]());
    for (const suite of suites) suite(() => server.emptyDatabase());
  });
}
