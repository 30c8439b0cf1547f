// The public face of release/. This folder alone may decrypt.
import { openDecryptor, openTrainingDecryptor } from "../../crypto/decrypt.ts";
import {
  type HeDecryptor,
  type HeScheme,
  SealScheme,
  type TrainingScheme,
} from "../../crypto/index.ts";

export { MergeOpener } from "./merge-opener.ts";
import { TrainingRelease } from "./training-release.ts";
import type { TrainingReleaseParts } from "./training-rules.ts";

export { RefusalLog } from "./refusal-log.ts";
export { Releaser, type ReleaserParts } from "./releaser.ts";
export { releaseMigrations, type ReleaseSchema } from "./schema.ts";

export function openSealDecryptor(scheme: HeScheme, secretKey: Uint8Array): HeDecryptor {
  if (!(scheme instanceof SealScheme)) throw new TypeError("not the SEAL scheme");
  return openDecryptor(scheme, secretKey);
}

/** The authority's side of a training job, with the job's secret key. */
export function openTrainingRelease(
  scheme: TrainingScheme,
  secretKey: Uint8Array,
  parts: Omit<TrainingReleaseParts, "opener">,
): TrainingRelease {
  return new TrainingRelease({ ...parts, opener: openTrainingDecryptor(scheme, secretKey) });
}

export type { TrainingRelease } from "./training-release.ts";
export {
  type CohortSize,
  type EarlierJob,
  type MergedRounds,
  type NewtonSums,
  type RegionEvaluation,
  type Standardisation,
  TRAINING_POLICY,
  type TrainingPolicy,
  type TrainingStanding,
} from "./training-rules.ts";
export type { Bin, BinnedColumn } from "./training-bins.ts";
export {
  type Evaluation,
  type ScoreGroup,
  separationOf,
  type SpreadCell,
} from "./training-evaluation.ts";
