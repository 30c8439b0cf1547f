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
import { type Answered, askStep, type AskProvinces, type Step } from "./training-asking.ts";

const TOLD_KEPT_MS = 30 * 86_400_000;

export class TrainingSteps {
  readonly #parts: TrainingParts;
  /** By job: the question that is being answered. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  /**
   * A JWE to the institution.
   * @throws WjfError `route-unknown`, `client-unknown`, `dpop-*`, `request-malformed`, `query-conflict`, `training-ended`, and what the provinces or
   * the gateway fail with: then nothing has changed, and the question can be asked again.
   */
  async answer({ job_id: id, proof, body }: TrainAsk, provinces: AskProvinces): Promise<string> {
    const { admission } = await this.#job(id);
    await this.#requireProof({ method: "POST", path: stepPath(id), proof, body }, admission);
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(async () => await this.#step(id, body, provinces));
    const settled = turn.catch(() => undefined);
    this.#turns.set(id, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === settled) this.#turns.delete(id);
    }
  }

  /** Ends a job, for its institution. @throws WjfError `route-unknown`, `client-unknown`, `dpop-*`. */
  async end({ job_id: id, proof }: EndTrainingRequest): Promise<void> {
    const { admission } = await this.#job(id);
    await this.#requireProof(
      { method: "DELETE", path: `${TRAINING_PATH}/${id}`, proof },
      admission,
    );
    await this.#parts.ledger.transact(async (tx) => {
      const ended = await tx
        .updateTable("training_job")
        .set({ state: "ended", ...NO_KEYS })
        .where("id", "=", id)
        .where("state", "=", "open")
        .executeTakeFirst();
      const parties = { job_id: id, client_id: admission.job.client };
      const leaf = { type: "training", event: "ended", ...parties } as const;
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
    requireFewParts(step.ask, admission.job);
    const he = atRest.open(HE_SECRET, row.he_secret_sealed);
    const answered = await askStep(step, { row, admission, he }, this.#parts, provinces);
    return await this.#tell(step, answered, row);
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
    { number, askHash }: Step,
    { told, change, leaf }: Answered,
    row: TrainingJobTable,
  ): Promise<string> {
    const { db, ledger } = this.#parts;
    const key = encryptionKey(await activeClient(consentTables(db), row.client_id));
    if (key === undefined) throw new WjfError("client-unknown", "no encryption key");
    const text = Buffer.from(JSON.stringify({ step: number, ...told }));
    const sealed = await sealBytes(text, importPublic(key), stepHeader("told", row));
    await ledger.transact(async (tx) => {
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
