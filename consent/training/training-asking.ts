// One question about a training job: the rounds that it takes, ordered by the authority, asked of the provinces through the gateway,
// opened under the rules of release/training-release.ts. What comes of it is told and logged by training-steps.ts.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { NotNull } from "kysely";
import { z } from "zod";
import {
  AGGREGATE_VALUES,
  type AggregateRequest,
  aggregateLength,
  importPublic,
  jobDigest,
  labelColumns,
  type LabelRequest,
  sealBytes,
  signStatement,
  type TrainingJob,
} from "../../crypto/index.ts";
import type { TrainRound } from "../../proto/index.ts";
import type { AuthorityDb, AuthorityTx } from "../ledger.ts";
import type { LeafDraft } from "../log/index.ts";
import {
  type CohortSize,
  type EarlierJob,
  openTrainingRelease,
  TRAINING_POLICY,
  type TrainingRelease,
} from "../release/index.ts";
import { requestHeader, TrainingAdmission, type TrainingOrder } from "../training-job.ts";
import type { TrainingAsk } from "../training-requests.ts";
import { type AskedRounds, askedRounds } from "./asked-rounds.ts";
import type { TrainingJobTable } from "./schema.ts";
import { NO_KEYS, stateOf, type TrainingParts } from "./training-admitter.ts";

/** The gateway: takes a round to the provinces and brings back the merged parts. */
export type AskProvinces = (round: TrainRound) => Promise<readonly Uint8Array[]>;

const COHORT = "training_job.cohort";
const Cohort = z.strictObject({ people: z.int(), bad: z.int() });

/** An institution's earlier cohorts of a year, with each of which a new one is compared: with more, none is admitted. */
const EARLIER_JOBS = 64;
const EARLIER_MS = 365 * 86_400_000;

export interface Step {
  readonly number: number;
  readonly askHash: string;
  readonly ask: TrainingAsk;
}

interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

export interface Answered {
  /** What is told: the value, or the rule that refuses; and what it took, merged ciphertexts in bytes. */
  readonly told: ({ readonly value: unknown } | { readonly refusal: Refusal }) & {
    readonly rounds: number;
    readonly bytes: number;
  };
  readonly change: Partial<TrainingJobTable>;
  readonly leaf: LeafDraft;
  /** Jobs that the cohort was compared with. */
  readonly earlier: readonly string[];
}

export interface AskedJob {
  readonly row: TrainingJobTable;
  readonly admission: TrainingAdmission;
  /** The job's homomorphic secret key. */
  readonly he: Uint8Array;
}

/** @throws WjfError what the provinces or the gateway fail with: nothing has changed then. A broken rule is an answer. */
export async function askStep(
  { number, ask, askHash }: Step,
  asked: AskedJob,
  parts: TrainingParts,
  provinces: AskProvinces,
): Promise<Answered> {
  const { row, admission } = asked;
  const { job } = admission;
  const parties = {
    type: "training",
    job_id: job.id,
    client_id: job.client,
    step: number,
    kind: ask.type,
  } as const;
  const took = { rounds: 0, bytes: 0 };
  const counted: AskProvinces = async (round) => {
    const sums = await provinces(round);
    took.rounds += 1;
    took.bytes += sums.reduce((sum, { length }) => sum + length, 0);
    return sums;
  };
  let compared: readonly EarlierJob[] = [];
  let earlier: readonly string[] = [];
  try {
    if (ask.type === "admit") compared = await earlierJobs(row, admission, parts);
    earlier = compared.map(({ id }) => id);
    const own = askedRounds(row, { askHash, earlier }, parts.db);
    using release = await openRelease(asked, compared, own, parts, counted);
    const value = await perform(release, ask);
    const { round, cohort } = release.standing;
    return {
      told: { value, ...took },
      change: {
        rounds: round,
        ...(ask.type === "evaluation" && ask.regions && { regions_step: number }),
        ...(cohort && { cohort_sealed: parts.atRest.seal(COHORT, canonicalJson(cohort)) }),
      },
      leaf: {
        ...parties,
        event: "released",
        rounds: { first: own.first, last: round },
        ask_sha256: askHash,
      },
      earlier,
    };
  } catch (error) {
    // Whatever else went wrong may go right next time.
    if (!(error instanceof WjfError && error.code === "training-refused")) throw error;
    const { code, detail = "" } = error;
    return {
      told: { refusal: { code, detail }, ...took },
      // A rule that was broken once is not tried at again: the job is over, and its key with it.
      change: { state: "refused", ...NO_KEYS },
      leaf: { ...parties, event: "refused", code },
      earlier,
    };
  }
}

async function openRelease(
  { row, admission, he }: AskedJob,
  earlier: readonly EarlierJob[],
  own: AskedRounds,
  parts: TrainingParts,
  provinces: AskProvinces,
): Promise<TrainingRelease> {
  const cohort = row.cohort_sealed && openCohort(row.cohort_sealed, parts);
  return openTrainingRelease(await parts.scheme(), he, {
    job: admission.job,
    policy: { ...TRAINING_POLICY, maxRounds: admission.max_rounds },
    rounds: orderedRounds(admission.job, own, parts, provinces),
    unlabelled: admission.drift === true,
    earlier,
    standing: {
      round: own.first - 1,
      ...(cohort && { cohort }),
    },
  });
}

function openCohort(sealed: Uint8Array, { atRest }: TrainingParts): CohortSize {
  const text = atRest.open(COHORT, sealed).toString("utf8");
  return parseJsonWith(Cohort, text, "internal", "training_job");
}

/**
 * Jobs of the institution that told of a cohort.
 * @throws WjfError `training-refused` when one of their provinces has no part in this job: it alone could say how the two differ.
 */
async function earlierJobs(
  row: TrainingJobTable,
  admission: TrainingAdmission,
  parts: TrainingParts,
): Promise<EarlierJob[]> {
  const rows = await selectEarlier(row, parts.db);
  if (rows.length > EARLIER_JOBS) {
    throw new WjfError("training-refused", `${EARLIER_JOBS} cohorts within a year`);
  }
  return rows.map((each) => {
    const text = Buffer.from(each.statement).toString("utf8");
    const earlier = parseJsonWith(TrainingAdmission, text, "internal", "training_job");
    if (!earlier.job.provinces.every((code) => admission.job.provinces.includes(code))) {
      throw new WjfError("training-refused", "an earlier job's province has no part in this one");
    }
    const isOver = stateOf(each, parts.clock) !== "open";
    return {
      id: each.id,
      unlabelled: earlier.drift === true,
      cohort: openCohort(each.cohort_sealed, parts),
      apart: couldBeSubtracted(admission, earlier, isOver ? each : undefined),
    };
  });
}

/**
 * Whether the differences of what both tell could be a few people, or a province's: two divisions by region, whoever is added to one
 * of them; two counts over a score that are not the same question.
 * @param over how far the earlier job got, which tells nothing more; without it, it may tell yet.
 */
function couldBeSubtracted(
  now: TrainingAdmission,
  earlier: TrainingAdmission,
  over: Pick<TrainingJobTable, "steps" | "regions_step"> | undefined,
): boolean {
  if (now.drift === true && earlier.drift === true) {
    return now.drift_sha256 !== earlier.drift_sha256 && over?.steps !== 1;
  }
  return now.by_region === true && earlier.by_region === true && over?.regions_step !== 0;
}

/** Whether a cohort of the institution was admitted that is not among `compared`. */
export async function isOvertaken(
  row: TrainingJobTable,
  compared: readonly string[],
  tx: AuthorityTx,
): Promise<boolean> {
  return (await selectEarlier(row, tx)).some(({ id }) => !compared.includes(id));
}

async function selectEarlier(row: TrainingJobTable, db: AuthorityDb | AuthorityTx) {
  return await db
    .selectFrom("training_job")
    .select(["id", "statement", "state", "expires_at", "steps", "regions_step", "cohort_sealed"])
    .where("client_id", "=", row.client_id)
    .where("id", "<>", row.id)
    .where("cohort_sealed", "is not", null)
    .$narrowType<{ cohort_sealed: NotNull }>()
    .where("created_at", ">=", row.created_at - EARLIER_MS)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(EARLIER_JOBS + 1)
    .execute();
}

function orderedRounds(
  job: TrainingJob,
  own: AskedRounds,
  { epochs, admissionKey }: TrainingParts,
  provinces: AskProvinces,
) {
  const ask = async (
    kind: TrainingOrder["kind"],
    request: AggregateRequest | LabelRequest,
    round: number,
    parts: number,
  ): Promise<readonly Uint8Array[]> => {
    const groupKey = importPublic(epochs.current().roster.group_key);
    const text = Buffer.from(canonicalJson(request));
    const order: TrainingOrder = {
      job_sha256: jobDigest(job).toString("hex"),
      round,
      kind,
      request_sha256: sha256Hex(text),
    };
    await own.note(round);
    return await provinces({
      order: signStatement("training-order", order, admissionKey),
      // The gateway is not to see coefficients, nor weights of evidence, which tell of label rates.
      request: await sealBytes(text, groupKey, requestHeader(job, round)),
      parts,
    });
  };
  return {
    aggregate: async (request: AggregateRequest, round: number) => {
      const parts = Math.ceil(aggregateLength(request) / AGGREGATE_VALUES);
      return await ask("aggregate", request, round, parts);
    },
    labelSums: async (request: LabelRequest, round: number) => {
      const parts = Math.ceil(labelColumns(request) / job.layout.tiles);
      return await ask("labels", request, round, parts);
    },
  };
}

async function perform(release: TrainingRelease, ask: TrainingAsk): Promise<unknown> {
  switch (ask.type) {
    case "admit":
      return await release.admit();
    case "standardisation":
      return await release.standardisation();
    case "bins":
      return await release.bins(ask.count, ask.monotone);
    case "label-totals":
      return [...(await release.labelTotals(ask.design))];
    case "newton": {
      const { design, coefficients } = ask;
      const { gradient, hessian, ...sums } = await release.newton({ design, coefficients });
      return { ...sums, gradient: [...gradient], hessian: [...hessian] };
    }
    case "evaluation": {
      const { design, coefficients, ks, regions = false } = ask;
      return await release.evaluation({ design, coefficients }, { ks, regions });
    }
    case "drift": {
      const { design, coefficients, cuts } = ask;
      return await release.spread({ design, coefficients }, cuts);
    }
    default:
      return ask satisfies never;
  }
}
