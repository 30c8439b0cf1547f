// What a province's operator sees and decides of training jobs: `wjf node training`. Works on the node's file beside the running node,
// which looks at each decision before every round.
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { TrainingAdmission } from "../../consent/verifier.ts";
import { type StoredJob, TrainingStore } from "./training-store.ts";

export interface OperatorJob {
  readonly id: string;
  readonly state: "pending" | "approved" | "refused" | "ended";
  readonly note: string;
  readonly roundsAnswered: number;
  readonly blocksReceived: number;
  readonly admission: TrainingAdmission;
}

/** As the authority admitted them: the node verified its signature when it took them. @throws WjfError `config-invalid`. */
export function listTraining(nodeFolder: string): readonly OperatorJob[] {
  using store = TrainingStore.open(nodeFolder);
  return store.list().map(operatorJob);
}

/**
 * A decision counts from the next round on; one can be changed as long as the job lasts.
 * @throws WjfError `route-unknown`, `training-ended`.
 */
export function decideTraining(
  nodeFolder: string,
  id: string,
  decision: "approved" | "refused",
  clock: Clock,
  note = "",
): OperatorJob {
  using store = TrainingStore.open(nodeFolder);
  const job = store.find(id);
  if (job === undefined) throw new WjfError("route-unknown", `no training job ${id} here`);
  const { expires_at } = operatorJob(job).admission;
  if (job.isEnded || clock.nowMs() >= expires_at * 1000) throw new WjfError("training-ended");
  store.decide(id, decision, note, clock.nowMs());
  return operatorJob({ ...job, decision, note });
}

function operatorJob(job: StoredJob): OperatorJob {
  const text = job.statement.toString("utf8");
  return {
    id: job.id,
    state: job.isEnded ? "ended" : job.decision,
    note: job.note,
    roundsAnswered: job.lastRound,
    blocksReceived: job.blocks,
    admission: parseJsonWith(TrainingAdmission, text, "config-invalid", "training.db"),
  };
}
