// kill -9 of the authority in the middle of a training job, question after question: each time once it has ordered a round and before it
// has told what came of it. A failure is another coefficient than without kills, to the last bit, a round asked for two requests, a
// question told twice, or a log that does not verify. Not a failure: that the job waits while the authority is away.
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { consentTables } from "../../consent/ledger.ts";
import { type Leaf, showLeaves, verifyLog } from "../../consent/log/index.ts";
import { partyFolder } from "../../core/config.ts";
import { systemClock } from "../../core/clock.ts";
import { TRAINING_DEFAULTS } from "../../cli/train-job.ts";
import { trainModel } from "../../cli/train-model.ts";
import { DEFAULT_SCALE } from "../../cli/train-scorecard.ts";
import { decideTraining } from "../../province-node/index.ts";
import { type KillableFederation, startKillableFederation } from "../fault/killable-federation.ts";
import { FEATURES, plant, subscribersOf, TrainingBank } from "./training-scene.ts";

const CODES = ["11", "12", "13"];
const OPTIONS = { ...TRAINING_DEFAULTS, bins: 5, scale: DEFAULT_SCALE };

let federation: KillableFederation;
let bank: TrainingBank;
beforeAll(async () => {
  federation = await startKillableFederation({ provinces: CODES.length, plant });
  await federation.authority.ready();
  const { settings, db } = federation;
  bank = await TrainingBank.register(settings, consentTables(db), "killed-bank");
}, 600_000);
afterAll(async () => await federation[Symbol.asyncDispose]());

/** @param onStep called before each question. */
async function trained(onStep?: (step: number, id: string) => void) {
  const begun = await bank.begin(CODES.flatMap(subscribersOf), CODES);
  const { id } = begun.state;
  for (const code of CODES) {
    const folder = partyFolder(federation.settings.home, code as never);
    decideTraining(folder, id, "approved", systemClock);
  }
  const { authority } = await bank.send(begun, (step) => onStep?.(step, id));
  const model = await trainModel(authority, FEATURES.length, OPTIONS);
  return { id, model };
}

/** Once a round of this step is ordered, and nothing is told yet. */
async function killDuring(step: number, id: string): Promise<boolean> {
  for (;;) {
    const row = await federation.db
      .selectFrom("training_job")
      .select(["steps", "rounds", "asked_last"])
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    // Told before it was looked at.
    if (row.steps >= step) return false;
    if (row.asked_last > row.rounds) break;
    await setImmediate();
  }
  await federation.authority.kill();
  federation.authority.spawn();
  await federation.authority.ready();
  return true;
}

test("the job goes on, and comes to the same coefficients", async () => {
  const kills: Promise<boolean>[] = [];
  const killed = await trained((step, id) => {
    const before = kills.at(-1) ?? Promise.resolve(false);
    kills.push(before.then(async () => await killDuring(step, id)));
  });
  const hits = (await Promise.all(kills)).filter(Boolean).length;
  process.stdout.write(`authority killed in ${hits} of ${kills.length} questions\n`);
  expect(hits).toBeGreaterThan(3);
  const undisturbed = await trained();
  const { seconds: _, ...model } = killed.model;
  const { seconds: __, ...expected } = undisturbed.model;
  expect(model).toEqual(expected);
  const { log } = federation.ledger;
  expect((await verifyLog(log, { verifierKeys: log.verifierKeys })).findings).toEqual([]);
  const told: Leaf[] = [];
  for await (const { leaf } of showLeaves(log, {})) {
    if (leaf.type === "training" && leaf.job_id === killed.id) told.push(leaf);
  }
  const steps = told.flatMap((leaf) =>
    leaf.type === "training" && leaf.event === "released" ? [leaf.step] : [],
  );
  expect(steps).toEqual(kills.map((__, i) => i + 1));
}, 900_000);
