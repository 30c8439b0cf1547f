// A province's part in training jobs that come over the wire: shown to its operator, and once that has approved, fed with sealed
// labels and asked round by round. Every round is ordered by the authority, answered once, and repeated to the letter when asked
// again. What leaves is what TrainingProvince gives: masked to its peers and under the job's key. docs/decisions/070.
import type { Catalogue } from "../../catalogue/index.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { parseJsonWith } from "../../core/parse.ts";
import type { Random } from "../../core/random.ts";
import type { Steps } from "../../core/steps.ts";
import { importX25519, openBytes, type PublicX25519Jwk } from "../../crypto/index.ts";
import {
  AggregateRequestSchema,
  driftDigest,
  type FederationView,
  LabelBody,
  labelHeader,
  LabelledPeople,
  labelPath,
  LabelRequestSchema,
  openTrainingAdmission,
  openTrainingOrder,
  requestHeader,
  requireTrainingKey,
  type TrainingAdmission,
  type TrainingOrder,
  verifyTrainingProof,
} from "../../consent/verifier.ts";
import type {
  OfferTrainingRequest,
  ProvinceTraining,
  PutTrainingLabelsRequest,
  TrainingRoundRequest,
} from "../../proto/index.ts";
import type { NodeSecrets } from "../answer.ts";
import type { FeatureStore } from "../feature-store.ts";
import type { OwnKeys } from "../own-keys.ts";
import { tagPeople } from "./cohort-columns.ts";
import { blocksOf, OpenJobs } from "./open-jobs.ts";
import type { TrainingProvince } from "./training-province.ts";
import { type StoredJob, TrainingStore } from "./training-store.ts";

export interface TrainingJobsParts {
  readonly province: ProvinceCode;
  readonly secrets: Pick<NodeSecrets, "subjectKey" | "groupKey">;
  readonly ownKeys: OwnKeys;
  readonly view: FederationView;
  readonly store: Pick<FeatureStore, "lookup">;
  readonly catalogue: Pick<Catalogue, "positions" | "indicatorById">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Between two pieces of a round; without it, whatever else waits for the thread. */
  readonly pause?: () => Promise<void>;
}

/** How often it looks for jobs whose time is over. */
const LOOK_EVERY_MS = 600_000;
/** The authority compares a cohort with those of jobs up to a year older than its own, which it may do until that one's 30 days are over. */
const COHORT_KEPT_MS = (365 + 31) * 86_400_000;
/** Jobs that wait for the operator, or run. */
const MOST_LIVE = 256;

export class TrainingJobs implements Disposable {
  readonly #parts: TrainingJobsParts;
  readonly #jobs: TrainingStore;
  readonly #open: OpenJobs;
  readonly #looking: NodeJS.Timeout;

  /** @param folder the province's own. */
  constructor(folder: string, parts: TrainingJobsParts) {
    this.#parts = parts;
    this.#jobs = TrainingStore.open(folder);
    this.#open = new OpenJobs(this.#jobs, parts);
    this.#endOverdue();
    this.#looking = setInterval(() => this.#endOverdue(), LOOK_EVERY_MS).unref();
  }

  /** @throws WjfError `receipt-invalid`, `rate-limited`. */
  offer({ admission: signed, he_public_key: key, ended }: OfferTrainingRequest): ProvinceTraining {
    const { view, clock } = this.#parts;
    const admission = openTrainingAdmission(signed, view.current().admissionKey);
    const { id, client } = admission.job;
    const known = this.#jobs.find(id);
    // One id is one job, ever: its masks are made from it.
    if (known !== undefined && !known.statement.equals(signed.statement)) {
      throw new WjfError("receipt-invalid", "training: another job has this id");
    }
    if (known === undefined) {
      this.#indexOf(admission);
      if (this.#countLive() >= MOST_LIVE) throw new WjfError("rate-limited", "training jobs");
      this.#jobs.add({ id, client, ...signed }, clock.nowMs(), admission.expires_at * 1000);
    }
    if (key.length > 0) {
      requireTrainingKey(admission, key);
      this.#jobs.keepKey(id, key);
    }
    if (ended && known?.isEnded !== true) this.#end(id);
    this.#endOverdue();
    return this.#describe(this.#require(id), admission);
  }

  #countLive(): number {
    return this.#jobs.list().filter(({ isEnded }) => !isEnded).length;
  }

  #describe(job: StoredJob, admission: TrainingAdmission): ProvinceTraining {
    const state = job.isEnded ? "ended" : job.decision;
    return {
      state: this.#isExpired(admission) ? "expired" : state,
      note: job.note,
      has_key: job.publicKey !== undefined,
      blocks: job.blocks,
    };
  }

  #isExpired({ expires_at }: TrainingAdmission): boolean {
    return nowSeconds(this.#parts.clock) >= expires_at;
  }

  /** @throws WjfError `training-not-approved`, `training-ended`, `dpop-*`, `request-malformed`, `data-invalid`, `ciphertext-invalid`. */
  async receive(request: PutTrainingLabelsRequest): Promise<ProvinceTraining> {
    const { job, admission } = this.#approved(request.job_id);
    const { province, secrets, ownKeys, view, clock } = this.#parts;
    const { block: index, proof, body } = request;
    const path = labelPath(job.id, province, index);
    const { audience } = view.current().roster;
    await verifyTrainingProof(
      { method: "PUT", path, proof, body },
      admission.keys,
      audience,
      clock,
    );
    const { job: described, mask_keys: masks, people } = admission;
    const own = this.#indexOf(admission);
    const expected = blocksOf(admission, own);
    // Sent again after a lost reply; the first is as good.
    if (index < job.blocks) return this.#describe(job, admission);
    if (index > job.blocks || index >= expected) {
      throw new WjfError("request-malformed", "label blocks: in order, as many as the job says");
    }
    const sealed = parseJsonWith(LabelBody, body.toString("utf8"), "request-malformed", "body");
    const key = importX25519(ownKeys.maskKey(masks[own] as PublicX25519Jwk));
    const header = (what: "people" | "labels") => labelHeader(what, described, province, index);
    const open = async (what: "people" | "labels") =>
      await openBytes(sealed[what], key, header(what), "ciphertext-invalid");
    const text = (await open("people")).toString("utf8");
    const named = parseJsonWith(LabelledPeople, text, "data-invalid", "people");
    const { block } = described.layout;
    if (named.subjects.length !== Math.min(block, (people[own] as number) - index * block)) {
      throw new WjfError("data-invalid", "people: as many as the job says");
    }
    const labels = await open("labels");
    (await this.#open.scheme()).loadChecked(labels).delete();
    // Meanwhile the job may have been ended or refused, and another upload of this block may have come as far.
    if (this.#approved(job.id).job.blocks === index) {
      this.#jobs.addBlock(job.id, index, { labels, ...tagPeople(named, secrets.subjectKey) });
    }
    return this.#describe(this.#require(job.id), admission);
  }

  /**
   * The parts of this province's reply.
   * @throws WjfError `training-not-approved`, `training-ended`, `receipt-invalid`, `request-malformed`, `data-invalid`.
   */
  async answer(request: TrainingRoundRequest): Promise<readonly Uint8Array[]> {
    const { job, admission } = this.#approved(request.job_id);
    const { view, secrets } = this.#parts;
    const order = openTrainingOrder(request.order, view.current().admissionKey, admission.job);
    if (order.round > admission.max_rounds) throw new WjfError("training-refused", "rounds");
    const header = requestHeader(admission.job, order.round);
    const asked = await openBytes(request.request, secrets.groupKey, header, "receipt-invalid");
    if (sha256Hex(asked) !== order.request_sha256) {
      throw new WjfError("receipt-invalid", "training order: of another request");
    }
    return await this.#open.inTurn(async () => {
      // Meanwhile the job may have been ended or refused.
      this.#approved(job.id);
      const given = this.#jobs.reply(job.id, order.round);
      if (given === undefined) return await this.#compute(admission, order, asked);
      if (given.request === order.request_sha256) return given.parts;
      throw new WjfError("request-malformed", "this training round was answered otherwise");
    });
  }

  async #compute(
    admission: TrainingAdmission,
    order: TrainingOrder,
    asked: Buffer,
  ): Promise<readonly Uint8Array[]> {
    const { id } = admission.job;
    try {
      const parts = await this.#open.work(id, admission, (province) =>
        answerRound(province, admission, order, asked.toString("utf8")),
      );
      // Once more: it was computed in pieces.
      this.#approved(id);
      this.#jobs.keepReply(id, order.round, order.request_sha256, parts);
      return parts;
    } catch (error) {
      // Opened anew it goes on from what is stored: a round that was not kept has not been answered.
      this.#open.close(id);
      throw error;
    }
  }

  /** @throws WjfError `training-ended`, `training-not-approved`, `route-unknown`. */
  #approved(id: string): { readonly job: StoredJob; readonly admission: TrainingAdmission } {
    const job = this.#require(id);
    const admission = openTrainingAdmission(job, this.#parts.view.current().admissionKey);
    if (job.isEnded || job.decision === "refused" || this.#isExpired(admission)) {
      throw new WjfError("training-ended");
    }
    if (job.decision !== "approved") throw new WjfError("training-not-approved");
    return { job, admission };
  }

  #require(id: string): StoredJob {
    const job = this.#jobs.find(id);
    if (job === undefined) throw new WjfError("route-unknown", "no such training job here");
    return job;
  }

  #indexOf({ job }: TrainingAdmission): number {
    const own = job.provinces.indexOf(this.#parts.province);
    if (own === -1) throw new WjfError("receipt-invalid", "training: this province has no part");
    return own;
  }

  /** What cannot be written now is tried again when it looks next. */
  #endOverdue(): void {
    const now = this.#parts.clock.nowMs();
    try {
      for (const id of this.#jobs.overdue(now)) this.#end(id);
      this.#jobs.forgetCohorts(now - COHORT_KEPT_MS);
    } catch (error) {
      this.#parts.log.error({ err: error }, "training jobs that are over could not be ended");
    }
  }

  #end(id: string): void {
    this.#open.close(id);
    this.#jobs.end(id);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    this.#open[Symbol.dispose]();
    this.#jobs[Symbol.dispose]();
  }
}

/** What a job without labels may be asked, the last with the question of its terms. */
const UNLABELLED_ROUNDS = ["moments", "overlap", "score-counts"];

function answerRound(
  province: TrainingProvince,
  { job, drift, drift_sha256 }: TrainingAdmission,
  { kind, round }: TrainingOrder,
  request: string,
): Steps<Uint8Array[]> {
  const unlabelled = new WjfError("training-refused", "a job without labels");
  if (kind === "aggregate") {
    const asked = parseJsonWith(AggregateRequestSchema, request, "request-malformed", "request");
    if (drift === true) {
      if (!UNLABELLED_ROUNDS.includes(asked.type)) throw unlabelled;
      const isOther =
        asked.type === "score-counts" && driftDigest(job.features, asked) !== drift_sha256;
      if (isOther) throw new WjfError("training-refused", "another question than was approved");
    }
    return province.aggregate(asked, round);
  }
  if (drift === true) throw unlabelled;
  const asked = parseJsonWith(LabelRequestSchema, request, "request-malformed", "request");
  return province.labelSums(asked, round);
}
