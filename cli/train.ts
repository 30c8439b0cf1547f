// `wjf train`: from an institution's labelled file to a model and its report, over the federation. What it needs to go on after an
// interruption is in the institution's folder; the labels stay in their file. docs/decisions/070.
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { z } from "zod";
import { loadCatalogue } from "../catalogue/index.ts";
import { canonicalJson } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { systemRandom } from "../core/random.ts";
import type { TrainingWish } from "../consent/index.ts";
import { keyFolder } from "./client-keys.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import type { Output } from "./output.ts";
import { remoteTraining } from "./remote-training.ts";
import { type TrainingFiles, writeTrainingFiles } from "./train-files.ts";
import type { TrainingResult } from "./train-job.ts";
import { type LabelFile, readLabels } from "./train-labels.ts";
import { stopwatch, trainModel, TRAINING_DEFAULTS, type TrainingOptions } from "./train-model.ts";
import { DEFAULT_SCALE } from "./train-scorecard.ts";
import { approvedJob, commitmentKey, keepBegun, readBegun, upload } from "./training-begun.ts";
import { TrainingClient } from "./training-client.ts";
import { wishFor } from "./training-upload.ts";

export interface TrainArguments {
  readonly client: string;
  readonly labels?: string;
  readonly features?: readonly string[];
  readonly purpose: string;
  readonly lawfulBasis?: TrainingWish["lawful_basis"]["basis"];
  readonly reference?: string;
  readonly provinces?: readonly string[];
  readonly columns: "raw" | "woe";
  readonly bins: number;
  readonly monotone?: boolean;
  readonly l2: number;
  readonly minIv: number;
  readonly maxCorrelation: number;
  readonly maxP: number;
  readonly byRegion?: boolean;
  readonly rounds: number;
  readonly days: number;
  readonly model?: string;
  readonly out?: string;
  readonly resume?: string;
  /** False: say what was begun, and stop before it is approved. */
  readonly wait: boolean;
}

/** What one run leaves to the next: no label, no identifier. */
const Begun = z.strictObject({
  labels: z.string(),
  labels_sha256: z.string(),
  out: z.string(),
  model: z.string(),
  /** As it was signed. */
  wish: z.string(),
  options: z.strictObject({
    columns: z.enum(["raw", "woe"]),
    bins: z.int(),
    monotone: z.boolean(),
    l2: z.number(),
    minIv: z.number(),
    maxCorrelation: z.number(),
    maxP: z.number(),
    byRegion: z.boolean().default(false),
  }),
});
type Begun = z.infer<typeof Begun>;

/** About as many questions as a job has: for the progress bar. */
const USUAL_STEPS = 12;

export async function train(output: Output, args: TrainArguments): Promise<void> {
  const settings = readSettings();
  const keys = readInstitutionKeys(settings.home, args.client);
  const folder = keyFolder(settings.home, args.client);
  const client = new TrainingClient(settings.gatewayUrl, keys);
  const roster = (await client.roster()).provinces.map(({ code }) => code).toSorted();
  const read = (path: string): LabelFile => readLabels(path, roster, systemClock);
  const { resume } = args;
  const begun =
    resume === undefined ? begin(folder, args, roster, read) : readBegun(folder, resume, Begun);
  const { people, sha256 } = read(begun.labels);
  if (sha256 !== begun.labels_sha256) {
    throw new WjfError("labels-invalid", `${begun.labels}: changed since the job was begun`);
  }
  const { wait } = args;
  const approved = await approvedJob(output, client, { wish: begun.wish, kind: "train", wait });
  if (approved === undefined) return;
  const { job, state } = approved;
  const clock = stopwatch();
  const admitted = await client.admission(job.id);
  const bank = await upload(state, { client, admitted, people, folder }, output);
  const labels = clock();
  using progress = output.progress("questions", USUAL_STEPS);
  const authority = remoteTraining(client, admitted.admission, (step) =>
    progress.update(Math.min(step, USUAL_STEPS)),
  );
  const isCard = begun.options.columns === "woe";
  const options: TrainingOptions = {
    ...TRAINING_DEFAULTS,
    ...begun.options,
    ...(isCard && { scale: DEFAULT_SCALE }),
  };
  const model = await trainModel(authority, job.features.length, options);
  const { rounds, bytes: gateway } = authority.took;
  const result: TrainingResult = {
    ...model,
    rounds,
    // Every province's ciphertexts are as long as the merged ones.
    traffic: { bank, gateway, provinces: gateway * job.provinces.length },
    seconds: { labels, ...model.seconds },
  };
  const createdAt = new Date(systemClock.nowMs()).toISOString();
  const titles = { owner: args.client, zh: begun.model, en: begun.model };
  const source = { input: job, options, result, createdAt };
  const names = { id: begun.model, version: 1, ...titles };
  const files = writeTrainingFiles(begun.out, source, loadCatalogue(), names);
  // Last: the key and the labels are destroyed, and what was asked cannot be asked again.
  await client.end(job.id);
  print(output, { result, sent: people.length, features: job.features, files });
  output.result({ job: job.id, sent: people.length, ...result, files });
}

function begin(
  folder: string,
  args: TrainArguments,
  roster: readonly ProvinceCode[],
  read: (path: string) => LabelFile,
): Begun {
  const { labels, features, lawfulBasis: basis, reference = "" } = args;
  if (labels === undefined || features === undefined || basis === undefined || reference === "") {
    const needed = "--labels, --features, --lawful-basis and --reference, or --resume";
    throw new WjfError("request-malformed", needed);
  }
  const provinces = (args.provinces ?? roster)
    .map((code) => parseWith(ProvinceCode, code, "request-malformed", "--provinces"))
    .toSorted();
  const file = read(labels);
  const id = randomUUID();
  const { client, purpose, rounds, days, byRegion = false } = args;
  const lawful_basis = { basis, reference };
  const wish = wishFor(
    file.people,
    {
      id,
      client,
      purpose,
      features,
      provinces,
      lawful_basis,
      max_rounds: rounds,
      days,
      ...(byRegion && { by_region: byRegion }),
    },
    { key: commitmentKey(folder), random: systemRandom },
  );
  const { columns, bins, monotone = false, l2, minIv, maxCorrelation, maxP } = args;
  const begun: Begun = {
    labels: resolve(labels),
    labels_sha256: file.sha256,
    out: resolve(args.out ?? `${labels}.model`),
    model: args.model ?? `trained-${id.slice(0, 8)}`,
    wish: canonicalJson(wish),
    options: { columns, bins, monotone, l2, minIv, maxCorrelation, maxP, byRegion },
  };
  keepBegun(folder, id, begun);
  return begun;
}

interface Trained {
  readonly result: TrainingResult;
  readonly sent: number;
  readonly features: readonly string[];
  readonly files: TrainingFiles;
}

function print(output: Output, { result, sent, features, files }: Trained): void {
  const { people, bad, regression, evaluation } = result;
  output.line(`${people} of the ${sent} people sent are in the cohort, ${bad} of them bad`);
  const names = ["(intercept)", ...features];
  regression.coefficients.forEach((value, i) => {
    output.line(`  ${names[i]}  ${value.toFixed(6)}  p ${regression.pValues[i]?.toPrecision(2)}`);
  });
  if (evaluation !== undefined) {
    output.line(`AUC ${evaluation.auc.toFixed(4)}, KS ${evaluation.ks.toFixed(4)}`);
  }
  for (const file of [files.page, files.report, files.model]) {
    if (file !== undefined) output.line(file);
  }
}
