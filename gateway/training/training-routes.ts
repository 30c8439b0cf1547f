// The HTTP API of training jobs, for institutions: every request is proven with a key of the institution's that the authority has
// named in the job (RFC 9449, over the body too), and the job of anybody else does not exist. docs/decisions/070.
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { parseWith } from "../../core/parse.ts";
import { type FederationView, TRAINING_PATH, verifyKeyProof } from "../../consent/verifier.ts";
import { MAX_TRAINING_BODY_BYTES } from "../../proto/index.ts";
import { readProof } from "../credentials.ts";
import { ReplayGuard } from "../replay-guard.ts";
import { Questions } from "./questions.ts";
import type { CarriedJob, TrainingJobs } from "./training-jobs.ts";
import {
  LabelParams,
  TrainingParams,
  trainingSchemas,
  type TrainingSchemaOut,
} from "./training-schemas.ts";

export interface TrainingRouteParts {
  readonly jobs: TrainingJobs;
  readonly view: FederationView;
  readonly clock: Clock;
}

/** Oldest proof of a request; remembered for as long. */
const MAX_PROOF_AGE_S = 60;

const asIs = () => (value: unknown) => ({ value });

export async function trainingRoutes(
  app: FastifyInstance,
  parts: TrainingRouteParts,
): Promise<void> {
  const { jobs } = parts;
  const replays = new ReplayGuard(parts.clock, MAX_PROOF_AGE_S + 10);
  const questions = new Questions();
  const own = async (request: FastifyRequest, fresh = false): Promise<CarriedJob> =>
    await ownJob(request, replays, parts, fresh);
  app.post(TRAINING_PATH, {
    schema: trainingSchemas.create,
    // The bytes are what was signed.
    validatorCompiler: asIs,
    handler: async (request, reply) => {
      const { proof, jkt, jti } = await proven(request, parts);
      const job = await jobs.admit(proof, bodyOf(request));
      replays.requireFresh(jkt, jti);
      return await reply.status(201).send(await describe(job, jobs));
    },
  });
  app.get(`${TRAINING_PATH}/:id`, {
    schema: trainingSchemas.read,
    handler: async (request) => await describe(await own(request, true), jobs),
  });
  app.get(`${TRAINING_PATH}/:id/admission`, {
    schema: trainingSchemas.admission,
    handler: async (request) => {
      const { admission, he_public_key } = (await own(request)).admitted;
      return {
        statement: admission.statement.toString("base64"),
        signature: admission.signature.toString("base64"),
        public_key: he_public_key.toString("base64"),
      };
    },
  });
  app.put(`${TRAINING_PATH}/:id/labels/:province/:block`, {
    schema: trainingSchemas.labels,
    bodyLimit: MAX_TRAINING_BODY_BYTES,
    validatorCompiler: asIs,
    handler: async (request) => {
      const { admission } = await own(request);
      const { id, province, block } = parseWith(LabelParams, request.params, "route-unknown");
      if (!admission.job.provinces.includes(province)) throw new WjfError("route-unknown");
      const upload = { job_id: id, block, proof: readProof(request), body: bodyOf(request) };
      return { blocks: await jobs.putLabels(province, upload) };
    },
  });
  app.post(`${TRAINING_PATH}/:id/steps`, {
    schema: trainingSchemas.step,
    bodyLimit: MAX_TRAINING_BODY_BYTES,
    validatorCompiler: asIs,
    handler: async (request, reply) => {
      const job = await own(request);
      const { id } = job.admission.job;
      const ask = { job_id: id, proof: readProof(request), body: bodyOf(request) };
      const told = await questions.ask(id, ask.body, () => jobs.ask(job, ask));
      if (told === undefined) return await reply.status(202).send({ state: "running" });
      return { sealed: told };
    },
  });
  app.delete(`${TRAINING_PATH}/:id`, {
    schema: trainingSchemas.remove,
    handler: async (request, reply) => {
      const { admission } = await own(request);
      await jobs.end(admission.job.id, readProof(request));
      return await reply.status(204).send();
    },
  });
}

function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

/**
 * A proof over this very request, by whomever. Not remembered before its key is known: anybody can make keys and proofs, as many
 * as the guard can remember. @throws WjfError `dpop-*`.
 */
async function proven(request: FastifyRequest, { view, clock }: TrainingRouteParts) {
  const proof = readProof(request);
  const { origin, pathname } = new URL(request.url, view.current().roster.audience);
  const about = {
    method: request.method,
    url: `${origin}${pathname}`,
    ...(Buffer.isBuffer(request.body) && { body: request.body }),
  };
  const { jkt, jti } = await verifyKeyProof(proof, about, clock, MAX_PROOF_AGE_S);
  return { proof, jkt, jti };
}

/** The job of one of the keys that it names. Somebody else's is as unknown as one that never was. */
async function ownJob(
  request: FastifyRequest,
  replays: ReplayGuard,
  parts: TrainingRouteParts,
  fresh: boolean,
): Promise<CarriedJob> {
  const { id } = parseWith(TrainingParams, request.params, "route-unknown");
  const { jkt, jti } = await proven(request, parts);
  const job = fresh ? await parts.jobs.find(id) : await parts.jobs.known(id);
  if (!job.admission.keys.includes(jkt)) {
    throw new WjfError("route-unknown", "no such training job of this key");
  }
  replays.requireFresh(jkt, jti);
  return job;
}

async function describe(job: CarriedJob, jobs: TrainingJobs): Promise<TrainingSchemaOut> {
  const { admission, admitted } = job;
  const provinces = await jobs.standings(job);
  const standing =
    admitted.state === "open" ? overall(provinces.map(({ state }) => state)) : admitted.state;
  return {
    id: admission.job.id,
    state: standing,
    expires: new Date(admission.expires_at * 1000).toISOString(),
    provinces: provinces.map((each, i) => ({
      code: each.code,
      state: each.state,
      ...(each.state !== "unreachable" &&
        each.note !== "" && {
          note: each.note,
        }),
      blocks: each.state === "unreachable" ? 0 : each.blocks,
      of: Math.ceil((admission.people[i] ?? 0) / admission.job.layout.block),
    })),
  };
}

function overall(states: readonly string[]): TrainingSchemaOut["state"] {
  if (states.includes("refused")) return "refused";
  if (states.includes("ended")) return "ended";
  return states.every((state) => state === "approved") ? "approved" : "waiting";
}
