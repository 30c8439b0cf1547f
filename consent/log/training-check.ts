// The rules that a log's training leaves must keep among themselves: nothing is told of a job before it was admitted, for another
// institution, out of order, beyond its rounds or its term, or after it was refused or ended. A second reading of the rules, as
// history-check.ts.
import type { Report } from "./findings.ts";
import type { TrainingAdmittedLeaf, TrainingLeaf } from "./leaf.ts";

interface Job {
  readonly terms: TrainingAdmittedLeaf;
  steps: number;
  rounds: number;
  over: "refused" | "ended" | undefined;
}

export class TrainingCheck {
  readonly #report: Report;
  readonly #jobs = new Map<string, Job>();

  constructor(report: Report) {
    this.#report = report;
  }

  observe(index: number, leaf: TrainingLeaf): void {
    const wrong = this.#fault(leaf);
    if (wrong !== undefined) this.#report("training-order", index, wrong);
  }

  #fault(leaf: TrainingLeaf): string | undefined {
    const job = this.#jobs.get(leaf.job_id);
    if (leaf.event === "admitted") {
      if (job !== undefined) return "admitted before";
      this.#jobs.set(leaf.job_id, { terms: leaf, steps: 0, rounds: 0, over: undefined });
      return undefined;
    }
    if (job === undefined) return `${leaf.event} and never admitted`;
    if (leaf.client_id !== job.terms.client_id) return "another institution than was admitted";
    if (job.over !== undefined) return `${leaf.event} after it was ${job.over}`;
    if (leaf.event === "ended") {
      job.over = "ended";
      return undefined;
    }
    const step = job.steps + 1;
    job.steps = leaf.step;
    if (leaf.event === "refused") job.over = "refused";
    if (leaf.step !== step) return `step ${leaf.step} where ${step} was the next`;
    if (leaf.event === "refused") return undefined;
    const { first, last } = leaf.rounds;
    // Rounds of a question that failed half-way are never used again.
    const used = job.rounds;
    job.rounds = last;
    if (first <= used || last < first) return `rounds ${first} to ${last}, not after ${used}`;
    if (last > job.terms.max_rounds) return `round ${last} of ${job.terms.max_rounds}`;
    if (leaf.time >= job.terms.expires) return "after the job's term";
    if ((leaf.kind === "admit") !== (leaf.step === 1)) return "the cohort is admitted first, once";
    return undefined;
  }
}
