// Issue 3, must-show 4: kill -9 of the authority at 200 random moments under load, on SQLite and on PostgreSQL. What counts
// as failure: see kill-experiment.ts. WJF_KILLS and WJF_SEED change how often and which moments.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { killAuthority } from "./kill-experiment.ts";

const kills = Number(process.env["WJF_KILLS"] ?? 200);
const seed = process.env["WJF_SEED"] ?? "2026-11-24";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

test.each(["SQLite", "PostgreSQL"])("%s", async (engine) => {
  const result = await killAuthority({
    kills,
    seed: `${seed} ${engine}`,
    ...(engine === "PostgreSQL" && { databaseUrl: await server.emptyDatabase() }),
    onKill: (done, answers) => {
      if (done % 20 === 0) process.stderr.write(`${engine}: ${done} kills, ${answers} answers\n`);
    },
  });
  process.stderr.write(`${engine}, seed ${seed}: ${JSON.stringify(result)}\n`);
  expect(result.kills).toBe(kills);
});
