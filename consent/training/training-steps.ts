// Answers an institution's questions about its training job, one after another: each is asked of the provinces, opened under the
// release rules, and told sealed to the institution. The leaf is durable before the answer leaves; the same question again gets the
// stored answer, so that whoever crashed on the way can go on. docs/decisions/070.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import { parseJsonWith } from "../../core/parse.ts";
import {
  importPrivate,
  importPublic,
  openBytes,
  PrivateP256Jwk,
  sealBytes,
  type TrainingJob,
} from "../../crypto/index.ts";
import type { EndTrainingRequest, TrainAsk } from "../../proto/index.ts";
import { activeClient, encryptionKey } from "../clients.ts";
import { consentTables } from "../ledger.ts";
import {
  requireFewParts,
  requireWithinTerms,
  StepBody,
  stepHeader,
  stepPath,
  TRAINING_PATH,
  TrainingAdmission,
  TrainingStep,
  verifyTrainingProof,
} from "../training-job.ts";
import type { TrainingJobTable } from "./schema.ts";
import {
  HE_SECRET,
  NO_KEYS,
  SEALING_KEY,
  signingThumbprints,
  stateOf,
  type TrainingParts,
} from "./training-admitter.ts";
import {
  type Answered,
  askStep,
  type AskProvinces,
  isOvertaken,
  type Step,
} from "./training-asking.ts";

const TOLD_KEPT_MS = 30 * 86_400_000;

export class TrainingSteps {
  readonly #parts: TrainingParts;
  /** What is being answered: by job, and by institution whose cohort is being admitted. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  /**
   * A JWE to the institution.
   * @throws WjfError `route-unknown`, `client-unknown`, `dpop-*`, `request-malformed`, `query-conflict`, `training-ended`,
   * `overloaded` when another cohort was admitted meanwhile, and what the provinces or the gateway fail with: then nothing was told,
   * and the question can be asked again.
   */
  async answer({ job_id: id, proof, body }: TrainAsk, provinces: AskProvinces): Promise<string> {
    const { admission } = await this.#job(id);
    await this.#requireProof({ method: "POST", path: stepPath(id), proof, body }, admission);
    return await this.#inTurn(id, async () => await this.#step(id, body, provinces));
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }

  /** Ends a job, for its institution. @throws WjfError `route-unknown`, `client-unknown`, `dpop-*`. */
  async end({ job_id: id, proof }: EndTrainingRequest): Promise<void> {
    const { admission } = await this.#job(id);
    await this.#requireProof(
      { method: "DELETE", path: `${TRAINING_PATH}/${id}`, proof },
      admission,
    );
    await this.#end(id, admission.job.client);
  }

  async #end(id: string, client: string): Promise<void> {
    await this.#parts.ledger.transact(async (tx) => {
      const ended = await tx
        .updateTable("training_job")
        .set({ state: "ended", ...NO_KEYS })
        .where("id", "=", id)
        .where("state", "=", "open")
        .executeTakeFirst();
      const leaf = { type: "training", event: "ended", job_id: id, client_id: client } as const;
      return { value: undefined, leaves: ended.numUpdatedRows === 1n ? [leaf] : [] };
    });
  }

  /** Destroys the keys of jobs whose time is over, and a month later what was told of them. */
  async housekeeping(): Promise<void> {
    const { db, clock } = this.#parts;
    const old = db
      .selectFrom("training_job")
      .select("id")
      .where("expires_at", "<=", clock.nowMs() - TOLD_KEPT_MS);
    await db.deleteFrom("training_step").where("job_id", "in", old).execute();
    await db
      .updateTable("training_job")
      .set(NO_KEYS)
      .where("expires_at", "<=", clock.nowMs())
      .where("he_secret_sealed", "is not", null)
      .execute();
  }

  async #requireProof(
    request: Parameters<typeof verifyTrainingProof>[0],
    { job, keys }: TrainingAdmission,
  ): Promise<void> {
    const { db, epochs, clock } = this.#parts;
    const present = signingThumbprints(await activeClient(consentTables(db), job.client));
    // Revoked since the job was admitted: of no use any more.
    const valid = keys.filter((key) => present.includes(key));
    await verifyTrainingProof(request, valid, epochs.current().roster.audience, clock);
  }

  async #job(id: string) {
    const { db } = this.#parts;
    const row = await db
      .selectFrom("training_job")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    if (row === undefined) throw new WjfError("route-unknown", "no such training job");
    const text = Buffer.from(row.statement).toString("utf8");
    return { row, admission: parseJsonWith(TrainingAdmission, text, "internal", "training_job") };
  }

  async #step(id: string, body: Buffer, provinces: AskProvinces): Promise<string> {
    const { atRest, clock } = this.#parts;
    const { row, admission } = await this.#job(id);
    const sealing = atRest.open(SEALING_KEY, row.sealing_key_sealed).toString("utf8");
    const key = parseJsonWith(PrivateP256Jwk, sealing, "internal", "training_job");
    const step = await openStep(body, key, admission.job);
    const stored = await this.#stored(id, step.number);
    if (stored !== undefined) {
      if (stored.ask_sha256 === step.askHash) return stored.told;
      throw new WjfError("query-conflict", "this step was another question");
    }
    if (stateOf(row, clock) !== "open" || row.he_secret_sealed === null) {
      throw new WjfError("training-ended");
    }
    if (step.number !== row.steps + 1) {
      throw new WjfError("request-malformed", "step: the next one");
    }
    if (step.ask.type === "admit" && row.cohort_sealed !== null) {
      throw new WjfError("request-malformed", "admit: the cohort is admitted");
    }
    requireFewParts(step.ask, admission.job);
    requireWithinTerms({ step: step.number, ask: step.ask }, admission, row.regions_step);
    const he = atRest.open(HE_SECRET, row.he_secret_sealed);
    const answer = async (): Promise<string> => {
      try {
        const answered = await askStep(step, { row, admission, he }, this.#parts, provinces);
        return await this.#tell(step, answered, row);
      } catch (error) {
        if (!(error instanceof WjfError && error.code === "secret-missing")) throw error;
        // Of other parameters, before an update: nobody can go on with it.
        await this.#end(id, admission.job.client);
        throw new WjfError("training-ended", "its key is an earlier version's: begin it again");
      }
    };
    if (step.ask.type !== "admit") return await answer();
    // Each cohort of an institution is compared with those before it: of two at once, neither would be.
    return await this.#inTurn(`admit ${row.client_id}`, answer);
  }

  async #stored(id: string, step: number) {
    return await this.#parts.db
      .selectFrom("training_step")
      .selectAll()
      .where("job_id", "=", id)
      .where("step", "=", step)
      .executeTakeFirst();
  }

  async #tell(
    { number, askHash, ask }: Step,
    { told, change, leaf, earlier }: Answered,
    row: TrainingJobTable,
  ): Promise<string> {
    const { db, ledger } = this.#parts;
    const key = encryptionKey(await activeClient(consentTables(db), row.client_id));
    if (key === undefined) throw new WjfError("client-unknown", "no encryption key");
    const text = Buffer.from(JSON.stringify({ step: number, ...told }));
    const sealed = await sealBytes(text, importPublic(key), stepHeader("told", row));
    await ledger.transact(async (tx, { timeMs }) => {
      // The provinces may have taken minutes.
      if (timeMs >= row.expires_at) throw new WjfError("training-ended");
      const admits = ask.type === "admit" && change.cohort_sealed !== undefined;
      if (admits && (await isOvertaken(row, earlier, tx))) {
        throw new WjfError("overloaded", "another cohort was admitted meanwhile: ask again");
      }
      const updated = await tx
        .updateTable("training_job")
        .set({ ...change, steps: number })
        .where("id", "=", row.id)
        .where("state", "=", "open")
        .where("steps", "=", number - 1)
        .executeTakeFirst();
      if (updated.numUpdatedRows !== 1n) throw new WjfError("training-ended");
      const step = { job_id: row.id, step: number, ask_sha256: askHash, told: sealed };
      await tx.insertInto("training_step").values(step).execute();
      return { value: undefined, leaves: [leaf] };
    });
    return sealed;
  }
}

async function openStep(body: Buffer, sealing: PrivateP256Jwk, job: TrainingJob): Promise<Step> {
  const text = body.toString("utf8");
  const { sealed } = parseJsonWith(StepBody, text, "request-malformed", "body");
  const header = stepHeader("ask", job);
  const asked = await openBytes(sealed, importPrivate(sealing), header, "request-malformed");
  const { step, ask } = parseJsonWith(
    TrainingStep,
    asked.toString("utf8"),
    "request-malformed",
    "step",
  );
  return { number: step, ask, askHash: sha256Hex(canonicalJson({ step, ask })) };
}
