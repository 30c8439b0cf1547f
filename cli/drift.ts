// `wjf drift`: how far the people of today are from those that a scorecard was trained on, as one number and a few shares. A training job
// without labels: approved, masked and logged as every other, and asked one question. docs/decisions/075.
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { z } from "zod";
import { loadCatalogue } from "../catalogue/index.ts";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { systemRandom } from "../core/random.ts";
import { driftDigest } from "../consent/index.ts";
import { keyFolder } from "./client-keys.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { baselineCuts, type Drift, driftOf, type TrainedCard, trainedCard } from "./drift-card.ts";
import { checkDraft, readDraft, readText } from "./model-check.ts";
import type { Output } from "./output.ts";
import { remoteTraining } from "./remote-training.ts";
import { readLabels } from "./train-labels.ts";
import { countedScore } from "./train-scorecard.ts";
import type { TrainArguments } from "./train.ts";
import { approvedJob, commitmentKey, keepBegun, readBegun, upload } from "./training-begun.ts";
import { TrainingClient } from "./training-client.ts";
import { wishFor } from "./training-upload.ts";

export interface DriftArguments extends Pick<
  TrainArguments,
  "client" | "purpose" | "lawfulBasis" | "reference" | "provinces" | "days" | "resume" | "wait"
> {
  readonly people?: string;
  readonly package?: string;
}

const Begun = z.strictObject({
  people: z.string(),
  people_sha256: z.string(),
  package: z.string(),
  package_sha256: z.string(),
  /** As it was signed. */
  wish: z.string(),
});
type Begun = z.infer<typeof Begun>;

/** The cohort, its comparison with earlier ones, the count; and as many again for questions that fail half-way. */
const ROUNDS = 6;
/** Said by the process's end where much has changed: for whatever runs this every month. */
const DRIFTED = 3;

export async function drift(output: Output, args: DriftArguments): Promise<void> {
  const settings = readSettings();
  const keys = readInstitutionKeys(settings.home, args.client);
  const folder = keyFolder(settings.home, args.client);
  const client = new TrainingClient(settings.gatewayUrl, keys);
  const roster = (await client.roster()).provinces.map(({ code }) => code).toSorted();
  const begun =
    args.resume === undefined ? begin(folder, args, roster) : readBegun(folder, args.resume, Begun);
  const { people, sha256 } = readLabels(begun.people, roster, systemClock, false);
  requireSame(begun.people, sha256, begun.people_sha256);
  const trained = readCard(begun.package);
  requireSame(begun.package, sha256Hex(readText(begun.package)), begun.package_sha256);
  const { wait } = args;
  const approved = await approvedJob(output, client, { wish: begun.wish, kind: "drift", wait });
  if (approved === undefined) return;
  const { job, state } = approved;
  const admitted = await client.admission(job.id);
  await upload(state, { client, admitted, people, folder }, output);
  const authority = remoteTraining(client, admitted.admission);
  await authority.admit();
  const { cuts, ...score } = questionOf(trained);
  const result = driftOf(trained, await authority.spread(score, cuts));
  await client.end(job.id);
  print(output, result, people.length);
  output.result({ job: job.id, sent: people.length, ...result });
  if (result.level === "drifted") process.exitCode = DRIFTED;
}

function begin(
  folder: string,
  { people, package: file, lawfulBasis: basis, reference = "", ...args }: DriftArguments,
  roster: readonly ProvinceCode[],
): Begun {
  if (people === undefined || file === undefined || basis === undefined || reference === "") {
    const needed = "--people, --package, --lawful-basis and --reference, or --resume";
    throw new WjfError("request-malformed", needed);
  }
  const provinces = (args.provinces ?? roster)
    .map((code) => parseWith(ProvinceCode, code, "request-malformed", "--provinces"))
    .toSorted();
  const read = readLabels(people, roster, systemClock, false);
  const trained = readCard(file);
  const { features } = trained;
  const id = randomUUID();
  const { client, purpose, days } = args;
  const lawful_basis = { basis, reference };
  const drift_sha256 = driftDigest(features, questionOf(trained));
  const terms = { lawful_basis, max_rounds: ROUNDS, days, drift: true, drift_sha256 } as const;
  const wish = wishFor(
    read.people,
    { id, client, purpose, features, provinces, ...terms },
    { key: commitmentKey(folder), random: systemRandom },
  );
  const begun: Begun = {
    people: resolve(people),
    people_sha256: read.sha256,
    package: resolve(file),
    package_sha256: sha256Hex(readText(file)),
    wish: canonicalJson(wish),
  };
  keepBegun(folder, id, begun);
  return begun;
}

function readCard(path: string) {
  return trainedCard(checkDraft(readDraft(path), loadCatalogue()));
}

function questionOf(trained: TrainedCard) {
  return {
    ...countedScore(trained.card, trained.features.length),
    cuts: baselineCuts(trained),
  };
}

function requireSame(path: string, sha256: string, then: string): void {
  if (sha256 !== then) {
    throw new WjfError("request-malformed", `${path}: changed since the job was begun`);
  }
}

const SAID: Readonly<Record<Drift["level"], string>> = {
  stable: "little has changed",
  shifted: "warning: the population has shifted; look into it",
  drifted: "alert: the population is another one; the model wants training again",
};

function print(output: Output, { people, psi, level, bands }: Drift, sent: number): void {
  output.line(`${people} of the ${sent} people sent are counted`);
  bands.forEach(({ from, expected, actual }) => {
    const shares = [expected, actual].map((share) => `${(100 * share).toFixed(1)} %`.padStart(7));
    output.line(
      `  ${from === null ? "lowest" : `from ${from}`}  then ${shares[0]}  now ${shares[1]}`,
    );
  });
  const index = psi === null ? "No PSI, for (nearly) all are in one band" : `PSI ${psi.toFixed(4)}`;
  output.line(`${index}: ${SAID[level]}`);
}
