// Training jobs with their labels in memory, a few at a time, as they are asked: opened anew from what is stored, so that a node that
// was restarted goes on where it was. Works in pieces, between which the node answers whatever else it is asked.
import { setImmediate } from "node:timers/promises";
import { WjfError } from "../../core/errors.ts";
import { inPieces, type Steps } from "../../core/steps.ts";
import {
  jobDigest,
  type PublicX25519Jwk,
  TrainingMasks,
  TrainingScheme,
} from "../../crypto/index.ts";
import type { TrainingAdmission } from "../../consent/verifier.ts";
import type { FeatureStore } from "../feature-store.ts";
import { readCohort } from "./cohort-columns.ts";
import type { TrainingJobsParts } from "./training-jobs.ts";
import { TrainingProvince } from "./training-province.ts";
import type { LabelBlock, StoredColumns, StoredJob, TrainingStore } from "./training-store.ts";

interface OpenJob {
  readonly province: TrainingProvince;
  readonly resources: DisposableStack;
}

/** Jobs with their labels in memory at a time. */
const MOST_OPEN = 2;

export class OpenJobs implements Disposable {
  readonly #jobs: TrainingStore;
  readonly #parts: TrainingJobsParts;
  readonly #open = new Map<string, OpenJob>();
  #scheme: Promise<TrainingScheme> | undefined;
  /** The job that is being worked for, and whether it has to stop. */
  #working: { readonly id: string; isClosed: boolean } | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(jobs: TrainingStore, parts: TrainingJobsParts) {
    this.#jobs = jobs;
    this.#parts = parts;
  }

  async scheme(): Promise<TrainingScheme> {
    this.#scheme ??= TrainingScheme.create();
    return await this.#scheme;
  }

  /** One work after another, whole: a round of one job does not come between the pieces of another's. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return await turn;
  }

  /**
   * In turn only. Between the pieces the job may be closed, which ends the work.
   * @throws WjfError `training-ended` then; `data-invalid` while labels are missing; `secret-missing` when the job's mask key is held no more.
   */
  async work<T>(
    id: string,
    admission: TrainingAdmission,
    of: (province: TrainingProvince) => Steps<T>,
  ): Promise<T> {
    const scheme = await this.scheme();
    const { pause = setImmediate } = this.#parts;
    const working = { id, isClosed: false };
    this.#working = working;
    try {
      return await inPieces(this.#steps(id, admission, scheme, of), async () => {
        await pause();
        if (working.isClosed) throw new WjfError("training-ended");
      });
    } finally {
      this.#working = undefined;
      if (working.isClosed) this.close(id);
    }
  }

  *#steps<T>(
    id: string,
    admission: TrainingAdmission,
    scheme: TrainingScheme,
    of: (province: TrainingProvince) => Steps<T>,
  ): Steps<T> {
    return yield* of(yield* this.#province(id, admission, scheme));
  }

  *#province(
    id: string,
    admission: TrainingAdmission,
    scheme: TrainingScheme,
  ): Steps<TrainingProvince> {
    const known = this.#open.get(id);
    if (known !== undefined) return known.province;
    const job = this.#jobs.find(id);
    if (job === undefined) throw new WjfError("route-unknown", "no such training job here");
    const own = admission.job.provinces.indexOf(this.#parts.province);
    const { publicKey } = job;
    if (publicKey === undefined || job.blocks !== blocksOf(admission, own)) {
      throw new WjfError("data-invalid", "training: not all labels were received");
    }
    const { columns, rows } = yield* this.#columnsOf(job, admission);
    const masks = this.#masksOf(admission, own);
    using resources = new DisposableStack();
    const province = resources.use(
      new TrainingProvince({
        scheme,
        encryptor: resources.use(scheme.encryptor(publicKey)),
        random: this.#parts.random,
        masks,
        job: admission.job,
        columns,
        rows,
        lastRound: job.lastRound,
        byRegion: admission.by_region === true,
        overlap: (jobs) => this.#overlap(jobs, job),
      }),
    );
    yield* province.receiveLabels(this.#jobs.labels(id));
    for (const oldest of this.#open.keys()) {
      if (this.#open.size >= MOST_OPEN) this.close(oldest);
    }
    this.#open.set(id, { province, resources: resources.move() });
    return province;
  }

  /** As they were when the labels were complete: a load between two rounds changes nothing. */
  *#columnsOf({ id }: StoredJob, { job }: TrainingAdmission): Steps<StoredColumns> {
    const kept = yield* this.#jobs.columns(id);
    if (kept !== undefined) return kept;
    const people: Pick<LabelBlock, "tags" | "commitments">[] = [];
    for (const block of this.#jobs.people(id)) {
      people.push(block);
      yield;
    }
    const { store, catalogue } = this.#parts;
    const lookup = (tag: Parameters<FeatureStore["lookup"]>[0]) => store.lookup(tag);
    const cohort = readCohort(people, job.features, lookup, catalogue);
    this.#jobs.keepColumns(id, cohort, cohort.members);
    return cohort;
  }

  #masksOf({ job, mask_keys: keys }: TrainingAdmission, own: number): TrainingMasks {
    return new TrainingMasks({
      own: this.#parts.province,
      ownPrivate: this.#parts.ownKeys.maskKey(keys[own] as PublicX25519Jwk),
      peers: new Map(job.provinces.map((code, i) => [code, keys[i] as PublicX25519Jwk])),
      jobDigest: jobDigest(job),
    });
  }

  /** Only jobs of the same institution are compared: what somebody else trained on is nobody's business. */
  *#overlap(jobs: readonly string[], { id, client }: StoredJob): Steps<Float64Array> {
    const differences: number[] = [];
    for (const job of jobs) {
      const earlier = this.#jobs.find(job)?.client === client ? job : "";
      differences.push(...(yield* this.#jobs.compare(earlier, id)));
    }
    return Float64Array.from(differences);
  }

  /** At once, or when it is worked for before the next piece. */
  close(id: string): void {
    if (this.#working?.id === id) {
      this.#working.isClosed = true;
      return;
    }
    this.#open.get(id)?.resources.dispose();
    this.#open.delete(id);
  }

  [Symbol.dispose](): void {
    if (this.#working !== undefined) this.close(this.#working.id);
    for (const id of this.#open.keys()) this.close(id);
    void this.#turn
      .then(async () => (await this.#scheme)?.[Symbol.dispose]())
      .catch(() => undefined);
  }
}

/** Label blocks that a province is to be sent. */
export function blocksOf({ job, people }: TrainingAdmission, province: number): number {
  return Math.ceil((people[province] as number) / job.layout.block);
}
