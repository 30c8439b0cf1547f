// Training between machines: gateway, authority and three provinces over gRPC and mutual TLS, a bank over HTTP. A failure is a model
// other than the one that training in one process or centrally gives, a round or label before an approval, an answer without its leaf,
// a label, identifier or partial where it does not belong. Not a failure: that a job waits while a party is away.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import pino from "pino";
import { verifyLog } from "../../consent/log/index.ts";
import { driftDigest } from "../../consent/index.ts";
import { systemRandom } from "../../core/random.ts";
import { train, TRAINING_DEFAULTS, type TrainingOptions } from "../../cli/train-job.ts";
import { TrainingClient } from "../../cli/training-client.ts";
import { trainModel } from "../../cli/train-model.ts";
import { listTraining } from "../../province-node/index.ts";
import { TrainingStore } from "../../province-node/training/training-store.ts";
import { centralRegression, standardise } from "./central-lr.ts";
import {
  FEATURES,
  openTrainingScene,
  subscribersOf,
  type TrainingBank,
  type TrainingScene,
} from "./training-scene.ts";

let scene: TrainingScene;
let bank: TrainingBank;
const logged: string[] = [];
const sent: string[] = [];
const spied = globalThis.fetch;

beforeAll(async () => {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  scene = await openTrainingScene({ log: pino({ level: "trace" }, sink) });
  bank = await scene.register("training-bank");
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    if (typeof init?.body === "string") sent.push(init.body);
    return await spied(input, init);
  });
}, 120_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await scene[Symbol.asyncDispose]();
});

const RAW: TrainingOptions = { ...TRAINING_DEFAULTS, columns: "raw" };

describe("one job", () => {
  let id: string;
  let begun: Awaited<ReturnType<TrainingBank["begin"]>>;

  test("waits for every province's operator, who sees what it is about", async () => {
    begun = await bank.begin(scene.everybody, scene.codes);
    id = begun.state.id;
    expect(begun.state.state).toBe("waiting");
    const [shown] = listTraining(scene.folder(scene.codes[0]!));
    expect(shown).toMatchObject({
      id,
      state: "pending",
      admission: {
        job: { client: "training-bank", purpose: "dpv:CreditChecking", features: FEATURES },
        lawful_basis: { basis: "dpv:Contract" },
        people: [360, 360, 360],
        max_rounds: 60,
      },
    });
    await expect(bank.send(begun)).rejects.toMatchObject({ code: "training-not-approved" });
    scene.decide(id, "approved", scene.codes.slice(1));
    expect((await bank.client.read(id)).state).toBe("waiting");
    scene.decide(id, "approved");
    expect((await bank.client.read(id)).state).toBe("approved");
  });

  test("gives the coefficients of training in one process, and of central training; a node and the gateway come and go meanwhile", async () => {
    const { authority } = await bank.send(begun);
    const cohort = await authority.admit();
    expect(cohort.people).toBe(1080);
    const startAgain = await scene.stopNode(scene.codes[1]!);
    const standardised = authority.standardisation();
    await vi.waitFor(() => expect(logged.join("")).toContain("a province left a training round"), {
      timeout: 20_000,
    });
    await startAgain();
    const { centre } = await standardised;
    expect(centre).toHaveLength(FEATURES.length);
    await scene.restartGateway();
    // From the beginning, as a bank that has lost everything but its labels: what was told is told again.
    const { authority: again } = await bank.send(begun);
    const wire = await trainModel(again, FEATURES.length, RAW);
    const local = await train(
      {
        id: "local",
        client: "b",
        purpose: "p",
        features: FEATURES,
        random: systemRandom,
        provinces: scene.codes.map((code) => ({
          code: code as never,
          columns: FEATURES.map((_, c) =>
            Float64Array.from(subscribersOf(code), ({ values }) => values[c]!),
          ),
          labels: Uint8Array.from(subscribersOf(code), ({ label }) => label),
        })),
      },
      { ...RAW, evaluate: false },
    );
    expect(wire.evaluation?.auc).toBeGreaterThan(0.6);
    expect(wire.people).toBe(local.people);
    expect(wire.bad).toBe(local.bad);
    wire.regression.coefficients.forEach((value, c) => {
      expect(value).toBeCloseTo(local.regression.coefficients[c]!, 6);
    });
    const labels = scene.everybody.map(({ label }) => label);
    const rows = standardise(scene.everybody.map(({ values }) => [...values]));
    const central = centralRegression(rows, labels, RAW.l2);
    wire.regression.coefficients.forEach((value, c) => {
      expect(Math.abs(value / central.coefficients[c]! - 1)).toBeLessThan(1e-4);
    });
  }, 240_000);

  test("is in the log, leaf by leaf, before it was told, and the log verifies", async () => {
    const leaves = (await scene.leaves()).filter(({ job_id }) => job_id === id);
    expect(leaves[0]).toMatchObject({ event: "admitted", features: FEATURES, people: 1080 });
    const released = leaves.filter(({ event }) => event === "released");
    expect(released.map((leaf) => leaf.event === "released" && leaf.kind).slice(0, 4)).toEqual([
      "admit",
      "standardisation",
      "label-totals",
      "newton",
    ]);
    const { log } = scene.federation.authority.ledger;
    const report = await verifyLog(log, { verifierKeys: log.verifierKeys });
    expect(report.findings).toEqual([]);
    expect(report.leaves["training"]).toBeGreaterThan(4);
  });

  test("one step is one question, and one round one request", async () => {
    const { admission } = await bank.client.admission(id);
    const other = bank.client.ask(admission, 1, { type: "standardisation" });
    await expect(other).rejects.toMatchObject({ code: "query-conflict" });
  });

  test("is nobody else's", async () => {
    const stranger = await scene.register("stranger", 0);
    await expect(stranger.client.read(id)).rejects.toMatchObject({ code: "route-unknown" });
    await expect(stranger.client.admission(id)).rejects.toMatchObject({ code: "route-unknown" });
  });

  test("leaves labels and identifiers with their province alone, under seal on the way, and nothing at all once ended", async () => {
    const texts = begun.people.slice(0, 50).map(({ subject }) => subject.slice(-11));
    const store = TrainingStore.open(scene.folder(scene.codes[0]!));
    const labels = [...store.labels(id)];
    const people = [...store.people(id)];
    // Ciphertexts of one length, whatever the labels; who was named is forgotten once the columns are fixed.
    expect(new Set(labels.map(({ length }) => length)).size).toBe(1);
    expect(people.every(({ tags }) => tags.length === 0)).toBe(true);
    await bank.client.end(id);
    expect([...store.labels(id)]).toEqual([]);
    expect(store.reply(id, 1)).toBeUndefined();
    store[Symbol.dispose]();
    const nodes = scene.codes.map((code) => `nodes/${code}/training.db`);
    const disks = ["authority/authority.db", "gateway/gateway.db"]
      .concat(nodes)
      .flatMap((file) => [file, `${file}-wal`])
      .map((file) => join(scene.federation.settings.home, file))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file));
    expect(disks.length).toBeGreaterThan(4);
    for (const text of texts) {
      expect(disks.some((bytes) => bytes.includes(text))).toBe(false);
      expect(logged.some((line) => line.includes(text))).toBe(false);
      expect(sent.some((body) => body.includes(text))).toBe(false);
    }
    expect(logged.length).toBeGreaterThan(10);
    expect(sent.length).toBeGreaterThan(10);
    const after = bank.client.read(id);
    expect((await after).state).toBe("ended");
  });
});

test("how today's people are spread over a score: no label, one count, the log says so", async () => {
  const watching = await scene.register("drift-bank");
  const unlabelled = scene.everybody.map((each) => ({ ...each, label: 0 as const }));
  const design = { kind: "raw", centre: [0, 0, 0], scale: [1, 1, 1] } as const;
  const score = { design, coefficients: [0, 1, 0, 0] };
  const drift_sha256 = driftDigest(FEATURES, { ...score, cuts: [21, 30, 45] });
  const terms = { drift: true, drift_sha256, max_rounds: 6 } as const;
  const begun = await watching.begin(unlabelled, scene.codes, terms);
  scene.decide(begun.state.id, "approved");
  const { authority } = await watching.send(begun);
  expect(await authority.admit()).toEqual({ people: 1080, bad: 0 });
  const cells = await authority.spread(score, [21, 30, 45]);
  const between = (from: number, below: number): number =>
    scene.everybody.filter(({ values: [age] }) => age! >= from && age! < below).length;
  expect(between(0, 21)).toBe(24);
  expect(cells).toEqual([
    { people: between(0, 21), below: 21 },
    { people: between(21, 30), below: 30 },
    { people: between(30, 45), below: 45 },
    { people: between(45, 99), below: null },
  ]);
  await watching.client.end(begun.state.id);
  const leaves = (await scene.leaves()).filter(({ job_id }) => job_id === begun.state.id);
  expect(leaves).toMatchObject([
    { event: "admitted", drift: true },
    { event: "released", kind: "admit", rounds: { first: 1, last: 1 } },
    { event: "released", kind: "drift", rounds: { first: 2, last: 2 } },
    { event: "ended" },
  ]);
}, 60_000);

test("the API's description says what each request holds", async () => {
  const url = new URL("/openapi.json", scene.federation.settings.gatewayUrl);
  const { paths } = (await (await fetch(url)).json()) as { paths: Record<string, object> };
  const bodies = Object.entries(paths)
    .filter(([path]) => path.startsWith("/v1/training-jobs"))
    .flatMap(([, methods]) => Object.entries<{ requestBody?: object }>(methods as never))
    .map(([method, { requestBody }]) => [method, JSON.stringify(requestBody ?? "")] as const);
  expect(bodies.find(([method]) => method === "put")?.[1]).toContain('"labels"');
  const posts = bodies.filter(([method]) => method === "post").map(([, body]) => body);
  expect(posts.map((body) => body.includes('"lawful_basis"'))).toEqual([true, false]);
  expect(posts.map((body) => body.includes('"sealed"'))).toEqual([false, true]);
});

describe("what is refused", () => {
  test("by a province: the bank hears which, and why", async () => {
    const { state } = await bank.begin(scene.everybody, scene.codes);
    scene.decide(state.id, "refused", [scene.codes[2]!], "not this purpose");
    const now = await bank.client.read(state.id);
    expect(now.state).toBe("refused");
    expect(now.provinces[2]).toMatchObject({ state: "refused", note: "not this purpose" });
  });

  test("to say that a job is over, while a province has not been told", async () => {
    const hasty = await scene.register("hasty-bank", 0);
    const { state } = await hasty.begin(scene.everybody, scene.codes);
    const startAgain = await scene.stopNode(scene.codes[2]!);
    const unavailable = { code: "federation-unavailable" };
    await expect(hasty.client.end(state.id)).rejects.toMatchObject(unavailable);
    await startAgain();
    const patient = new TrainingClient(scene.federation.settings.gatewayUrl, hasty.keys);
    await patient.end(state.id);
    const after = await patient.read(state.id);
    expect(after.provinces.map((each) => each.state)).toEqual(["ended", "ended", "ended"]);
  });

  const approved = async (by: TrainingBank, people = scene.everybody as never) => {
    const begun = await by.begin(people, scene.codes);
    scene.decide(begun.state.id, "approved");
    return { id: begun.state.id, ...(await by.send(begun)) };
  };

  test("a tiny cohort; its job is over, its key gone, and the refusal in the log", async () => {
    const tiny = await scene.register("tiny-bank");
    const few = scene.everybody.filter((_, i) => i % 2 === 0);
    const { id, authority, admitted } = await approved(tiny, few as never);
    await expect(authority.admit()).rejects.toMatchObject({
      code: "training-refused",
      detail: "the cohort has fewer than 1000 people",
    });
    const next = tiny.client.ask(admitted.admission, 2, { type: "standardisation" });
    await expect(next).rejects.toMatchObject({ code: "training-ended" });
    const leaves = (await scene.leaves()).filter(({ job_id }) => job_id === id);
    expect(leaves.map(({ event }) => event)).toEqual(["admitted", "refused"]);
  });

  test("a cohort that differs from an earlier one by a person; the same again is not", async () => {
    const overlapping = await scene.register("overlap-bank");
    const { authority } = await approved(overlapping);
    await authority.admit();
    const refused = { code: "training-refused", detail: expect.stringContaining("earlier job") };
    const less = await approved(overlapping, scene.everybody.slice(1) as never);
    await expect(less.authority.admit()).rejects.toMatchObject(refused);
    const same = await approved(overlapping);
    expect((await same.authority.admit()).people).toBe(1080);
  });

  test("indicators, purposes and provinces that there are not", async () => {
    const malformed = { code: "request-malformed" };
    const begin = async (terms: object, codes = scene.codes) =>
      await bank.begin(scene.everybody, codes, terms);
    await expect(begin({ features: ["id.nothing"] })).rejects.toMatchObject(malformed);
    await expect(begin({ purpose: "dpv:Marketing" })).rejects.toMatchObject(malformed);
    await expect(begin({}, ["11", "65"])).rejects.toMatchObject(malformed);
    await expect(begin({ client: "nobody" })).rejects.toMatchObject({ code: "client-unknown" });
  });
});
