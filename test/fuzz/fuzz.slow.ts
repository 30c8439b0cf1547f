// More than a million inputs, spread over every reader that faces the outside. Nothing but documented refusals, no hang, no
// 5xx that is not defined, and memory that stays: of JavaScript within a few megabytes from one half of a target's inputs to
// the other, of SEAL's WebAssembly to the byte. `WJF_SEED` repeats a run; `-t NAME` one target of it. Keys and signatures are
// made afresh in every run, so a failure also prints its input.
import { randomInt } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { openTable } from "./table.ts";
import { fuzz, measureMemory, type Report } from "./target.ts";

/** Caches that fill, and the collector's own. A leak of a hundred bytes per input would show in the larger targets. */
const LIVE_GROWTH_BYTES = 24 * 2 ** 20;
const RSS_GROWTH_BYTES = 400 * 2 ** 20;

const given = process.env["WJF_SEED"];
const SEED = given === undefined ? randomInt(2 ** 31 - 2) : Number(given);
const WANTED = 1_000_000;

print(`fuzz: WJF_SEED=${SEED}`);
const table = await openTable(SEED);
const reports: Report[] = [];
const wasm = { first: 0, last: 0 };
const before = await measureMemory();

afterAll(() => table[Symbol.asyncDispose]());

test.for(table.targets.map((each) => [each.name, each] as const))("%s", async ([, each]) => {
  const { watchdog } = table;
  const wasmBytes: number[] = [];
  const measure = async () => {
    wasmBytes.push(table.wasmBytes());
    return await measureMemory();
  };
  const inputs = each.inputs.slow;
  const report = await fuzz(each, { inputs, seed: SEED, watchdog, measure });
  reports.push(report);
  print(line(report));
  const [first, second] = report.memory;
  expect((second?.live ?? 0) - (first?.live ?? 0)).toBeLessThan(LIVE_GROWTH_BYTES);
  expect(wasmBytes[1]).toBe(wasmBytes[0]);
  wasm.first ||= wasmBytes[0] ?? 0;
  wasm.last = wasmBytes[1] ?? 0;
});

test("in all: more than a million inputs, and memory as before", async (context) => {
  if (reports.length < table.targets.length) return context.skip();
  const accepted = reports.reduce((sum, report) => sum + report.accepted, 0);
  const refused = reports.reduce((sum, report) => sum + report.refused, 0);
  const seconds = reports.reduce((sum, report) => sum + report.seconds, 0);
  const after = await measureMemory();
  // The first targets warm everything up; what counts is from there on.
  const warm = reports[0]?.memory[1] ?? before;
  print(
    `fuzz: ${accepted + refused} inputs to ${reports.length} targets in ${seconds.toFixed(0)} s: ` +
      `${accepted} accepted, ${refused} refused, 0 faults\n` +
      `fuzz: live ${mb(before.live)} -> ${mb(warm.live)} -> ${mb(after.live)} MB, ` +
      `resident ${mb(before.rss)} -> ${mb(warm.rss)} -> ${mb(after.rss)} MB (start, after the first target, end), ` +
      `SEAL's memory ${mb(wasm.first)} -> ${mb(wasm.last)} MB\n` +
      `fuzz: WJF_SEED=${SEED}`,
  );
  expect(accepted + refused).toBeGreaterThanOrEqual(WANTED);
  expect(after.rss - warm.rss).toBeLessThan(RSS_GROWTH_BYTES);
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function line({ name, accepted, refused, slowestMs, seconds, memory }: Report): string {
  const [first, second] = memory.map(({ live, rss }) => `${mb(live)}/${mb(rss)}`);
  const counts = `${accepted + refused} inputs, ${accepted} accepted, ${refused} refused`;
  return `${name}: ${counts}, slowest ${slowestMs.toFixed(1)} ms, ${seconds.toFixed(0)} s, live/resident MB ${first} -> ${second}`;
}

function mb(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
