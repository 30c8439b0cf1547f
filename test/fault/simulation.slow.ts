// The fault simulation: seeded runs of faults between and in the processes of a federation, each with questions meanwhile.
//
// A failure is: a wrong answer, by the independent oracle over the raw rows, or one that could be another if a missing province had
// answered; a query id released twice, or a consent counted otherwise than it was released; an answer without its leaf in the log, or
// with a receipt that does not verify or is about something else; an answer that claims more provinces than can have answered;
// a question about which nothing is said within twice the time limit of a fan-out (it may wait for one before it) and three seconds;
// a refusal that is not documented as retryable, or is not of those that this fault excuses; a refusal with no fault under way; a party
// that ends by itself, or does not start or stop; a question that has no answer 45 s after the last fault, or a federation that
// has not answered with all provinces by then.
// Not a failure: a retryable refusal under a fault, and until the federation has answered in full after it, or because the machine was so
// slow that half of the time limit was over; a connection that breaks, or
// an answer that is lost, where the fault is at the gateway or before it; refusing a proof that was sent twice, or by a clock that is
// minutes off.
//
// WJF_SEED and WJF_RUNS (2000) change what is run; WJF_RUN=n runs that one alone. A failing run prints its seed and number. Linux only.
// Plans follow from the seed; processes and sockets keep their own time, so a rerun meets the same faults, not the same interleaving.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Simulation } from "./simulation.ts";
import { SimulationReport } from "./simulation-report.ts";

const SEED = process.env["WJF_SEED"] ?? "2026-11-28";
const RUNS = Number(process.env["WJF_RUNS"] ?? 2000);
const ONLY = process.env["WJF_RUN"];
/** Federations side by side: most of a run is waiting. */
const LANES = ONLY === undefined ? Math.min(3, RUNS) : 1;

const FEDERATION = { nodes: 4, peoplePerProvince: 5, timeoutMs: 2500 };
const MOST_FINDINGS = 10;

const cache = mkdtempSync(join(tmpdir(), "wjf-simulation-cache-"));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

test(`${RUNS} runs of seed ${SEED}`, async () => {
  const report = new SimulationReport(SEED);
  // Shared by the lanes, and carried on after a break.
  const runs = (ONLY === undefined ? [...Array(RUNS).keys()] : [Number(ONLY)]).values();
  const untilFinding = async (): Promise<boolean> => {
    await using simulation = await Simulation.start(SEED, { ...FEDERATION, cache });
    for (const run of runs) {
      const result = await simulation.run(run);
      report.add(result, simulation.federation);
      // Whatever it has broken is not the next run's.
      if (result.findings.length > 0) return true;
    }
    return false;
  };
  const lane = async (): Promise<void> => {
    while (await untilFinding()) if (report.findings.length >= MOST_FINDINGS) return;
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  process.stderr.write(report.print());
  expect(report.findings).toEqual([]);
  if (ONLY === undefined && RUNS >= 1000) expect(report.kinds.size).toBeGreaterThanOrEqual(20);
});
