// The simulation: runs of the plan of a seed over a federation of processes, one after another, each judged by itself. The same
// federation serves all of them, so that what one run breaks for good is found by the next.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { decodeLeaf } from "../../consent/log/index.ts";
import type { GivenConsent } from "../federation/bank.ts";
import { SimulatedFederation, type SimulatedOptions } from "./simulated-federation.ts";
import { allowedIn } from "./simulation-allowed.ts";
import { type Asked, askUntilAnswered, type Attempt, isAnswered } from "./simulation-asking.ts";
import { findings, REPLY_BYTES, type ReleaseLeaf, type Seen } from "./simulation-check.ts";
import { begin } from "./simulation-faults.ts";
import { type Plan, type PlannedFault, planRun } from "./simulation-plan.ts";
import { type SimulatedQuestion, SimulatedQuestions } from "./simulation-questions.ts";

/** Within this after its last fault a federation has to answer in full again. The longest that a silence stays unnoticed is 15 s. */
const RECOVERS_WITHIN_MS = 45_000;

export interface RunResult {
  readonly plan: Plan;
  readonly findings: readonly string[];
  readonly seen: readonly Seen[];
  /** From the end of the last fault to the first answer of all provinces. */
  readonly recoveredMs: number | undefined;
}

interface Prepared extends Asked {
  readonly question: SimulatedQuestion;
}

const PROBE = { manner: "once", leavesAfterMs: 0 } as const;

export class Simulation implements AsyncDisposable {
  readonly federation: SimulatedFederation;
  readonly #seed: string;
  readonly #timeoutMs: number;
  readonly #questions: SimulatedQuestions;
  #leavesRead = 0;
  #deathsRead = 0;

  private constructor(federation: SimulatedFederation, seed: string, timeoutMs: number) {
    this.federation = federation;
    this.#seed = seed;
    this.#timeoutMs = timeoutMs;
    this.#questions = new SimulatedQuestions(federation);
  }

  /** Resolves when every province has answered. */
  static async start(seed: string, options: SimulatedOptions): Promise<Simulation> {
    const federation = await SimulatedFederation.start(options);
    const simulation = new Simulation(federation, seed, options.timeoutMs);
    const before = { overMs: performance.now() + RECOVERS_WITHIN_MS };
    const probe = await simulation.#prepare(simulation.#questions.denied(0));
    await askUntilAnswered(federation, probe, PROBE, () => ({
      underFault: true,
      institutionSkewMs: 0,
      ...before,
    }));
    await simulation.#readLeaves();
    return simulation;
  }

  async run(run: number): Promise<RunResult> {
    const plan = planRun(this.#seed, run, this.federation.codes.length);
    const prepared = await Promise.all(
      plan.questions.map(async (planned) => this.#prepare(this.#questions.pick(planned))),
    );
    const probe = await this.#prepare(this.#questions.denied(run));
    const receivedBefore = this.federation.received();
    const state = { underFault: plan.faults.length > 0, institutionSkewMs: 0, overMs: Infinity };
    const conditions = () => state;
    const trouble: string[] = [];
    const carry = async (planned: PlannedFault): Promise<void> => {
      try {
        await this.#carryOut(planned, state);
      } catch (error) {
        trouble.push(`${planned.kind}: ${String(error)}`);
      }
    };
    const begun = plan.faults.filter(({ atMs }) => atMs === 0).map(carry);
    // Those have struck, as far as that takes no time, before anything is asked.
    await delay(0);
    const later = plan.faults.filter(({ atMs }) => atMs > 0).map(carry);
    const asking = prepared.map(async (asked, i) => {
      const planned = plan.questions[i] as Plan["questions"][number];
      await delay(planned.atMs);
      return await askUntilAnswered(this.federation, asked, planned, conditions);
    });
    await Promise.all([...begun, ...later]);
    const healedMs = performance.now();
    state.overMs = healedMs + RECOVERS_WITHIN_MS;
    const probed = await askUntilAnswered(this.federation, probe, PROBE, conditions);
    const recoveredMs = probed.some(isAnswered) ? performance.now() - healedMs : undefined;
    if (recoveredMs !== undefined) state.underFault = false;
    const attempts = [...(await Promise.all(asking)), probed];
    const seen = await this.#see(plan, [...prepared, probe], attempts, receivedBefore);
    trouble.push(...seen.flatMap(findings), ...this.federation.deaths.slice(this.#deathsRead));
    this.#deathsRead = this.federation.deaths.length;
    return { plan, findings: trouble, seen, recoveredMs };
  }

  async #carryOut(planned: PlannedFault, state: { institutionSkewMs: number }): Promise<void> {
    const { fault, atMs, forMs } = planned;
    if (atMs > 0) await delay(atMs);
    if (fault.type === "clock" && fault.party === "institution") {
      state.institutionSkewMs = fault.skewMs;
    }
    const heal = await begin(fault, this.federation);
    await delay(forMs);
    state.institutionSkewMs = 0;
    await heal();
  }

  async #prepare(question: SimulatedQuestion): Promise<Prepared> {
    const { product, subject, claims } = question;
    const { bank } = this.federation;
    const consent: GivenConsent = await bank.consent({
      subject: "msisdn" in subject ? subject.msisdn : subject.cnId,
      products: [product.ref],
      // One question, one use: an answer that is lost is still to be had under its query id.
      maxUses: 1,
      result: product.kind === "tags" ? "tags" : product.kind === "score" ? "score" : "boolean",
    });
    const queryId = randomUUID();
    const sealed = claims === undefined ? {} : { claims: await bank.sealClaims(claims) };
    const body = JSON.stringify({ product: product.ref, query_id: queryId, ...sealed });
    return { question, product, consent, queryId, body };
  }

  async #see(
    plan: Plan,
    prepared: readonly Prepared[],
    attempts: readonly Attempt[][],
    receivedBefore: readonly number[],
  ): Promise<Seen[]> {
    const leaves = await this.#readLeaves();
    const received = this.federation.received().map((now, i) => now - (receivedBefore[i] ?? 0));
    const couldAnswer = received.filter((bytes) => bytes >= REPLY_BYTES).length;
    const allowed = allowedIn(plan, this.#timeoutMs);
    return await Promise.all(
      prepared.map(async ({ question, product, consent, queryId }, i) => ({
        product,
        queryId,
        consentId: consent.id,
        attempts: attempts[i] ?? [],
        of: this.federation.codes.length,
        couldAnswer,
        expected: (answered: number) => this.#questions.expected(question, answered),
        leaves: leaves.filter(({ leaf }) => leaf.query_id === queryId),
        uses: await this.#uses(consent.id),
        allowed,
        logKeys: this.federation.ledger.log.verifierKeys,
      })),
    );
  }

  /** Releases that are new in the log. */
  async #readLeaves(): Promise<{ index: number; leaf: ReleaseLeaf }[]> {
    const rows = await this.federation.db
      .selectFrom("log_leaf")
      .select(["idx", "leaf"])
      .where("idx", ">=", this.#leavesRead)
      .orderBy("idx")
      .execute();
    this.#leavesRead = (rows.at(-1)?.idx ?? this.#leavesRead - 1) + 1;
    return rows.flatMap(({ idx, leaf: text }) => {
      const leaf = decodeLeaf(Buffer.from(text));
      return leaf.type === "release" ? [{ index: idx, leaf }] : [];
    });
  }

  async #uses(consentId: string): Promise<number> {
    const { db } = this.federation;
    const row = db.selectFrom("consent").select("uses").where("id", "=", consentId);
    return (await row.executeTakeFirstOrThrow()).uses;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.federation[Symbol.asyncDispose]();
  }
}
