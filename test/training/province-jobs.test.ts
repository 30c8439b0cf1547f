// A province's part in a training job, asked by whoever there is: what it takes only from the authority, only from the institution, only
// after its operator, only once; what it says again to the letter, after a restart too; and what is left when a job is over.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createPublicKey, randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson, sha256Base64url, sha256Hex } from "../../core/canonical.ts";
import { nowSeconds, systemClock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import { atOnce, type Steps } from "../../core/steps.ts";
import {
  generateP256,
  generateX25519,
  importPrivate,
  importPublic,
  importX25519,
  jobDigest,
  labelSlots,
  publicP256,
  publicX25519,
  sealBytes,
  signStatement,
  subjectTag,
  thumbprint,
  TrainingMasks,
  TrainingScheme,
} from "../../crypto/index.ts";
import {
  COMMITMENT_BYTES,
  driftDigest,
  labelHeader,
  labelPath,
  requestHeader,
  type TrainingAdmission,
} from "../../consent/verifier.ts";
import { signProof } from "../../cli/batch-client.ts";
import { decideTraining } from "../../province-node/index.ts";
import { aggregate } from "../../province-node/training/aggregates.ts";
import { applyDesign } from "../../province-node/training/design.ts";
import { TrainingJobs } from "../../province-node/training/training-jobs.ts";
import { TrainingProvince } from "../../province-node/training/training-province.ts";
import { TrainingStore } from "../../province-node/training/training-store.ts";

const AUDIENCE = "https://gateway.example";
const PEOPLE = 30;
const [admission, group, bank, stranger] = [1, 2, 3, 4].map(() => generateP256("sig")) as [
  ReturnType<typeof generateP256>,
  ReturnType<typeof generateP256>,
  ReturnType<typeof generateP256>,
  ReturnType<typeof generateP256>,
];
const [own, peer] = [generateX25519(), generateX25519()];
const admissionKey = importPrivate(admission);
const subjectKey = systemRandom.bytes(32);
/** Proofs are signed by the system's clock. */
let laterMs = 0;
const clock = { nowMs: () => systemClock.nowMs() + laterMs };
const folder = mkdtempSync(join(tmpdir(), "wjf-training-"));
const subject = (i: number): string => `+8619911${String(i).padStart(6, "0")}`;

/** Every other of those named is here, with one indicator. */
const held = new Map(
  Array.from({ length: PEOPLE / 2 }, (_, i) => {
    const tag = subjectTag(subjectKey, "msisdn", subject(2 * i)).toString("hex");
    return [tag, { values: [i], identity: { msisdn: tag, cnId: null, name: null }, lists: {} }];
  }),
);

const logged: string[] = [];
/** What happens between two pieces of a round. */
let pause: (() => Promise<void>) | undefined;

function open(): TrainingJobs {
  return new TrainingJobs(folder, {
    province: "11" as never,
    secrets: { subjectKey, groupKey: importPrivate(group) },
    ownKeys: { maskKey: () => own } as never,
    view: {
      current: () => ({
        admissionKey: createPublicKey(admissionKey),
        roster: { audience: AUDIENCE },
      }),
    } as never,
    store: {
      lookup: (tag) => {
        const found = held.get(tag.toString("hex"));
        return found && { numbers: [found] };
      },
    },
    catalogue: {
      positions: new Map([["id.age_years", 0]]),
      indicatorById: new Map([["id.age_years", { scale: 1 }]]) as never,
    },
    clock,
    random: systemRandom,
    pause: async () => await (pause ?? setImmediate)(),
    log: { error: (_fields: object, message: string) => logged.push(message) } as never,
  });
}

let scheme: TrainingScheme;
let publicKey: Buffer;
let jobs: TrainingJobs;
let terms: TrainingAdmission;

beforeAll(async () => {
  scheme = await TrainingScheme.create();
  publicKey = Buffer.from(scheme.generateKeys().publicKey);
  jobs = open();
  terms = admissionOf({});
}, 60_000);
afterAll(() => {
  jobs[Symbol.dispose]();
  scheme[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function admissionOf(bent: Partial<TrainingAdmission>): TrainingAdmission {
  return {
    job: {
      id: randomUUID(),
      client: "bank",
      purpose: "dpv:CreditChecking",
      features: ["id.age_years"],
      provinces: ["11", "12"] as never,
      layout: { block: 16, tiles: 512 },
      labelCommitment: sha256Hex("labels"),
    },
    lawful_basis: { basis: "dpv:Contract", reference: "clause 7" },
    people: [PEOPLE, 0],
    max_rounds: 9,
    client_name: "Bank",
    keys: [thumbprint(bank)],
    he_public_key_sha256: sha256Hex(publicKey),
    sealing_key: publicP256(generateP256("enc")),
    mask_keys: [publicX25519(own), publicX25519(peer)],
    admitted_at: nowSeconds(clock),
    expires_at: nowSeconds(clock) + 3600,
    ...bent,
  };
}

function offer(
  of: TrainingAdmission,
  key: Buffer = Buffer.alloc(0),
  by = admissionKey,
  ended = false,
) {
  const signed = signStatement("training-admission", of, by);
  return jobs.offer({ admission: signed, he_public_key: key, ended });
}

async function put(of: TrainingAdmission, block: number, by = bank, sealedFor = block) {
  return await jobs.receive(await upload(of, block, by, sealedFor));
}

async function upload(of: TrainingAdmission, block: number, by = bank, sealedFor = block) {
  const { job } = of;
  using encryptor = scheme.encryptor(publicKey);
  const named = Array.from({ length: Math.min(16, PEOPLE - block * 16) }, (_, i) => block * 16 + i);
  const people = {
    subjects: named.map((i) => `msisdn:${subject(i)}`),
    commitments: Buffer.alloc(COMMITMENT_BYTES * named.length, block + 1).toString("base64"),
  };
  const key = importX25519(publicX25519(own));
  const seal = async (what: "people" | "labels", bytes: Uint8Array) =>
    await sealBytes(bytes, key, labelHeader(what, job, "11" as never, sealedFor));
  const labels = encryptor.encrypt(
    labelSlots(
      Uint8Array.from(named, (i) => i % 2),
      0,
      job.layout,
    ),
  );
  const text = JSON.stringify({
    people: await seal("people", Buffer.from(JSON.stringify(people))),
    labels: await seal("labels", labels),
  });
  const htu = `${AUDIENCE}${labelPath(job.id, "11", block)}`;
  const proof = await signProof(by, { htm: "PUT", htu, "camara:bh": sha256Base64url(text) });
  return { job_id: job.id, block, proof, body: Buffer.from(text) };
}

async function ask(
  round: number,
  request: object,
  by = admissionKey,
  kind = "aggregate",
  of = terms,
) {
  const { job } = of;
  const text = Buffer.from(canonicalJson(request));
  const order = {
    job_sha256: jobDigest(job).toString("hex"),
    round,
    kind,
    request_sha256: sha256Hex(text),
  };
  return await jobs.answer({
    job_id: job.id,
    order: signStatement("training-order", order, by),
    request: await sealBytes(text, importPublic(group), requestHeader(job, round)),
  });
}

/** Until disposed, the node's file takes no such write. */
function failing(when: string): Disposable {
  const db = new DatabaseSync(join(folder, "training.db"));
  db.exec(`CREATE TRIGGER full ${when} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
  return {
    [Symbol.dispose]() {
      db.exec("DROP TRIGGER full");
      db.close();
    },
  };
}

const MOMENTS = { type: "moments", centre: [0], scale: [1] };
const LABELS = { type: "design", design: { kind: "raw", centre: [0], scale: [1] } };

test("a job is the authority's, of this province, and one of its id", () => {
  const unsigned = () => offer(terms, undefined, importPrivate(stranger));
  expect(unsigned).toThrow(expect.objectContaining({ code: "receipt-invalid" }));
  const elsewhere = admissionOf({});
  const job = { ...elsewhere.job, provinces: ["12", "13"] as never };
  expect(() => offer({ ...elsewhere, job })).toThrow(/no part/);
  expect(offer(terms)).toMatchObject({ state: "pending", has_key: false, blocks: 0 });
  expect(() => offer({ ...terms, max_rounds: 99 })).toThrow(/another job has this id/);
  expect(() => offer(terms, Buffer.alloc(8))).toThrow(/public key/);
  expect(offer(terms, publicKey)).toMatchObject({ state: "pending", has_key: true });
});

test("nothing before the operator's word", async () => {
  const pending = { code: "training-not-approved" };
  await expect(put(terms, 0)).rejects.toMatchObject(pending);
  await expect(ask(1, MOMENTS)).rejects.toMatchObject(pending);
  decideTraining(folder, terms.job.id, "approved", clock, "agreed");
  expect(offer(terms)).toMatchObject({ state: "approved", note: "agreed" });
});

test("labels come from the institution, in order, each for its own place", async () => {
  await expect(put(terms, 0, stranger)).rejects.toMatchObject({ code: "dpop-key" });
  await expect(put(terms, 1)).rejects.toMatchObject({ code: "request-malformed" });
  await expect(put(terms, 0, bank, 1)).rejects.toMatchObject({ code: "ciphertext-invalid" });
  await expect(ask(1, LABELS, admissionKey, "labels")).rejects.toMatchObject({
    code: "data-invalid",
  });
  expect(await put(terms, 0)).toMatchObject({ blocks: 1 });
  expect(await put(terms, 0)).toMatchObject({ blocks: 1 });
  expect(await put(terms, 1)).toMatchObject({ blocks: 2 });
  await expect(put(terms, 2)).rejects.toMatchObject({ code: "request-malformed" });
});

test("a job that ends while labels come keeps none of them, and ends once", async () => {
  const short = admissionOf({});
  offer(short, publicKey);
  decideTraining(folder, short.job.id, "approved", clock);
  const coming = jobs.receive(await upload(short, 0));
  const end = () => offer(short, undefined, admissionKey, true);
  expect(end()).toMatchObject({ state: "ended" });
  await expect(coming).rejects.toMatchObject({ code: "training-ended" });
  using store = TrainingStore.open(folder);
  expect([...store.labels(short.job.id)]).toEqual([]);
  using _ = failing("BEFORE UPDATE OF ended ON job");
  expect(end()).toMatchObject({ state: "ended" });
});

test("a round is ordered by the authority, answered once, and repeated to the letter, after a restart too", async () => {
  await expect(ask(1, MOMENTS, importPrivate(stranger))).rejects.toMatchObject({
    code: "receipt-invalid",
  });
  await expect(ask(10, MOMENTS)).rejects.toMatchObject({ code: "training-refused" });
  const first = await ask(2, MOMENTS);
  const again = await ask(2, MOMENTS);
  expect(again.map((part) => sha256Hex(part))).toEqual(first.map((part) => sha256Hex(part)));
  const conflict = { code: "request-malformed" };
  await expect(ask(2, { ...MOMENTS, scale: [2] })).rejects.toMatchObject(conflict);
  await expect(ask(1, MOMENTS)).rejects.toMatchObject(conflict);
  const labelled = await ask(3, LABELS, admissionKey, "labels");
  jobs[Symbol.dispose]();
  jobs = open();
  const after = await ask(3, LABELS, admissionKey, "labels");
  expect(after.map((part) => sha256Hex(part))).toEqual(labelled.map((part) => sha256Hex(part)));
  await expect(ask(3, MOMENTS)).rejects.toMatchObject(conflict);
  expect(await ask(4, MOMENTS)).toHaveLength(1);
});

test("a round is computed in pieces, and the node answers between any two of them; other rounds wait, to the letter", async () => {
  const between: string[] = [];
  let later: Promise<readonly Uint8Array[]>[] = [];
  pause = async () => {
    between.push(offer(terms).state);
    // The same round, asked again meanwhile, and the next.
    if (between.length === 1) later = [ask(5, LABELS, admissionKey, "labels"), ask(6, MOMENTS)];
    await Promise.resolve();
  };
  const first = await ask(5, LABELS, admissionKey, "labels");
  // One column of the design; then of two columns, in one ciphertext, each of two label blocks, and what is done once.
  expect(between).toEqual(Array(1 + 2 + 1 + 1).fill("approved"));
  const [again, next] = await Promise.all(later);
  expect(again!.map((part) => sha256Hex(part))).toEqual(first.map((part) => sha256Hex(part)));
  expect(next).toHaveLength(1);
  pause = undefined;
});

test("what ends a job, or the node, between two pieces ends the round, and nothing of it is kept", async () => {
  const short = admissionOf({});
  offer(short, publicKey);
  decideTraining(folder, short.job.id, "approved", clock);
  for (const block of [0, 1]) await put(short, block);
  const labels = async (round: number) => await ask(round, LABELS, admissionKey, "labels", short);
  const at = (piece: number, then: () => void) => {
    let pieces = 0;
    pause = async () => {
      if (++pieces === piece) then();
      await Promise.resolve();
    };
  };
  const over = { code: "training-ended" };
  // While its labels are opened; the node starts again.
  at(1, () => jobs[Symbol.dispose]());
  await expect(labels(1)).rejects.toMatchObject(over);
  jobs = open();
  // Its operator, who is asked once more before anything leaves.
  at(2, () => decideTraining(folder, short.job.id, "refused", clock));
  await expect(labels(1)).rejects.toMatchObject(over);
  decideTraining(folder, short.job.id, "approved", clock);
  at(99, () => undefined);
  expect(await labels(1)).toHaveLength(1);
  at(3, () => offer(short, undefined, admissionKey, true));
  await expect(labels(2)).rejects.toMatchObject(over);
  using store = TrainingStore.open(folder);
  expect(store.reply(short.job.id, 1)).toBeUndefined();
  expect(store.reply(short.job.id, 2)).toBeUndefined();
  pause = undefined;
  expect(await ask(7, MOMENTS)).toHaveLength(1);
});

test("a round that failed before its reply was kept is answered when it is ordered again", async () => {
  const tooLarge = ask(8, { ...MOMENTS, scale: [1e-12] });
  await expect(tooLarge).rejects.toMatchObject({ code: "data-invalid" });
  {
    using _ = failing("BEFORE INSERT ON reply");
    await expect(ask(8, MOMENTS)).rejects.toThrow("the disk is full");
  }
  expect(await ask(8, MOMENTS)).toHaveLength(1);
});

test("sums by region are given in a job whose operator saw so, over the regions that its provinces make", async () => {
  const design = { kind: "raw", centre: [0], scale: [1] };
  const score = { design, coefficients: [0, 1], cuts: [3], regions: 2 };
  const refused = { code: "training-refused", detail: "sums by region were not approved" };
  await expect(ask(9, { type: "region-counts", ...score })).rejects.toMatchObject(refused);
  const labels = ask(9, { type: "region-bins", ...score }, admissionKey, "labels");
  await expect(labels).rejects.toMatchObject(refused);
  const asked = (codes: readonly string[], regions: number) => {
    const peers = codes.map((code) => [code, publicX25519(code === "11" ? own : peer)] as const);
    const masks = new TrainingMasks({
      own: "11" as never,
      ownPrivate: own,
      peers: new Map(peers) as never,
      jobDigest: Buffer.alloc(32),
    });
    using encryptor = scheme.encryptor(publicKey);
    const job = { ...terms.job, provinces: codes as never };
    const columns = [Float64Array.of(1, 2)];
    const parts = { scheme, encryptor, random: systemRandom, masks, job, columns };
    using province = new TrainingProvince({ ...parts, byRegion: true });
    return atOnce(province.aggregate({ type: "region-counts", ...score, regions } as never, 1));
  };
  const six = ["11", "12", "13", "21", "22", "23"];
  expect(asked(six, 2)).toHaveLength(1);
  expect(() => asked(six, 3)).toThrow("as the job's provinces make them");
  expect(() => asked(six.slice(0, 3), 1)).toThrow("as the job's provinces make them");
});

test("in a job without labels nothing is asked that needs any, or tells more than how a score is spread", async () => {
  const score = { design: { kind: "raw", centre: [0], scale: [1] }, coefficients: [0, 1] } as const;
  const drift_sha256 = driftDigest(terms.job.features, { ...score, cuts: [3] });
  const unlabelled = admissionOf({ drift: true, drift_sha256, people: [0, 0] });
  offer(unlabelled, publicKey);
  decideTraining(folder, unlabelled.job.id, "approved", clock);
  const asked = async (round: number, request: object, kind?: string) =>
    await ask(round, request, admissionKey, kind, unlabelled);
  const refused = { code: "training-refused", detail: "a job without labels" };
  await expect(asked(1, LABELS, "labels")).rejects.toMatchObject(refused);
  await expect(asked(1, { type: "newton", ...score })).rejects.toMatchObject(refused);
  await expect(asked(1, { type: "counts", edges: [[1]] })).rejects.toMatchObject(refused);
  expect(await asked(1, MOMENTS)).toHaveLength(1);
  const count = { type: "score-counts", ...score };
  await expect(asked(2, { ...count, cuts: [3.01] })).rejects.toMatchObject({
    detail: "another question than was approved",
  });
  expect(await asked(2, { ...count, cuts: [3] })).toHaveLength(1);
});

test("cohorts are compared by who is here, and by commitments", () => {
  using store = TrainingStore.open(folder);
  const columns = { rows: Int32Array.of(), columns: [] };
  const member = (i: number, label: number) =>
    [Buffer.alloc(16, i), Buffer.alloc(16, label)] as const;
  store.keepColumns("a", columns, [member(1, 1), member(2, 1), member(3, 1)]);
  store.keepColumns("b", columns, [member(2, 1), member(3, 2), member(4, 1), member(5, 1)]);
  expect(atOnce(store.compare("a", "b"))).toEqual([1, 2, 1]);
  expect(atOnce(store.compare("a", "a"))).toEqual([0, 0, 0]);
  expect(atOnce(store.compare("unknown", "b"))).toEqual([0, 4, 0]);
});

test("large cohorts are compared, and scores counted, in pieces of so many people", () => {
  using store = TrainingStore.open(folder);
  const many = (from: number) =>
    Array.from({ length: 10_000 }, (_, i) => {
      const who = Buffer.alloc(16);
      who.writeUInt32BE((from + i) * 401);
      return [who, Buffer.alloc(16, i % 7 === 0 ? from : 0)] as const;
    });
  store.keepColumns("many", { rows: Int32Array.of(), columns: [] }, many(0));
  store.keepColumns("more", { rows: Int32Array.of(), columns: [] }, many(70));
  expect(atOnce(store.compare("many", "more"))).toEqual([70, 70, 1419]);
  // 4,096 at a time, from either side, and a look whether there are more.
  expect(piecesOf(store.compare("many", "more"))).toBe(8);
  const column = Float64Array.from({ length: 100_000 }, (_, i) => i % 100);
  const design = { kind: "raw", centre: [0], scale: [1] } as const;
  const matrix = atOnce(applyDesign([column], design));
  const score = { design, coefficients: [0, 1], cuts: [50] };
  for (const type of ["score-counts", "region-counts"] as const) {
    const request = { type, regions: 2, ...score };
    expect(piecesOf(aggregate(request, [column], matrix))).toBeGreaterThanOrEqual(5);
  }
  expect(piecesOf(applyDesign([column], design))).toBe(4);
});

function piecesOf(steps: Steps<unknown>): number {
  let pieces = 0;
  while (steps.next().done !== true) pieces++;
  return pieces;
}

/** Pieces of the job's encrypted labels that are in the node's files. */
function labelsOnDisk(labels: Uint8Array): Uint8Array[] {
  const files = ["training.db", "training.db-wal"].map((file) => readFileSync(join(folder, file)));
  return [1, 2, 3, 4, 5, 6, 7]
    .map((i) => labels.subarray(i * 5000, i * 5000 + 16))
    .filter((piece) => files.some((bytes) => bytes.includes(piece)));
}

test("an operator can stop a running job; when its time is over everything sent and computed is gone, once it can be written", async () => {
  decideTraining(folder, terms.job.id, "refused", clock);
  await expect(ask(9, MOMENTS)).rejects.toMatchObject({ code: "training-ended" });
  decideTraining(folder, terms.job.id, "approved", clock);
  expect(await ask(9, MOMENTS)).toHaveLength(1);
  laterMs = 3_600_000;
  await expect(ask(9, MOMENTS)).rejects.toMatchObject({ code: "training-ended" });
  using store = TrainingStore.open(folder);
  const [labels] = [...store.labels(terms.job.id)];
  expect(labelsOnDisk(labels!)).not.toEqual([]);
  {
    using _ = failing("BEFORE UPDATE OF ended ON job");
    open()[Symbol.dispose]();
    expect(offer(terms).state).toBe("expired");
    expect(logged).toEqual(Array(2).fill("training jobs that are over could not be ended"));
  }
  expect(offer(terms).state).toBe("expired");
  expect(labelsOnDisk(labels!)).toEqual([]);
  expect([...store.labels(terms.job.id)]).toEqual([]);
  expect(atOnce(store.columns(terms.job.id))).toBeUndefined();
  expect(store.reply(terms.job.id, 9)).toBeUndefined();
  laterMs = 395 * 86_400_000;
  offer(terms);
  expect(atOnce(store.compare(terms.job.id, ""))).toEqual([PEOPLE / 2, 0, 0]);
  laterMs = 397 * 86_400_000;
  offer(terms);
  expect(atOnce(store.compare(terms.job.id, ""))).toEqual([0, 0, 0]);
});
