// The fault simulation in short, and that it can fail: what was seen of a question is changed in one respect, and the check has to say so;
// a party that ends behind the simulation's back is reported. What is a failure: simulation.slow.ts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Attempt, Told } from "./simulation-asking.ts";
import { findings, type Seen } from "./simulation-check.ts";
import { FAULT_KINDS, MANNERS, planRun } from "./simulation-plan.ts";
import { Simulation } from "./simulation.ts";

const RUNS = 8;
const WITHIN_MS = 120_000;

const cache = mkdtempSync(join(tmpdir(), "wjf-simulation-cache-"));
let simulation: Simulation;
/** A question that was answered at once on all provinces, and one of its answers. */
let good: Seen;
beforeAll(async () => {
  simulation = await Simulation.start("quick 43", {
    nodes: 3,
    peoplePerProvince: 4,
    timeoutMs: 1000,
    cache,
  });
}, WITHIN_MS);
afterAll(async () => {
  await simulation[Symbol.asyncDispose]();
  rmSync(cache, { recursive: true, force: true });
});

test("there are at least twenty kinds of fault, and a plan follows from its seed", () => {
  expect(Object.keys(FAULT_KINDS).length + MANNERS.length).toBeGreaterThanOrEqual(20);
  expect(planRun("a", 7, 4)).toEqual(planRun("a", 7, 4));
  expect(planRun("a", 7, 4)).not.toEqual(planRun("b", 7, 4));
});

test(
  `${RUNS} runs`,
  async () => {
    const found: string[] = [];
    for (let run = 0; run < RUNS; run++) {
      const result = await simulation.run(run);
      found.push(...result.findings.map((finding) => `run ${run}: ${finding}`));
      good = result.seen.at(-1) as Seen;
    }
    expect(found).toEqual([]);
  },
  WITHIN_MS,
);

describe("a finding is made of", () => {
  const attempt = (): Attempt => good.attempts.at(-1) as Attempt;
  /** What was seen, with its answer changed. */
  const told = (change: Partial<Told>): Seen => {
    const { told: was, ...rest } = attempt();
    return { ...good, attempts: [{ ...rest, told: { ...(was as Told), ...change } }] };
  };
  const refused = (code: string, status: number, change: Partial<Told> = {}): Seen => {
    const refusal = { status, code, retryable: true, retryAfter: "1", ...change };
    const attempts = [{ ...attempt(), underFault: true, told: refusal }, attempt()];
    const refusals = new Set(["coverage-incomplete"]);
    return { ...good, attempts, allowed: { ...good.allowed, refusals } };
  };

  test("nothing where nothing is wrong", () => {
    expect(findings(good)).toEqual([]);
    expect(findings(refused("coverage-incomplete", 503))).toEqual([]);
  });

  const planted: [string, () => Seen, RegExp][] = [
    ["a wrong answer", () => told({ answer: { kind: "yes_no", value: "yes" } }), /^wrong/],
    ["more coverage than was had", () => ({ ...good, couldAnswer: 2 }), /only 2 can/],
    ["a coverage that is not the log's", () => told({ coverage: { answered: 2, of: 3 } }), /leaf/],
    [
      "what may not be said without a province",
      () => told({ coverage: { answered: 2, of: 3 } }),
      /may not be said/,
    ],
    ["a release with no leaf", () => ({ ...good, leaves: [], uses: 0 }), /without a leaf/],
    [
      "two releases",
      () => ({ ...good, leaves: [...good.leaves, ...good.leaves], uses: 2 }),
      /released 2 times/,
    ],
    ["a use that was not counted", () => ({ ...good, uses: 0 }), /0 uses, 1 releases/],
    ["a receipt that is not one", () => told({ receipt: "c2sp.org/tlog-proof@v1" }), /verify/],
    ["another question's receipt", () => ({ ...good, queryId: "another" }), /something else/],
    [
      "two answers to one question",
      () => ({
        ...good,
        attempts: [...good.attempts, ...told({ answer: { kind: "tags", tags: [] } }).attempts],
      }),
      /two answers/,
    ],
    [
      "silence",
      () => ({ ...good, attempts: [{ ...attempt(), told: "late" }] }),
      /nothing was said/,
    ],
    ["slowness", () => ({ ...good, attempts: [{ ...attempt(), tookMs: 60_000 }] }), /it took/],
    [
      "a broken connection",
      () => ({ ...good, attempts: [{ ...attempt(), told: "broken" }] }),
      /broke/,
    ],
    [
      "no answer in the end",
      () => ({ ...good, attempts: [], leaves: [], uses: 0 }),
      /not answered/,
    ],
    ["an undefined refusal", () => refused("internal", 500), /unexpected/],
    ["a refusal that is not this fault's", () => refused("overloaded", 503), /unexpected/],
    [
      "a refusal that does not say that it may be repeated",
      () => refused("coverage-incomplete", 503, { retryable: false }),
      /documented/,
    ],
    [
      "a refusal without a fault",
      () => ({
        ...good,
        // On a busy machine a slow question excuses it, and this one may have been slow.
        attempts: [
          { ...attempt(), told: { status: 503, code: "overloaded" }, underFault: false, tookMs: 1 },
        ],
      }),
      /without a fault/,
    ],
  ];
  test.each(planted)("%s", (_name, seen, says) => {
    expect(findings(seen()).join("; ")).toMatch(says);
  });

  test("a party that ends by itself", async () => {
    process.kill(simulation.federation.party(2).pid, "SIGKILL");
    while (simulation.federation.deaths.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(simulation.federation.deaths[0]).toMatch(/ended by itself: SIGKILL/);
  });
});
