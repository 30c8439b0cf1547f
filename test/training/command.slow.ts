// `wjf train` and `wjf node training` as processes of their own, against a federation whose nodes, gateway and authority are up: a bank
// begins, operators look and approve, the bank's process is killed on the way and goes on, a report and a model package come out. Once
// with three provinces in this process, once with all 31, each a process of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Settings } from "../../core/config.ts";
import { NODE_V8_FLAGS } from "../../core/process.ts";
import { PartyProcess } from "../fault/party-process.ts";
import { FEATURES, openTrainingScene, type TrainingScene } from "./training-scene.ts";

/** A node as a process: what it needs beside this one's. */
async function startNode(code: string, settings: Settings): Promise<AsyncDisposable> {
  const node = new PartyProcess({
    args: [...NODE_V8_FLAGS, "province-node/main.ts", "--province", code],
    environment: {
      WJF_HOME: settings.home,
      WJF_AUTHORITY_GRPC_PORT: String(settings.authorityGrpcPort),
      WJF_NODE_BASE_PORT: String(settings.nodeBasePort),
      NODE_COMPILE_CACHE: join(settings.home, "cache"),
    },
  });
  node.spawn();
  await node.ready();
  return node;
}

describe.each([{ provinces: 3 }, { provinces: 31, startNode }])(
  "$provinces provinces",
  (options) => {
    const { provinces } = options;
    const people = 360 * provinces;
    let scene: TrainingScene;
    let env: NodeJS.ProcessEnv;
    beforeAll(async () => {
      scene = await openTrainingScene(options);
      const { home, authorityPort, gatewayPort } = scene.federation.settings;
      env = {
        ...process.env,
        WJF_HOME: home,
        WJF_AUTHORITY_PORT: String(authorityPort),
        WJF_GATEWAY_PORT: String(gatewayPort),
      };
      await scene.register("cli-bank");
    }, 900_000);
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
      const what = [
        "train",
        "--client",
        "cli-bank",
        "--labels",
        labels,
        "--features",
        FEATURES.join(),
      ];
      const ground = ["--lawful-basis", "dpv:Contract", "--reference", "loan contract, clause 7"];
      const asked = [...what, ...ground, "--model", "cli-test", "--by-region", "--no-wait"];
      const begun = await wjf<{ job: string; state: string }>(...asked);
      expect(begun.state).toBe("waiting");
      const shown = await wjf<unknown[]>(
        "node",
        "training",
        "show",
        begun.job,
        "--province",
        "all",
      );
      expect(shown).toHaveLength(provinces);
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
        evaluation: { auc: number; regions: { people: number; provinces: string[] }[] };
        files: { page: string; report: string; model: string };
      }>(...resume);
      expect(done).toMatchObject({ people, sent: people });
      expect(done.evaluation.auc).toBeGreaterThan(0.5);
      const { regions } = done.evaluation;
      // Of three provinces there is one region, which is everybody.
      expect(regions.map((region) => region.provinces.length)).toEqual(
        provinces === 3 ? [] : [5, 3, 7, 6, 5, 5],
      );
      for (const region of regions) expect(region.people).toBe(360 * region.provinces.length);
      for (const file of Object.values(done.files)) expect(existsSync(file)).toBe(true);
      const report = JSON.parse(readFileSync(done.files.report, "utf8")) as object;
      expect(report).toMatchObject({ job: { id: begun.job, client: "cli-bank", provinces } });
      const after = await wjf<{ jobs: { state: string }[] }[]>(
        "node",
        "training",
        "list",
        "--province",
        "all",
      );
      expect(after.map(({ jobs }) => jobs[0]?.state)).toEqual(Array(provinces).fill("ended"));
      const list = labels.replace("labels.csv", "people.csv");
      const lines = readFileSync(labels, "utf8").split("\n");
      writeFileSync(list, lines.map((line) => line.replace(/,(label|[01]),/, ",")).join("\n"));
      const counted = ["drift", "--client", "cli-bank", "--people", list];
      const of = ["--package", done.files.model, ...ground, "--no-wait"];
      const second = await wjf<{ job: string }>(...counted, ...of);
      await wjf("node", "training", "approve", second.job, "--province", "all");
      const drift = await wjf<object>("drift", "--client", "cli-bank", "--resume", second.job);
      expect(drift).toMatchObject({ people, level: "stable" });
    }, 900_000);
  },
);
