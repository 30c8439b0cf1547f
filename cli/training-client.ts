// The institution's side of a training job over HTTP: every request proven with its key, every question sealed to the authority, every
// label sealed to its province. Follows through restarts of whoever is on the way: whatever it asks may be asked again.
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import {
  importPrivate,
  importPublic,
  importX25519,
  openBytes,
  openRoster,
  type Roster,
  sealBytes,
} from "../crypto/index.ts";
import {
  labelHeader,
  type LabelledPeople,
  labelPath,
  openTrainingAdmission,
  requireTrainingKey,
  stepHeader,
  stepPath,
  TRAINING_PATH,
  type TrainingAdmission,
  type TrainingAsk,
} from "../consent/index.ts";
import type { InstitutionKeys } from "./demo-institution.ts";
import { refusal } from "./gateway-problem.ts";
import { sendProven } from "./proven-request.ts";

const TrainingState = z.looseObject({
  id: z.string(),
  state: z.enum(["waiting", "approved", "refused", "expired", "ended"]),
  provinces: z.array(
    z.looseObject({
      code: z.string(),
      state: z.string(),
      note: z.string().optional(),
      blocks: z.int(),
      of: z.int(),
    }),
  ),
});
export type TrainingState = z.infer<typeof TrainingState>;

const RosterHolder = z.looseObject({ roster: z.string() });
const Admitted = z.object({ statement: z.base64(), signature: z.base64(), public_key: z.base64() });
const Sealed = z.object({ sealed: z.string().optional() });
const Told = z.object({
  step: z.int(),
  value: z.unknown().optional(),
  refusal: z.object({ code: z.string(), detail: z.string() }).optional(),
  rounds: z.int(),
  bytes: z.int(),
});
/** An answer, and what it took: rounds, and the bytes of their merged ciphertexts. */
export type Told = Pick<z.infer<typeof Told>, "value" | "rounds" | "bytes">;

export interface AdmittedJob {
  readonly admission: TrainingAdmission;
  readonly publicKey: Buffer;
}

/** How long it goes on trying what may succeed later. */
const PATIENCE_MS = 300_000;
const RETRY_MS = 500;
const PASSING = new Set([
  "federation-unavailable",
  "deadline-exceeded",
  "overloaded",
  "province-drained",
]);

export class TrainingClient {
  readonly #origin: string;
  readonly #keys: InstitutionKeys;
  readonly #patienceMs: number;

  constructor(gatewayUrl: string, keys: InstitutionKeys, patienceMs = PATIENCE_MS) {
    this.#origin = gatewayUrl;
    this.#keys = keys;
    this.#patienceMs = patienceMs;
  }

  /** As the authority signed it. */
  async roster(): Promise<Roster> {
    const response = await fetch(new URL("/v1/federation", this.#origin));
    const holder = parseWith(RosterHolder, await response.json(), "federation-unavailable");
    return (await openRoster(holder.roster, this.#keys.trustAnchor)).roster;
  }

  /** Begins the job, or finds it. @param wish JSON. @throws WjfError the gateway's code. */
  async begin(wish: string): Promise<TrainingState> {
    const text = await this.#send("POST", TRAINING_PATH, wish);
    return parseJsonWith(TrainingState, text, "internal", "training job");
  }

  async read(id: string): Promise<TrainingState> {
    const text = await this.#send("GET", `${TRAINING_PATH}/${id}`);
    return parseJsonWith(TrainingState, text, "internal", "training job");
  }

  /** Verified: labels are encrypted under nothing that the authority has not signed. */
  async admission(id: string): Promise<AdmittedJob> {
    const text = await this.#send("GET", `${TRAINING_PATH}/${id}/admission`);
    const admitted = parseJsonWith(Admitted, text, "internal", "admission");
    const bytes = (name: keyof typeof admitted): Buffer => Buffer.from(admitted[name], "base64");
    const signed = { statement: bytes("statement"), signature: bytes("signature") };
    const admissionKey = importPublic((await this.roster()).admission_key);
    const admission = openTrainingAdmission(signed, admissionKey);
    const publicKey = bytes("public_key");
    requireTrainingKey(admission, publicKey);
    return { admission, publicKey };
  }

  /** One block, sealed to the province's own key: nobody on the way can read or use it. @returns its bytes as sent. */
  async sendBlock(
    { job, mask_keys: keys }: TrainingAdmission,
    province: ProvinceCode,
    index: number,
    block: { readonly people: LabelledPeople; readonly labels: Uint8Array },
  ): Promise<number> {
    const jwk = keys[job.provinces.indexOf(province)];
    if (jwk === undefined) throw new WjfError("internal", "a province of another job");
    const key = importX25519(jwk);
    const header = (what: "people" | "labels") => labelHeader(what, job, province, index);
    const people = Buffer.from(JSON.stringify(block.people));
    const body = JSON.stringify({
      people: await sealBytes(people, key, header("people")),
      labels: await sealBytes(block.labels, key, header("labels")),
    });
    await this.#send("PUT", labelPath(job.id, province, index), body);
    return body.length;
  }

  /** @throws WjfError the rule that refuses, or the gateway's code. */
  async ask(admission: TrainingAdmission, step: number, ask: TrainingAsk): Promise<Told> {
    const { job, sealing_key: key } = admission;
    const text = Buffer.from(JSON.stringify({ step, ask }));
    const body = JSON.stringify({
      sealed: await sealBytes(text, importPublic(key), stepHeader("ask", job)),
    });
    for (;;) {
      const reply = await this.#send("POST", stepPath(job.id), body);
      const { sealed } = parseJsonWith(Sealed, reply, "internal", "answer");
      // It takes longer than a request may: the same bytes find the question under way.
      if (sealed === undefined) continue;
      const own = importPrivate(this.#keys.encryption);
      const opened = await openBytes(sealed, own, stepHeader("told", job), "internal");
      const told = parseJsonWith(Told, opened.toString("utf8"), "internal", "answer");
      if (told.step !== step) throw new WjfError("internal", "the answer to another question");
      if (told.refusal !== undefined) throw refusal(JSON.stringify(told.refusal));
      return told;
    }
  }

  async end(id: string): Promise<void> {
    await this.#send("DELETE", `${TRAINING_PATH}/${id}`);
  }

  /** Tries again what is refused for a passing reason, and what is not reached at all. */
  async #send(method: string, path: string, body?: string): Promise<string> {
    const url = new URL(path, this.#origin).href;
    for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
      const failure = await sendProven(this.#keys.signing, { method, url, body }).catch(
        (error: unknown) => error,
      );
      if (typeof failure === "string") return failure;
      const isPassing = failure instanceof WjfError ? PASSING.has(failure.code) : true;
      if (!isPassing || waitedMs >= this.#patienceMs) throw failure;
      await delay(RETRY_MS);
    }
  }
}
