// One round of a training job: every province is asked the same, and their parts are added as they come, one of each at a time, so
// that only as many ciphertexts as there are provinces are in memory. All of them or none: the masks cancel over the whole.
import { WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { TrainingScheme } from "../../crypto/index.ts";
import type { FederationView, TrainingAdmission } from "../../consent/verifier.ts";
import type { TrainRound } from "../../proto/index.ts";
import type { ProvincePool } from "../province-pool.ts";

export interface MergeParts {
  readonly view: FederationView;
  readonly provinces: ProvincePool;
  readonly scheme: TrainingScheme;
  readonly admission: TrainingAdmission;
  readonly log: Logger;
  readonly timeoutMs: number;
}

/**
 * @param signal whoever asked has gone.
 * @throws WjfError the code of the first province that fails.
 */
export async function* mergeRound(
  { order, request, parts }: TrainRound,
  { view, provinces, scheme, admission: { job }, log, timeoutMs }: MergeParts,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const epoch = view.current();
  const ask = { job_id: job.id, order, request };
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const replies = job.provinces.map((code) => ({
    code,
    parts: provinces.reach(code, epoch).training.round(ask, timeoutMs, stopped),
  }));
  try {
    for (let part = 0; part < parts; part++) {
      const next = await Promise.all(
        replies.map(async ({ code, parts: reply }) => {
          try {
            const { value, done } = await reply.next();
            if (done !== true) return value;
          } catch (error) {
            if (!stopped.aborted) {
              log.warn({ province: code, err: error }, "a province left a training round");
            }
            throw error;
          }
          throw new WjfError("ciphertext-invalid", "training: parts are missing");
        }),
      );
      yield scheme.add(next);
    }
  } finally {
    // Whoever is still sending, or computing, is told to stop.
    stop.abort();
    await Promise.allSettled(replies.map(({ parts: reply }) => reply.return(undefined)));
  }
}
