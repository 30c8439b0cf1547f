// Training jobs as the gateway carries them: it keeps nothing but admissions in memory, which the authority has signed and gives
// again. Provinces are shown the job and asked how far they are; merged sums go up, sealed answers come down. It can read none of it.
import { WjfError } from "../../core/errors.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { TrainingScheme } from "../../crypto/index.ts";
import {
  type FederationView,
  openTrainingAdmission,
  type TrainingAdmission,
} from "../../consent/verifier.ts";
import type {
  AdmittedTraining,
  AuthorityClient,
  ProvinceTraining,
  PutTrainingLabelsRequest,
  TrainAsk,
} from "../../proto/index.ts";
import type { ProvincePool } from "../province-pool.ts";
import { mergeRound } from "./merge-round.ts";

export interface TrainingParts {
  readonly view: FederationView;
  readonly provinces: ProvincePool;
  readonly authority: AuthorityClient;
  readonly log: Logger;
}

export interface CarriedJob {
  readonly admission: TrainingAdmission;
  readonly admitted: AdmittedTraining;
}

export type ProvinceStanding =
  | ({ readonly code: ProvinceCode } & Pick<ProvinceTraining, "state" | "note" | "blocks">)
  | { readonly code: ProvinceCode; readonly state: "unreachable" };

const CALL_MS = 15_000;
/** A question's rounds, each of which every province computes. */
const QUESTION_MS = 600_000;
/** Admissions in memory. */
const MOST_KNOWN = 256;

export class TrainingJobs implements AsyncDisposable {
  readonly #parts: TrainingParts;
  readonly #known = new Map<string, CarriedJob>();
  #scheme: Promise<TrainingScheme> | undefined;

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  /** @throws WjfError the authority's code. */
  async admit(proof: string, body: Buffer): Promise<CarriedJob> {
    const admitted = await this.#parts.authority.training.admit({ proof, body }, CALL_MS);
    return this.#carry(admitted);
  }

  /** As the authority has it now. @throws WjfError `route-unknown`. */
  async find(id: string): Promise<CarriedJob> {
    return this.#carry(await this.#parts.authority.training.find(id, CALL_MS));
  }

  /** As the authority once had it: enough to know whose it is. @throws WjfError `route-unknown`. */
  async known(id: string): Promise<CarriedJob> {
    return this.#known.get(id) ?? (await this.find(id));
  }

  #carry(admitted: AdmittedTraining): CarriedJob {
    const { admissionKey } = this.#parts.view.current();
    const admission = openTrainingAdmission(admitted.admission, admissionKey);
    const job = { admission, admitted };
    this.#known.delete(admission.job.id);
    this.#known.set(admission.job.id, job);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size > MOST_KNOWN) this.#known.delete(oldest);
    }
    return job;
  }

  /** Shows every province the job, and hears how far it is there. */
  async standings(job: CarriedJob): Promise<readonly ProvinceStanding[]> {
    const { provinces } = job.admission.job;
    return await Promise.all(provinces.map(async (code) => await this.#standing(code, job)));
  }

  async #standing(code: ProvinceCode, { admitted }: CarriedJob): Promise<ProvinceStanding> {
    const { provinces, view, log } = this.#parts;
    const { admission, he_public_key, state } = admitted;
    const offer = { admission, he_public_key: Buffer.alloc(0), ended: state !== "open" };
    try {
      const { training } = provinces.reach(code, view.current());
      let told = await training.offer(offer, CALL_MS);
      if (!told.has_key && told.state === "approved") {
        told = await training.offer({ ...offer, he_public_key }, CALL_MS);
      }
      return { code, state: told.state, note: told.note, blocks: told.blocks };
    } catch (error) {
      log.warn({ province: code, err: error }, "a province did not answer about training");
      return { code, state: "unreachable" };
    }
  }

  /** @throws WjfError the node's code. */
  async putLabels(code: ProvinceCode, request: PutTrainingLabelsRequest): Promise<number> {
    const { provinces, view } = this.#parts;
    const { training } = provinces.reach(code, view.current());
    return (await training.putLabels(request, CALL_MS)).blocks;
  }

  /** What the institution is told: a JWE to it. @throws WjfError the authority's code, or a province's. */
  async ask(job: CarriedJob, ask: TrainAsk): Promise<string> {
    const { authority } = this.#parts;
    const scheme = await (this.#scheme ??= TrainingScheme.create());
    const merging = { ...this.#parts, scheme, admission: job.admission, timeoutMs: QUESTION_MS };
    return await authority.training.train(
      ask,
      (round, signal) => mergeRound(round, merging, signal),
      QUESTION_MS,
    );
  }

  /**
   * Safe to repeat.
   * @throws WjfError the authority's code; `federation-unavailable` when it has ended there, but not with every province.
   */
  async end(id: string, proof: string): Promise<void> {
    await this.#parts.authority.training.end({ job_id: id, proof }, CALL_MS);
    const standings = await this.standings(await this.find(id));
    if (standings.some(({ state }) => state === "unreachable")) {
      throw new WjfError(
        "federation-unavailable",
        "a province could not be told that the job ended",
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#scheme)?.[Symbol.dispose]();
  }
}
