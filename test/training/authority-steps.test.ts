// The authority's answers to an institution's questions, with provinces that the test plays: sums of a cohort that there is not, under
// the job's own key. No round is asked for two requests, cohorts of one institution are always compared, a revoked key is of no use.
import { createPublicKey, randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { sha256Base64url } from "../../core/canonical.ts";
import { systemClock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { addClient, disableClient, rotateClient } from "../../consent/clients.ts";
import { consentTables } from "../../consent/ledger.ts";
import { type Leaf, showLeaves, verifyLog } from "../../consent/log/index.ts";
import {
  HE_SECRET,
  TrainingAdmitter,
  type TrainingParts,
} from "../../consent/training/training-admitter.ts";
import type { AskProvinces } from "../../consent/training/training-asking.ts";
import { TrainingSteps } from "../../consent/training/training-steps.ts";
import {
  openTrainingAdmission,
  openTrainingOrder,
  requestHeader,
  stepHeader,
  stepPath,
  TRAINING_PATH,
  type TrainingAdmission,
  type TrainingWish,
} from "../../consent/training-job.ts";
import { driftDigest, type TrainingAsk } from "../../consent/training-requests.ts";
import {
  type AggregateRequest,
  aggregateLength,
  generateP256,
  generateX25519,
  importPrivate,
  importPublic,
  openBytes,
  publicP256,
  publicX25519,
  sealBytes,
  toResidue,
  TrainingScheme,
} from "../../crypto/index.ts";
import { signProof } from "../../cli/batch-client.ts";
import { type LedgerBench, openLedgerBench } from "../consent/ledger-fixture.ts";

const AUDIENCE = "https://gateway.example";
const people = 2000;
let bad = 300;
const [signing, encryption, group] = [
  generateP256("sig"),
  generateP256("enc"),
  generateP256("enc"),
];
const admissionKey = importPrivate(generateP256("sig"));
const NEWTON: Extract<TrainingAsk, { type: "newton" }> = {
  type: "newton",
  design: { kind: "raw", centre: [0], scale: [1] },
  coefficients: [0, 0],
};
const TOTALS: TrainingAsk = { type: "label-totals", design: NEWTON.design };

const roster = {
  audience: AUDIENCE,
  group_key: publicP256(group),
  provinces: ["11", "12", "13"].map((code) => ({ code, mask_key: publicX25519(generateX25519()) })),
};

/** From every earlier job: people gone, people new, labels that are others. */
let differing = [0, 0, 0];
/** A hundredth of the people are those of the earlier job; and of the bad. */
const HARDLY_ANYBODY = [people - 20, people - 20, 7];
const HARDLY_ANY_LABEL = [people - 3, people - 3, 3];
let scheme: TrainingScheme;
let bench: LedgerBench;
let parts: TrainingParts;
let steps: TrainingSteps;

beforeAll(async () => {
  scheme = await TrainingScheme.create();
}, 60_000);
afterAll(() => scheme[Symbol.dispose]());
beforeEach(async () => {
  differing = [0, 0, 0];
  bad = 300;
  // Proofs are signed by the system's clock.
  bench = await openLedgerBench(undefined, { startMs: systemClock.nowMs() });
  parts = {
    ...bench,
    epochs: { current: () => ({ roster }) } as never,
    catalogue: loadCatalogue(),
    admissionKey,
    scheme: async () => await Promise.resolve(scheme),
  };
  steps = new TrainingSteps(parts);
  await addClient(consentTables(bench.db), bench.clock, {
    client_id: "bank",
    name: "Bank",
    contact: "test@bank.example",
    jwks: { keys: [publicP256(signing), publicP256(encryption)] as never },
    products: ["credit-score@1"] as never,
    purposes: ["dpv:CreditChecking"],
  });
});
afterEach(async () => await bench[Symbol.asyncDispose]());

interface Job {
  readonly admission: TrainingAdmission;
  readonly key: Uint8Array;
  /** By round, what was asked of the provinces: they answer nothing else. */
  readonly asked: Map<number, AggregateRequest>;
}

async function proofOf(htm: string, path: string, body?: string): Promise<string> {
  bench.clock.advance(Math.max(0, systemClock.nowMs() - bench.clock.nowMs()));
  return await signProof(signing, {
    htm,
    htu: `${AUDIENCE}${path}`,
    ...(body !== undefined && { "camara:bh": sha256Base64url(body) }),
  });
}

async function begin(terms: Partial<TrainingWish> = {}, codes = ["11", "12"]): Promise<Job> {
  const body = JSON.stringify({
    job: {
      id: randomUUID(),
      client: "bank",
      purpose: "dpv:CreditChecking",
      features: ["id.age_years"],
      provinces: codes,
      layout: { block: 16, tiles: 512 },
      labelCommitment: "a".repeat(64),
    },
    lawful_basis: { basis: "dpv:Contract", reference: "clause 7" },
    people: codes.map(() => 1000),
    max_rounds: 20,
    days: 1,
    ...terms,
  });
  const proof = await proofOf("POST", TRAINING_PATH, body);
  const admitted = await new TrainingAdmitter(parts).admit({ proof, body: Buffer.from(body) });
  const admission = openTrainingAdmission(admitted.admission, createPublicKey(admissionKey));
  return { admission, key: admitted.he_public_key, asked: new Map() };
}

type Played = (request: AggregateRequest, round: number) => Promise<void> | void;

/** @param then called once the provinces have their answer, before the authority hears it. */
function provinces({ admission: { job }, key, asked }: Job, then: Played): AskProvinces {
  return async ({ order: signed, request }) => {
    const { round, kind } = openTrainingOrder(signed, createPublicKey(admissionKey), job);
    const text = await openBytes(
      request,
      importPrivate(group),
      requestHeader(job, round),
      "internal",
    );
    const question = JSON.parse(text.toString()) as AggregateRequest;
    const before = asked.get(round) ?? question;
    if (JSON.stringify(before) !== JSON.stringify(question)) {
      throw new WjfError("request-malformed", "this training round was answered otherwise");
    }
    asked.set(round, question);
    await then(question, round);
    using encryptor = scheme.encryptor(key);
    if (kind === "labels") return [encryptor.encrypt(Float64Array.of(toResidue(bad)))];
    const values = new Float64Array(1 + aggregateLength(question));
    values[0] = job.provinces.length;
    if (question.type !== "overlap") values[1] = toResidue(people);
    else
      values.set(
        question.jobs.flatMap(() => differing).map((count) => toResidue(count)),
        1,
      );
    return [encryptor.encrypt(values)];
  };
}

async function ask(
  job: Job,
  step: number,
  question: TrainingAsk,
  then: Played = () => undefined,
  by = steps,
) {
  const { job: described, sealing_key: sealing } = job.admission;
  const text = Buffer.from(JSON.stringify({ step, ask: question }));
  const sealed = await sealBytes(text, importPublic(sealing), stepHeader("ask", described));
  const body = JSON.stringify({ sealed });
  const proof = await proofOf("POST", stepPath(described.id), body);
  const asked = { job_id: described.id, proof, body: Buffer.from(body) };
  const told = await by.answer(asked, provinces(job, then));
  const own = importPrivate(encryption);
  const opened = await openBytes(told, own, stepHeader("told", described), "internal");
  return JSON.parse(opened.toString()) as { readonly value?: object; readonly refusal?: object };
}

async function end({ admission: { job } }: Job): Promise<void> {
  const proof = await proofOf("DELETE", `${TRAINING_PATH}/${job.id}`);
  await steps.end({ job_id: job.id, proof });
}

async function releasedRounds(): Promise<object[]> {
  const { log } = bench.ledger;
  expect((await verifyLog(log, { verifierKeys: log.verifierKeys })).findings).toEqual([]);
  const leaves: Leaf[] = [];
  for await (const { leaf } of showLeaves(log, {})) leaves.push(leaf);
  return leaves.flatMap((leaf) =>
    leaf.type === "training" && leaf.event === "released" ? [leaf.rounds] : [],
  );
}

const ADMIT: TrainingAsk = { type: "admit" };
const unavailable = { code: "federation-unavailable" };
const failingAt =
  (at: number): Played =>
  (_, round) => {
    if (round === at) throw new WjfError("federation-unavailable");
  };

test("a question that failed half-way goes on under its rounds; another one in its place has others", async () => {
  const job = await begin();
  await expect(ask(job, 1, ADMIT, failingAt(2))).rejects.toMatchObject(unavailable);
  steps = new TrainingSteps(parts);
  expect(await ask(job, 1, ADMIT)).toMatchObject({ value: { people, bad } });
  expect([...job.asked.keys()]).toEqual([1, 2]);
  await expect(ask(job, 2, NEWTON, failingAt(3))).rejects.toMatchObject(unavailable);
  expect(await ask(job, 2, TOTALS)).toMatchObject({ value: [bad, 0] });
  expect(await ask(job, 3, NEWTON)).toMatchObject({ value: { people } });
  expect(await releasedRounds()).toEqual([
    { first: 1, last: 2 },
    { first: 4, last: 4 },
    { first: 5, last: 5 },
  ]);
});

test("cohorts of one institution that come at once are compared", async () => {
  const jobs = [await begin(), await begin()];
  await Promise.all(jobs.map(async (job) => await ask(job, 1, ADMIT)));
  const ids = jobs.map(({ admission }) => admission.job.id);
  const overlaps = jobs.map(({ asked }) => asked.get(2)).filter((each) => each?.type === "overlap");
  expect(overlaps).toHaveLength(1);
  expect(ids).toContain(overlaps[0]?.jobs[0]);
});

test("a cohort that another process admitted meanwhile: asked again, it is compared", async () => {
  const [slow, quick] = [await begin(), await begin()];
  const meanwhile: Played = async (_, round) => {
    if (round === 2) await ask(quick, 1, ADMIT, undefined, new TrainingSteps(parts));
  };
  await expect(ask(slow, 1, ADMIT, meanwhile)).rejects.toMatchObject({ code: "overloaded" });
  expect(await ask(slow, 1, ADMIT)).toMatchObject({ value: { people, bad } });
  expect(slow.asked.get(4)).toEqual({ type: "overlap", jobs: [quick.admission.job.id] });
  expect(await ask(slow, 2, NEWTON)).toMatchObject({ value: { people } });
  expect(await releasedRounds()).toEqual([
    { first: 1, last: 2 },
    { first: 3, last: 5 },
    { first: 6, last: 6 },
  ]);
});

test("a cohort is admitted once, and nothing is told after the job's term", async () => {
  const job = await begin();
  await ask(job, 1, ADMIT);
  await expect(ask(job, 2, ADMIT)).rejects.toMatchObject({ code: "request-malformed" });
  const late: Played = () => bench.clock.advance(86_400_000);
  await expect(ask(job, 2, NEWTON, late)).rejects.toMatchObject({ code: "training-ended" });
  expect(await releasedRounds()).toEqual([{ first: 1, last: 2 }]);
});

test("64 cohorts of an institution within a year, and no more: all of them are compared", async () => {
  const first = await begin();
  await ask(first, 1, ADMIT);
  const { id: _, ...row } = await bench.db
    .selectFrom("training_job")
    .selectAll()
    .executeTakeFirstOrThrow();
  const created_at = row.created_at - 2 * 86_400_000;
  const another = async (): Promise<void> => {
    const copy = { ...row, id: randomUUID(), state: "ended" as const, created_at };
    await bench.db.insertInto("training_job").values(copy).execute();
  };
  for (let i = 1; i < 64; i++) await another();
  const last = await begin();
  expect(await ask(last, 1, ADMIT)).toMatchObject({ value: { people, bad } });
  const more = await begin();
  expect(await ask(more, 1, ADMIT)).toMatchObject({ refusal: { code: "training-refused" } });
});

test("a job whose key is of other parameters, as before an update, is over", async () => {
  const job = await begin();
  await ask(job, 1, ADMIT);
  const earlier = bench.atRest.seal(HE_SECRET, Buffer.alloc(64));
  await bench.db.updateTable("training_job").set({ he_secret_sealed: earlier }).execute();
  const ended = { code: "training-ended" };
  await expect(ask(job, 2, NEWTON)).rejects.toMatchObject(ended);
  const row = await bench.db.selectFrom("training_job").selectAll().executeTakeFirstOrThrow();
  expect(row).toMatchObject({ state: "ended", he_secret_sealed: null });
  await expect(ask(job, 2, NEWTON)).rejects.toMatchObject(ended);
});

test("by region only where the terms say so, and once", async () => {
  const wish = (by_region?: true): TrainingAsk => ({
    ...NEWTON,
    type: "evaluation",
    ks: "coarse",
    ...(by_region && { regions: by_region }),
  });
  const without = await begin();
  await ask(without, 1, ADMIT);
  await expect(ask(without, 2, wish(true))).rejects.toMatchObject({
    detail: "regions: not in the job's terms",
  });
  expect((await ask(without, 2, wish())).value).not.toHaveProperty("regions");
  const job = await begin({ by_region: true });
  await ask(job, 1, ADMIT);
  expect((await ask(job, 2, wish(true))).value).toMatchObject({ auc: 0.5, regions: [] });
  await expect(ask(job, 3, wish(true))).rejects.toMatchObject({
    detail: "regions: told once in a job",
  });
  expect((await ask(job, 3, wish())).value).not.toHaveProperty("regions");
  // Whoever is in both, of one province if the bank likes: of two regions' sums the difference could be few.
  const subtracted = {
    detail: "of some of these people an earlier job tells by region, or at other cuts",
  };
  differing = HARDLY_ANY_LABEL;
  expect((await ask(await begin({ by_region: true }), 1, ADMIT)).refusal).toMatchObject(subtracted);
  expect((await ask(await begin(), 1, ADMIT)).value).toMatchObject({ people });
  differing = [people, people, 0];
  const others = await begin({ by_region: true });
  expect((await ask(others, 1, ADMIT)).value).toMatchObject({ people });
  // That one may tell yet; once it is over without, it has not.
  await bench.db.updateTable("training_job").set({ regions_step: 0 }).execute();
  await end(job);
  differing = HARDLY_ANY_LABEL;
  const early = await begin({ by_region: true });
  expect((await ask(early, 1, ADMIT)).refusal).toMatchObject(subtracted);
  await end(others);
  expect((await ask(await begin({ by_region: true }), 1, ADMIT)).value).toMatchObject({ people });
  const leaves: Leaf[] = [];
  for await (const { leaf } of showLeaves(bench.ledger.log, {})) leaves.push(leaf);
  const admitted = leaves.filter((leaf) => leaf.type === "training" && leaf.event === "admitted");
  expect(admitted.map((leaf) => "by_region" in leaf)).toEqual([
    false,
    true,
    true,
    false,
    true,
    true,
    true,
  ]);
});

/** The one question of a job without labels, and its terms. */
function spreadAt(cut: number) {
  const spread = { ...NEWTON, type: "drift" as const, cuts: [cut] };
  const digest = driftDigest(["id.age_years"], spread);
  return { spread, terms: { drift: true, drift_sha256: digest } as const };
}

test("a job without labels is asked for no label and told of one thing, once", async () => {
  const labelled = await begin();
  await ask(labelled, 1, ADMIT);
  const { spread, terms } = spreadAt(0.5);
  const elsewhere = { detail: "drift: asked in a job of its own, and nothing else" };
  await expect(ask(labelled, 2, spread)).rejects.toMatchObject(elsewhere);
  // Labels there are none of, in this job or the other; people are compared all the same.
  differing = [0, 0, 7];
  const job = await begin(terms);
  expect((await ask(job, 1, ADMIT)).value).toEqual({ people, bad: 0 });
  expect([...job.asked.values()].map(({ type }) => type)).toEqual(["moments", "overlap"]);
  await expect(ask(job, 2, NEWTON)).rejects.toMatchObject(elsewhere);
  await expect(ask(job, 2, TOTALS)).rejects.toMatchObject(elsewhere);
  await expect(ask(job, 2, spreadAt(0.51).spread)).rejects.toMatchObject({
    detail: "drift: not the question in the job's terms",
  });
  expect((await ask(job, 2, spread)).value).toEqual([{ people, below: null }]);
  await expect(ask(job, 3, spread)).rejects.toMatchObject({ detail: "drift: told once in a job" });
  const few = { refusal: { code: "training-refused" } };
  differing = [0, 7, 0];
  expect(await ask(await begin(terms), 1, ADMIT)).toMatchObject(few);
  differing = [0, 0, 7];
  expect(await ask(await begin(), 1, ADMIT)).toMatchObject(few);
});

test("of the same people the same question again, and no other: cuts a hair apart would count few", async () => {
  const { terms } = spreadAt(0.5);
  const other = spreadAt(0.51);
  await expect(begin({ drift: true })).rejects.toMatchObject({ code: "request-malformed" });
  const first = await begin(terms);
  await ask(first, 1, ADMIT);
  const apart = {
    detail: "of some of these people an earlier job tells by region, or at other cuts",
  };
  expect((await ask(await begin(other.terms), 1, ADMIT)).refusal).toMatchObject(apart);
  expect((await ask(await begin(terms), 1, ADMIT)).value).toEqual({ people, bad: 0 });
  differing = [500, people - 1, 0];
  expect((await ask(await begin(other.terms), 1, ADMIT)).refusal).toMatchObject(apart);
  differing = [people, people, 0];
  const job = await begin(other.terms);
  await ask(job, 1, ADMIT);
  expect((await ask(job, 2, other.spread)).value).toEqual([{ people, below: null }]);
});

test("the same count again: of the same people, or of others, but not of some more", async () => {
  const { terms } = spreadAt(0.5);
  await ask(await begin(terms), 1, ADMIT);
  const mixed = { code: "training-refused", detail: expect.stringContaining("not the same") };
  for (const now of [
    [0, 50, 0],
    [people / 2, people / 2, 0],
  ]) {
    differing = now;
    expect((await ask(await begin(terms), 1, ADMIT)).refusal).toMatchObject(mixed);
  }
  for (const now of [[0, 0, 0], HARDLY_ANYBODY]) {
    differing = now;
    expect((await ask(await begin(terms), 1, ADMIT)).value).toEqual({ people, bad: 0 });
  }
});

test("of the same people the same labels, and no others: not 50 or more others, nor another number of bad", async () => {
  await ask(await begin(), 1, ADMIT);
  const other = { code: "training-refused", detail: expect.stringContaining("the same labels") };
  for (const relabelled of [1, 50, 120]) {
    differing = [0, 0, relabelled];
    expect((await ask(await begin(), 1, ADMIT)).refusal).toMatchObject(other);
  }
  differing = [0, 0, 0];
  bad = 301;
  expect((await ask(await begin(), 1, ADMIT)).refusal).toMatchObject(other);
  bad = 300;
  expect((await ask(await begin(), 1, ADMIT)).value).toEqual({ people, bad });
});

test("with labels, hardly any of a class: a hundredth of the people could be all who are bad", async () => {
  await ask(await begin(), 1, ADMIT);
  const many = { code: "training-refused", detail: expect.stringContaining("many of the people") };
  for (const shared of [4, 20]) {
    differing = [people - shared, people - shared, 0];
    expect((await ask(await begin(), 1, ADMIT)).refusal).toMatchObject(many);
  }
  differing = HARDLY_ANY_LABEL;
  bad = 299;
  expect((await ask(await begin(), 1, ADMIT)).refusal).toMatchObject(many);
  bad = 300;
  expect((await ask(await begin(), 1, ADMIT)).value).toEqual({ people, bad });
});

test("keys that were revoked, and an institution that was suspended, ask and end nothing", async () => {
  const job = await begin();
  const clients = consentTables(bench.db);
  const next = [generateP256("sig"), encryption].map((key) => publicP256(key)) as never;
  await rotateClient(clients, bench.clock, "bank", { keys: next }, { overlap: true });
  await ask(job, 1, ADMIT);
  await rotateClient(clients, bench.clock, "bank", { keys: next });
  await expect(ask(job, 2, NEWTON)).rejects.toMatchObject({ code: "dpop-key" });
  await expect(end(job)).rejects.toMatchObject({ code: "dpop-key" });
  await disableClient(clients, bench.clock, "bank");
  await expect(ask(job, 2, NEWTON)).rejects.toMatchObject({ code: "client-unknown" });
  await expect(end(job)).rejects.toMatchObject({ code: "client-unknown" });
  expect(job.asked.size).toBe(2);
});

test("so many jobs a day, and of a job that is over no key", async () => {
  const job = await begin();
  await end(job);
  const row = await bench.db.selectFrom("training_job").selectAll().executeTakeFirstOrThrow();
  expect(row).toMatchObject({ state: "ended", he_secret_sealed: null });
  expect(row.public_key).toHaveLength(0);
  const more = Array.from({ length: 31 }, () => ({ ...row, id: randomUUID() }));
  await bench.db.insertInto("training_job").values(more).execute();
  await expect(begin()).rejects.toMatchObject({ code: "rate-limited" });
});
