// A training job as its institution wishes it, as the authority admits it, and the authority's order for each of its rounds. What
// gateway and provinces verify of it stands here; who may have a job and what is released is consent/training/.
// DESIGN §9; docs/decisions/070.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { IndicatorId } from "../catalogue/index.ts";
import { sha256Hex } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode, Sha256Hex } from "../core/ids.ts";
import {
  jobDigest,
  openStatement,
  PublicP256Jwk,
  PublicX25519Jwk,
  type SealedHeader,
  type SignedStatement,
  TRAINING_PARAMETERS,
  type TrainingJob,
} from "../crypto/index.ts";
import { verifyKeyProof } from "./batch-proof.ts";
import { PurposeScope } from "./consent-claims.ts";
import { LAWFUL_BASES } from "./lawful-basis.ts";
import { driftDigest, TrainingAsk } from "./training-requests.ts";

export const TRAINING_PATH = "/v1/training-jobs";

/** Oldest proof that authority and provinces take: the gateway has looked at it before, and remembers it. */
const MAX_PROOF_AGE_S = 300;

const Layout = z
  .strictObject({ block: z.int().min(1), tiles: z.int().min(1) })
  .refine(
    ({ block, tiles }) => block * tiles === TRAINING_PARAMETERS.polyModulusDegree,
    "block times tiles: all slots",
  );

const once = (values: readonly string[]): boolean => new Set(values).size === values.length;

const Job = z.strictObject({
  id: z.uuid(),
  client: z.string().min(1).max(64),
  purpose: PurposeScope,
  features: z.array(IndicatorId).min(1).max(128).refine(once, "each once"),
  provinces: z
    .array(ProvinceCode)
    .min(2)
    .max(64)
    .refine((all) => all.every((code, i) => i === 0 || (all[i - 1] as string) < code), "ascending"),
  layout: Layout,
  labelCommitment: Sha256Hex,
}) satisfies z.ZodType<TrainingJob>;

/** Label blocks, 393 kB each, that one province is sent: chooseLayout stays below for eight million people. */
export const MOST_LABEL_BLOCKS = 1024;

/** On what ground personal data is trained on (PIPL article 13), in the Data Privacy Vocabulary's words. */
const LawfulBasis = z.strictObject({
  basis: z.enum(LAWFUL_BASES),
  /** Where that is written down at the institution: a document, a clause, a consent text. */
  reference: z.string().trim().min(1).max(256),
});

const terms = {
  job: Job,
  lawful_basis: LawfulBasis,
  /** People whose labels each province is sent, in the order of the provinces. */
  people: z.array(z.int().min(0).max(10_000_000)).max(64),
  /** Rounds that the provinces may be asked for, at most. */
  max_rounds: z.int().min(1).max(100),
  /** Whether the score may be evaluated by region, at least three provinces each: the provinces refuse it otherwise. */
  by_region: z.literal(true).optional(),
  /** People without labels, of whom one thing is counted: how a score is spread over them. */
  drift: z.literal(true).optional(),
  /** With `drift`: `driftDigest` of its one question, which operators approve with the rest. */
  drift_sha256: Sha256Hex.optional(),
};

/** The body of `POST /v1/training-jobs`; the DPoP proof over it is the institution's signature on the job. */
export const TrainingWish = z
  .strictObject({ ...terms, days: z.int().min(1).max(30) })
  .refine(({ job, people }) => job.provinces.length === people.length, "people: one per province")
  .refine(
    ({ drift, drift_sha256 }) => (drift === undefined) === (drift_sha256 === undefined),
    "drift_sha256: with drift",
  )
  .refine(
    ({ job: { layout }, people }) =>
      people.every((count) => Math.ceil(count / layout.block) <= MOST_LABEL_BLOCKS),
    `people: at most ${MOST_LABEL_BLOCKS} blocks of job.layout.block in a province`,
  );
export type TrainingWish = z.infer<typeof TrainingWish>;

/** Ciphertexts, 393 kB each, that one round may ask of every province. */
const MOST_PARTS = 512;

/** @throws WjfError `request-malformed` for more bins than this job's layout can bring home in one round. */
export function requireFewParts(
  ask: TrainingAsk,
  { features, layout }: Pick<TrainingJob, "features" | "layout">,
): void {
  if (ask.type !== "bins") return;
  // Each indicator has its bins and one for missing values.
  const parts = Math.ceil((features.length * (ask.count + 1)) / layout.tiles);
  if (parts <= MOST_PARTS) return;
  const rule = `at most ${MOST_PARTS} ciphertexts: features times (count + 1) by job.layout.tiles`;
  throw new WjfError("request-malformed", `count: ${rule}`);
}

/**
 * @param told the step that told of regions, 0 before it: two scores' cells would differ by few people.
 * @throws WjfError `request-malformed` for what the job's terms, as its provinces' operators saw them, do not hold.
 */
export function requireWithinTerms(
  { ask, step }: TrainingStep,
  { job, by_region, drift, drift_sha256 }: TrainingAdmission,
  told: number,
): void {
  if (ask.type === "admit") return;
  if ((ask.type === "drift") !== (drift === true)) {
    throw new WjfError("request-malformed", "drift: asked in a job of its own, and nothing else");
  }
  if (ask.type === "drift" && step !== 2) {
    throw new WjfError("request-malformed", "drift: told once in a job");
  }
  if (ask.type === "drift" && driftDigest(job.features, ask) !== drift_sha256) {
    throw new WjfError("request-malformed", "drift: not the question in the job's terms");
  }
  if (ask.type !== "evaluation" || ask.regions === undefined) return;
  if (by_region !== true)
    throw new WjfError("request-malformed", "regions: not in the job's terms");
  if (told !== 0) throw new WjfError("request-malformed", "regions: told once in a job");
}

/** Signed by the authority's admission key, context "training-admission". */
export const TrainingAdmission = z.strictObject({
  ...terms,
  client_name: z.string().max(128),
  /** Thumbprints of the institution's keys: whatever comes in the job's name is proven by one of them. */
  keys: z.array(z.string().max(64)).min(1).max(8),
  /** SHA-256 of the job's own homomorphic public key. */
  he_public_key_sha256: Sha256Hex,
  /** The institution's questions are sealed to this key of the authority's. */
  sealing_key: PublicP256Jwk,
  /** The provinces', as the roster had them: labels are sealed to them, and masks made with them. */
  mask_keys: z.array(PublicX25519Jwk).min(2).max(64),
  /** NumericDate. */
  admitted_at: z.int(),
  expires_at: z.int(),
});
export type TrainingAdmission = z.infer<typeof TrainingAdmission>;

type Signed = Pick<SignedStatement, "statement" | "signature">;

/** @throws WjfError `receipt-invalid` when it is not signed by this key. */
export function openTrainingAdmission(signed: Signed, key: KeyObject): TrainingAdmission {
  return openStatement("training-admission", signed, key, TrainingAdmission, "receipt-invalid");
}

/** Signed by the authority's admission key, context "training-order": one round, asked of every province alike. */
export const TrainingOrder = z.strictObject({
  /** SHA-256 of the job. */
  job_sha256: Sha256Hex,
  round: z.int().min(1),
  kind: z.enum(["aggregate", "labels"]),
  /** Of the request as it is sealed. */
  request_sha256: Sha256Hex,
});
export type TrainingOrder = z.infer<typeof TrainingOrder>;

/** @throws WjfError `receipt-invalid` unless the authority signed it, for this job. */
export function openTrainingOrder(signed: Signed, key: KeyObject, job: TrainingJob): TrainingOrder {
  const order = openStatement("training-order", signed, key, TrainingOrder, "receipt-invalid");
  if (order.job_sha256 !== jobDigest(job).toString("hex")) {
    throw new WjfError("receipt-invalid", "training order: another job's");
  }
  return order;
}

/** What is sealed to the provinces' group key. */
export function requestHeader(job: TrainingJob, round: number): SealedHeader {
  return { typ: "weijifen-training-request+jwe", job: job.id, round };
}

/** What is sealed to one province: people and their labels' ciphertext, block by block. */
export function labelHeader(
  what: "people" | "labels",
  job: TrainingJob,
  province: ProvinceCode,
  block: number,
): SealedHeader {
  return { typ: `weijifen-training-${what}+jwe`, job: job.id, province, block };
}

/** What the institution seals to the job's sealing key, and gets back sealed to its own. */
export function stepHeader(what: "ask" | "told", job: Pick<TrainingJob, "id">): SealedHeader {
  return { typ: `weijifen-training-${what}+jwe`, job: job.id };
}

/** Asked in order, from 1: the same question again gets the stored answer. */
export const TrainingStep = z.strictObject({ step: z.int().min(1).max(100), ask: TrainingAsk });
export type TrainingStep = z.infer<typeof TrainingStep>;

/** The body of a step: a JWE with TrainingStep in it. */
export const StepBody = z.strictObject({ sealed: z.string().max(8 * 1024 * 1024) });

/** The body of one block's upload. */
export const LabelBody = z.strictObject({
  /** LabelledPeople. */
  people: z.string().max(2 * 1024 * 1024),
  /** The labels' ciphertext. */
  labels: z.string().max(1024 * 1024),
});

export const LabelledPeople = z.strictObject({
  /** `msisdn:` or `cn-id:` and the normalised identifier. */
  subjects: z
    .array(z.string().regex(/^(msisdn:\+86\d{11}|cn-id:\d{17}[\dX])$/, "a subject"))
    .min(1)
    .max(TRAINING_PARAMETERS.polyModulusDegree),
  /** 16 bytes each: the institution's HMAC over subject and label, which shows that a label is the same as before, or another. */
  commitments: z.base64(),
});
export type LabelledPeople = z.infer<typeof LabelledPeople>;

export const COMMITMENT_BYTES = 16;

export interface TrainingRequest {
  readonly method: string;
  /** Below the audience. */
  readonly path: string;
  readonly proof: string;
  readonly body?: Uint8Array;
}

/**
 * A proof by one of the institution's keys, over this very request.
 * @throws WjfError `dpop-*`.
 */
export async function verifyTrainingProof(
  { method, path, proof, body }: TrainingRequest,
  keys: readonly string[],
  audience: string,
  clock: Clock,
): Promise<void> {
  const url = new URL(path, audience).href;
  const request = { method, url, ...(body !== undefined && { body }) };
  const { jkt } = await verifyKeyProof(proof, request, clock, MAX_PROOF_AGE_S);
  if (!keys.includes(jkt)) throw new WjfError("dpop-key");
}

export function labelPath(jobId: string, province: string, block: number): string {
  return `${TRAINING_PATH}/${jobId}/labels/${province}/${block}`;
}

export function stepPath(jobId: string): string {
  return `${TRAINING_PATH}/${jobId}/steps`;
}

/** @throws WjfError `receipt-invalid` when the bytes are not the job's key. */
export function requireTrainingKey(admission: TrainingAdmission, publicKey: Uint8Array): void {
  if (sha256Hex(publicKey) !== admission.he_public_key_sha256) {
    throw new WjfError("receipt-invalid", "training: the public key is another");
  }
}
