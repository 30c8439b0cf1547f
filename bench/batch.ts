// People per second through a batch: NDJSON in, manifest, 31 provinces, release, results with receipts out; credit scores,
// each row with its token. Then the same people asked one by one, and the answers compared.
import { BATCHES_PATH, BLOCK_ROWS, blockHash, BlockTree } from "../consent/verifier.ts";
import { ask, keptAgent, prepareOne } from "./asking.ts";
import { type Asker, BenchFederation, type CpuShares } from "./bench-federation.ts";
import type { BenchResult } from "./main.ts";
import { median } from "./statistics.ts";

export interface BatchBenchOptions {
  readonly quick?: boolean;
  readonly provinces?: number;
  /** Rows of each measured batch. */
  readonly rows?: number;
  readonly rounds?: number;
  /** Rows whose answers are compared with single questions. */
  readonly singles?: number;
}

interface Round {
  readonly people_per_s: number;
  readonly upload_s: number;
  readonly seconds: number;
  /** Per person. */
  readonly cpu_us: CpuShares;
}

const PRODUCT = "credit-score@1";
/** Rows take turns with them. Every row's token is verified; nothing remembers one. */
const CONSENTS = 1000;
/** Single questions under way at once. */
const ASKED_AT_ONCE = 64;

export async function run(options: BatchBenchOptions = {}): Promise<BenchResult> {
  const quick = options.quick ?? false;
  const provinces = options.provinces ?? (quick ? 3 : 31);
  const rows = options.rows ?? (quick ? 372 : 55_800);
  const rounds = options.rounds ?? (quick ? 1 : 3);
  const singles = Math.min(rows, options.singles ?? (quick ? 100 : 10_000));
  await using federation = await BenchFederation.start({
    provinces,
    peoplePerProvince: 20,
    consents: Math.min(rows, CONSENTS),
    twin: false,
  });
  const { askers } = federation;
  const lines = Array.from({ length: rows }, (_, i) => {
    const { token } = askers[i % askers.length] as Asker;
    return JSON.stringify({ product: PRODUCT, token });
  });
  // One batch goes unmeasured: code is compiled, connections are made.
  await runBatch(federation, lines.slice(0, rows / 5));
  const runs: Round[] = [];
  let answers: readonly unknown[] = [];
  for (let round = 0; round < rounds; round++) {
    const { results, ...measured } = await runBatch(federation, lines);
    runs.push(measured);
    answers = results;
  }
  const same = await compareWithSingles(federation, answers.slice(0, singles));
  const memory = federation.memoryMib();
  return {
    metrics: {
      people_per_s: median(runs.map((each) => each.people_per_s)),
      cpu_us_per_person: median(runs.map(({ cpu_us: us }) => us.authority + us.nodes + us.gateway)),
      cpu_us_authority: median(runs.map(({ cpu_us: us }) => us.authority)),
      cpu_us_nodes: median(runs.map(({ cpu_us: us }) => us.nodes)),
      cpu_us_gateway: median(runs.map(({ cpu_us: us }) => us.gateway)),
      identical_to_single: same,
      compared: singles,
      rows,
      provinces,
      authority_mib: memory[0] ?? 0,
      node_mib: median(memory.slice(1, -1)),
      gateway_mib: memory.at(-1) ?? 0,
    },
    runs,
  };
}

/** @param gatewayUrl where the rows are sent to, when that is not the gateway's own address. */
export async function runBatch(
  federation: BenchFederation,
  lines: readonly string[],
  gatewayUrl = federation.settings.gatewayUrl,
) {
  const { url, proof } = await signBatch(federation, lines);
  const cpuBefore = federation.cpuSeconds();
  const startedMs = performance.now();
  const sent = await fetch(new URL(BATCHES_PATH, gatewayUrl), {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", dpop: proof },
    body: lines.map((line) => `${line}\n`).join(""),
  });
  const batch = (await sent.json()) as { id: string };
  if (!sent.ok) throw new Error(`the batch was not taken: ${JSON.stringify(batch)}`);
  const uploadS = (performance.now() - startedMs) / 1000;
  await (await get(federation, `${url}/${batch.id}/events`)).text();
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = federation.cpuSince(cpuBefore, lines.length);
  const text = await (await get(federation, `${url}/${batch.id}/results`)).text();
  const results = text
    .trim()
    .split("\n")
    .map((line) => answerOf(JSON.parse(line)));
  if (results.length !== lines.length) throw new Error("rows are missing");
  return {
    people_per_s: lines.length / seconds,
    upload_s: uploadS,
    seconds,
    cpu_us: cpu,
    results,
  };
}

/** What must be the same for one person, however they were asked about. @throws Error for a refusal. */
function answerOf(reply: unknown): unknown {
  const { answer, coverage, model, product } = reply as Record<string, unknown>;
  if (answer === undefined) throw new Error(`refused: ${JSON.stringify(reply)}`);
  return { answer, coverage, model, product };
}

async function signBatch({ settings, sign }: BenchFederation, lines: readonly string[]) {
  const hashes: Buffer[] = [];
  for (let at = 0; at < lines.length; at += BLOCK_ROWS) {
    const block = lines.slice(at, at + BLOCK_ROWS).map((line) => `${line}\n`);
    hashes.push(blockHash(Buffer.from(block.join(""))));
  }
  const root = new BlockTree(hashes).root().toString("base64url");
  const url = new URL(BATCHES_PATH, settings.gatewayUrl).href;
  const rows = { count: lines.length, root, sealed: false };
  return { url, proof: await sign({ htm: "POST", htu: url, "wjf:rows": rows }) };
}

async function get({ sign }: BenchFederation, url: string): Promise<Response> {
  const response = await fetch(url, { headers: { dpop: await sign({ htm: "GET", htu: url }) } });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

/** The share of rows that a single question answers alike. */
async function compareWithSingles(
  federation: BenchFederation,
  answers: readonly unknown[],
): Promise<number> {
  let same = 0;
  const { askers, settings } = federation;
  using agent = keptAgent(ASKED_AT_ONCE);
  const queue = answers.entries();
  const worker = async (): Promise<void> => {
    // Shared between the workers: each takes the next row.
    for (const [i, answer] of queue) {
      const prepared = await prepareOne(askers[i % askers.length] as Asker);
      const single = JSON.parse(await ask(settings.gatewayUrl, prepared, agent.agent));
      if (JSON.stringify(answerOf(single)) === JSON.stringify(answer)) same++;
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, worker));
  return same / answers.length;
}
