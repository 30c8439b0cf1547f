// Two authorities, real processes, on one PostgreSQL and one folder, each with a gateway of its own and a node that follows
// it. Failure: two logs, an answer that differs by where it is asked, a consent spent twice between them, an epoch that one
// of them does not know. One replica is killed on the way: the other goes on.
import { afterAll, beforeAll, expect, test } from "vitest";
import { httpReader, verifyLog } from "../../consent/log/index.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { ConsentedLoad } from "./consented-load.ts";
import { expectNothingWrong } from "./kill-experiment.ts";
import { startKillableFederation } from "./killable-federation.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Starting it all takes most of it, on a busy machine. */
const WITHIN_MS = 300_000;

test(
  "two replicas on one database: one log, one answer to a question, one count of uses",
  async () => {
    const databaseUrl = await server.emptyDatabase();
    await using federation = await startKillableFederation({ databaseUrl, replicas: 2 });
    const { authorities, ledger } = federation;
    await Promise.all(authorities.map(async (authority) => authority.ready()));
    const stream = new Keystream(sandboxKey("replicas"), 202, 0);
    const load = new ConsentedLoad(federation.bank, () => stream.unit());
    load.start(4);
    await until(() => load.settled.length >= 6);
    await authorities[1]?.kill();
    await until(() => load.settled.length >= 9);
    authorities[1]?.spawn();
    await authorities[1]?.ready();
    await until(() => load.settled.length >= 14);
    await load.finish();
    const size = await expectNothingWrong(federation, load);

    const { verifierKeys } = ledger.log;
    for (const { httpUrl } of authorities) {
      const earlier = (await ledger.log.read("checkpoint"))?.toString() ?? "";
      const report = await verifyLog(httpReader(`${httpUrl}/log`), { verifierKeys, earlier });
      expect(report).toMatchObject({ ok: true, size });
    }
    // One epoch, opened once, by whichever came first.
    const rows = await federation.db.selectFrom("log_leaf").select("leaf").execute();
    const opened = rows.filter(({ leaf }) => leaf.includes('"type":"epoch"'));
    expect(
      new Set(opened.map(({ leaf }) => (JSON.parse(leaf) as { epoch: number }).epoch)),
    ).toEqual(new Set([1]));
  },
  WITHIN_MS,
);
