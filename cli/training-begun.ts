// What `wjf train` and `wjf drift` have in common: a job that was begun is kept to go on with, waits for the provinces' operators, and
// gets its people. In the institution's folder: no label, no identifier. docs/decisions/070.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import { systemRandom } from "../core/random.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { TrainingWish } from "../consent/index.ts";
import type { Output } from "./output.ts";
import type { TrainingClient, TrainingState } from "./training-client.ts";
import { sendLabels } from "./training-upload.ts";

const POLL_MS = 1000;

/** The command. */
type Kind = "train" | "drift";

const NAMES: Readonly<Record<Kind, string>> = { train: "Training", drift: "Drift" };

export function keepBegun(folder: string, id: string, begun: object): void {
  writeSecretFile(begunPath(folder, id), JSON.stringify(begun));
}

/** @throws WjfError `request-malformed`, `secret-missing`, `config-invalid` when it is another kind of job's. */
export function readBegun<S extends z.ZodType>(folder: string, id: string, schema: S): z.output<S> {
  const job = parseWith(z.uuid(), id, "request-malformed", "--resume");
  const text = readSecretFile(begunPath(folder, job)).toString("utf8");
  return parseJsonWith(schema, text, "config-invalid", "training job");
}

function begunPath(folder: string, id: string): string {
  return join(folder, "training", `${id}.json`);
}

export function commitmentKey(folder: string): Buffer {
  const path = join(folder, "training-commitments.key");
  if (!existsSync(path)) writeSecretFile(path, systemRandom.bytes(32));
  return readSecretFile(path);
}

/** A job of `wjf train` or `wjf drift` as it was signed, and how far it is with the provinces. */
export interface ApprovedJob {
  readonly job: TrainingWish["job"];
  readonly state: TrainingState;
}

/**
 * Begins a job, or goes on with it, until its provinces have approved; says how to go on with it.
 * @param wait false: what was begun is the command's result, and there is nothing to go on with here.
 * @throws WjfError `training-ended` as `approval`.
 */
export async function approvedJob(
  output: Output,
  client: TrainingClient,
  { wish, kind, wait }: { readonly wish: string; readonly kind: Kind; readonly wait: boolean },
): Promise<ApprovedJob | undefined> {
  const { job } = parseJsonWith(TrainingWish, wish, "config-invalid", "training job");
  const state = await client.begin(wish);
  output.line(`${NAMES[kind]} job ${job.id}: ${state.state}`);
  output.line(`If this is interrupted: wjf ${kind} --resume ${job.id}`);
  if (!wait) {
    output.result({ job: job.id, state: state.state });
    return undefined;
  }
  if (state.state === "waiting") {
    output.line(`Waiting for the provinces' operators: wjf node training approve ${job.id}`);
  }
  return { job, state: await approval(client, state) };
}

/** @throws WjfError `training-ended` when a province refuses, or the job's time is over. */
async function approval(client: TrainingClient, begun: TrainingState): Promise<TrainingState> {
  for (let now = begun; ; now = await client.read(begun.id)) {
    if (now.state === "approved") return now;
    if (now.state !== "waiting") {
      const by = now.provinces.filter(({ state }) => state === "refused");
      const who = by.map(({ code, note }) => (note === undefined ? code : `${code} (${note})`));
      const whom = who.length > 0 ? ` by ${who.join(", ")}` : "";
      throw new WjfError("training-ended", `${now.state}${whom}`);
    }
    await delay(POLL_MS);
  }
}

type Sending = Omit<Parameters<typeof sendLabels>[0], "state" | "commitmentKey" | "onSent">;

export async function upload(
  state: TrainingState,
  { folder, ...sending }: Sending & { readonly folder: string },
  output: Output,
): Promise<number> {
  const blocks = state.provinces.reduce((sum, { of }) => sum + of, 0);
  using progress = output.progress("label blocks", blocks);
  const onSent = (sent: number): void => progress.update(sent);
  return await sendLabels({ ...sending, state, commitmentKey: commitmentKey(folder), onSent });
}
