// `wjf train` and `wjf node training` as processes of their own, against a federation whose nodes, gateway and authority are up: a bank
// begins, operators look and approve, the bank's process is killed on the way and goes on, a report and a model package come out.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FEATURES, openTrainingScene, type TrainingScene } from "./training-scene.ts";

let scene: TrainingScene;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  scene = await openTrainingScene();
  const { home, authorityPort, gatewayPort } = scene.federation.settings;
  env = {
    ...process.env,
    WJF_HOME: home,
    WJF_AUTHORITY_PORT: String(authorityPort),
    WJF_GATEWAY_PORT: String(gatewayPort),
  };
  await scene.register("cli-bank");
}, 300_000);
afterAll(async () => await scene[Symbol.asyncDispose]());

async function wjf<T>(...args: string[]): Promise<T> {
  const all = ["cli/main.ts", ...args, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, all, { env });
  return JSON.parse(stdout) as T;
}

function labelFile(): string {
  const path = join(scene.federation.settings.home, "labels.csv");
  const lines = scene.everybody.map(
    ({ subject, label, province }) => `${subject.slice(7)},${label},${province}`,
  );
  writeFileSync(path, `phone,label,province\n${lines.join("\n")}\n`);
  return path;
}

test("a labelled file becomes a report and a model package", async () => {
  const labels = labelFile();
  const what = ["train", "--client", "cli-bank", "--labels", labels, "--features", FEATURES.join()];
  const ground = ["--lawful-basis", "dpv:Contract", "--reference", "loan contract, clause 7"];
  const asked = [...what, ...ground, "--model", "cli-test", "--no-wait"];
  const begun = await wjf<{ job: string; state: string }>(...asked);
  expect(begun.state).toBe("waiting");
  const shown = await wjf<unknown[]>("node", "training", "show", begun.job, "--province", "all");
  expect(shown).toHaveLength(3);
  expect(shown[0]).toMatchObject({ institution: "cli-bank", state: "pending", people: 360 });
  await wjf("node", "training", "approve", begun.job, "--province", "all", "--note", "agreed");
  const resume = ["train", "--client", "cli-bank", "--resume", begun.job];
  // Killed once the provinces have begun to answer.
  const doomed = spawn(process.execPath, ["cli/main.ts", ...resume], { env, stdio: "ignore" });
  for (let answered = 0; answered < 2;) {
    const listed = await wjf<{ jobs: { rounds: { answered: number } }[] }[]>(
      "node",
      "training",
      "list",
      "--province",
      scene.codes[0]!,
    );
    answered = listed[0]!.jobs[0]!.rounds.answered;
  }
  doomed.kill("SIGKILL");
  await once(doomed, "exit");
  const done = await wjf<{
    people: number;
    sent: number;
    rounds: number;
    evaluation: { auc: number };
    files: { page: string; report: string; model: string };
  }>(...resume);
  expect(done).toMatchObject({ people: 1080, sent: 1080 });
  expect(done.evaluation.auc).toBeGreaterThan(0.5);
  for (const file of Object.values(done.files)) expect(existsSync(file)).toBe(true);
  const report = JSON.parse(readFileSync(done.files.report, "utf8")) as object;
  expect(report).toMatchObject({ job: { id: begun.job, client: "cli-bank", provinces: 3 } });
  const after = await wjf<{ jobs: { state: string }[] }[]>(
    "node",
    "training",
    "list",
    "--province",
    "all",
  );
  expect(after.map(({ jobs }) => jobs[0]?.state)).toEqual(["ended", "ended", "ended"]);
  const people = labels.replace("labels.csv", "people.csv");
  const lines = readFileSync(labels, "utf8").split("\n");
  writeFileSync(people, lines.map((line) => line.replace(/,(label|[01]),/, ",")).join("\n"));
  const counted = ["drift", "--client", "cli-bank", "--people", people];
  const of = ["--package", done.files.model, ...ground, "--no-wait"];
  const second = await wjf<{ job: string }>(...counted, ...of);
  await wjf("node", "training", "approve", second.job, "--province", "all");
  const drift = await wjf<object>("drift", "--client", "cli-bank", "--resume", second.job);
  expect(drift).toMatchObject({ people: 1080, level: "stable" });
}, 300_000);
