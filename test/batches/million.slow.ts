// A batch of a million rows through 31 provinces, each party a process of its own; gateway, one province and authority are
// killed (SIGKILL) once each on the way and started again. Failure would be a row without a result, a row with two, a wrong
// answer, a refusal, or a consent used more or less often than it was asked. WJF_BATCH_ROWS takes fewer rows.
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { ask, keptAgent, prepareOne } from "../../bench/asking.ts";
import { type Asker, BenchFederation } from "../../bench/bench-federation.ts";
import { BatchClient, hashFile } from "../../cli/batch-client.ts";
import { ConsentOperator } from "../../consent/operator.ts";

const ROWS = Number(process.env["WJF_BATCH_ROWS"] ?? 1_000_000);
const PROVINCES = 31;
const CONSENTS = 2000;
const PRODUCT = "credit-score@1";
/** Who is killed when so much of the batch is done; places in `processes`. */
const KILLS = [
  { party: "gateway", at: PROVINCES + 1, done: 0.2 },
  { party: "a province", at: 9, done: 0.45 },
  { party: "authority", at: 0, done: 0.7 },
];

interface Line {
  readonly line: number;
  readonly query_id: string;
  readonly answer?: unknown;
}

test(`${ROWS} rows, three kills: every row exactly once`, async () => {
  await using federation = await BenchFederation.start({
    provinces: PROVINCES,
    peoplePerProvince: 20,
    consents: CONSENTS,
    twin: false,
  });
  const folder = mkdtempSync(join(tmpdir(), "wjf-million-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const { askers, settings } = federation;
  const expected = await singleAnswers(settings.gatewayUrl, askers);
  // Single questions use consents too: those above, and the one that found the federation ready.
  const before = await usesOf(federation);
  const path = join(folder, "rows.ndjson");
  await pipeline(Readable.from(rows(askers)), createWriteStream(path));
  const client = new BatchClient(settings.gatewayUrl, { signing: federation.signingKey });
  const started = performance.now();
  const { id } = await client.send(await hashFile(path), false);
  const uploaded = performance.now();
  await followWithKills(client, id, federation);
  const seconds = (performance.now() - uploaded) / 1000;

  let count = 0;
  const seen = new Set<string>();
  for await (const text of createInterface({ input: await client.results(id) })) {
    const { line, query_id: queryId, answer } = JSON.parse(text) as Line;
    expect(line).toBe(++count);
    seen.add(queryId);
    if (JSON.stringify(answer) !== expected[(line - 1) % askers.length]) {
      expect.fail(`line ${line}: ${text.slice(0, 200)}`);
    }
  }
  expect(count).toBe(ROWS);
  expect(seen.size).toBe(ROWS);
  const { uses, most, least } = await usesOf(federation);
  expect(uses - before.uses).toBe(ROWS);
  process.stdout.write(
    `${ROWS} rows, every one answered once; upload ${((uploaded - started) / 1000).toFixed(0)} s, ` +
      `then ${seconds.toFixed(0)} s with three kills (${(ROWS / seconds).toFixed(0)} people/s); ` +
      `each of ${askers.length} consents used ${least} to ${most} times\n`,
  );
});

/** What each asker is told when asked alone: what every row about that person must say. */
async function singleAnswers(gatewayUrl: string, askers: readonly Asker[]): Promise<string[]> {
  using agent = keptAgent(64);
  const answers: string[] = [];
  // Shared between the workers: each takes the next, and signs its proof when it is about to ask.
  const queue = askers.entries();
  const worker = async (): Promise<void> => {
    for (const [i, asker] of queue) {
      const body = await ask(gatewayUrl, await prepareOne(asker), agent.agent);
      answers[i] = JSON.stringify((JSON.parse(body) as { answer: unknown }).answer);
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  return answers;
}

function* rows(askers: readonly Asker[]): Generator<string> {
  for (let i = 0; i < ROWS; i++) {
    const { token } = askers[i % askers.length] as Asker;
    yield `${JSON.stringify({ product: PRODUCT, token })}\n`;
  }
}

async function followWithKills(
  client: BatchClient,
  id: string,
  federation: BenchFederation,
): Promise<void> {
  const started = performance.now();
  const kills = KILLS.values();
  let next = kills.next().value;
  let restarting = Promise.resolve();
  for await (const { done, rows: all, answered, refused, state } of client.follow(id)) {
    if (next !== undefined && done >= next.done * all) {
      const { party, at } = next;
      process.stdout.write(`${seconds(started)} s, ${done} rows done: ${party} killed\n`);
      restarting = restarting.then(() => federation.killAndRestart(at));
      next = kills.next().value;
    }
    if (state === "finished") expect({ answered, refused }).toEqual({ answered: ROWS, refused: 0 });
  }
  await restarting;
  expect(next).toBeUndefined();
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}

async function usesOf({ settings }: BenchFederation) {
  await using operator = await ConsentOperator.open(settings);
  const consents = await operator.db.selectFrom("consent").select("uses").execute();
  const all = consents.map(({ uses }) => uses);
  const uses = all.reduce((sum, each) => sum + each, 0);
  return { uses, most: Math.max(...all), least: Math.min(...all) };
}
