// A training job in one process: the bank, provinces, gateway and authority with their real cryptography, passing each other only
// what they would over a network, and counting its bytes. The network itself, and operators' approvals, are not here yet
// (docs/decisions/070).
import { sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import { atOnce } from "../core/steps.ts";
import {
  type MergedRounds,
  openTrainingRelease,
  TRAINING_POLICY,
  type TrainingPolicy,
} from "../consent/release/index.ts";
import {
  chooseLayout,
  generateX25519,
  jobDigest,
  labelSlots,
  publicX25519,
  type TrainingEncryptor,
  type TrainingJob,
  TrainingMasks,
  TrainingScheme,
} from "../crypto/index.ts";
import { type Columns, TrainingProvince } from "../province-node/index.ts";
import { stopwatch, type TrainedModel, trainModel, type TrainingOptions } from "./train-model.ts";

export { TRAINING_DEFAULTS, type TrainingOptions } from "./train-model.ts";

export interface ProvincePeople {
  readonly code: ProvinceCode;
  /** Known to the province. */
  readonly columns: Columns;
  /** Known to the bank: 0 or 1 for each person, in the same order. */
  readonly labels: Uint8Array;
}

export interface TrainingInput {
  readonly id: string;
  readonly client: string;
  readonly purpose: string;
  readonly features: readonly string[];
  readonly provinces: readonly ProvincePeople[];
  readonly random: Random;
  readonly policy?: TrainingPolicy;
  /** Called before each round that touches the provinces. */
  readonly onRound?: (what: string) => void;
}

/** Bytes that left each kind of party. */
export interface Traffic {
  bank: number;
  provinces: number;
  gateway: number;
}

export interface TrainingResult extends TrainedModel {
  readonly rounds: number;
  readonly traffic: Traffic;
  readonly seconds: Readonly<
    Record<"labels" | "preparation" | "regression" | "evaluation", number>
  >;
}

export async function train(
  input: TrainingInput,
  options: TrainingOptions,
): Promise<TrainingResult> {
  using scheme = await TrainingScheme.create();
  // The authority's, for this job; the secret half goes into its release and nowhere else.
  const keys = scheme.generateKeys();
  using encryptor = scheme.encryptor(keys.publicKey);
  const traffic: Traffic = { bank: 0, provinces: 0, gateway: 0 };
  const job = describeJob(input);
  const clock = stopwatch();
  using provinces = openProvinces({ ...input, ...options }, job, scheme, encryptor);
  for (const [i, { labels }] of input.provinces.entries()) {
    const blocks = encryptLabels(labels, job, encryptor);
    traffic.bank += bytesOf(blocks);
    const province = provinces.list[i];
    if (province !== undefined) atOnce(province.receiveLabels(blocks));
  }
  const labelSeconds = clock();
  const rounds = mergeRounds(provinces.list, scheme, traffic, input.onRound);
  const policy = input.policy ?? TRAINING_POLICY;
  using authority = openTrainingRelease(scheme, keys.secretKey, { job, rounds, policy });
  const model = await trainModel(authority, input.features.length, options);
  const seconds = { labels: labelSeconds, ...model.seconds };
  return { ...model, rounds: authority.rounds, traffic, seconds };
}

function describeJob(input: TrainingInput): TrainingJob {
  const { id, client, purpose, features, provinces } = input;
  const most = Math.max(...provinces.map(({ labels }) => labels.length));
  // A commitment hides only with a salt: the bank keeps it.
  const salt = input.random.bytes(32).toString("hex");
  const labels = provinces.map((each) => Buffer.from(each.labels).toString("hex")).join();
  return {
    id,
    client,
    purpose,
    features,
    provinces: provinces.map(({ code }) => code),
    // Twice: the columns, and about as many bins of a feature or of the score again.
    layout: chooseLayout(Math.max(1, most), Math.max(2 * features.length, 64)),
    labelCommitment: sha256Hex(`${salt}${labels}`),
  };
}

/** The bank's: one ciphertext per block of people. */
export function encryptLabels(
  labels: Uint8Array,
  { layout }: Pick<TrainingJob, "layout">,
  encryptor: TrainingEncryptor,
): Uint8Array[] {
  const blocks = Math.ceil(labels.length / layout.block);
  return Array.from({ length: blocks }, (_, i) =>
    encryptor.encrypt(labelSlots(labels, i * layout.block, layout)),
  );
}

function openProvinces(
  { provinces, random, byRegion }: TrainingInput & Pick<TrainingOptions, "byRegion">,
  job: TrainingJob,
  scheme: TrainingScheme,
  encryptor: TrainingEncryptor,
) {
  const digest = jobDigest(job);
  const pairs = new Map(provinces.map(({ code }) => [code, generateX25519()]));
  if (pairs.size !== provinces.length) throw new WjfError("data-invalid", "a province twice");
  const peers = new Map([...pairs].map(([code, jwk]) => [code, publicX25519(jwk)]));
  const list = provinces.map(({ code, columns, labels }) => {
    if (columns.some((column) => column.length !== labels.length)) {
      throw new WjfError("data-invalid", `province ${code}: labels do not fit the people`);
    }
    const ownPrivate = pairs.get(code) as ReturnType<typeof generateX25519>;
    const masks = new TrainingMasks({ own: code, ownPrivate, peers, jobDigest: digest });
    const own = { masks, columns, byRegion };
    return new TrainingProvince({ scheme, encryptor, random, job, ...own });
  });
  return {
    list,
    [Symbol.dispose]: () => list.forEach((province) => province[Symbol.dispose]()),
  };
}

/** The gateway's: adds what the provinces send, and can read none of it. */
export function mergeRounds(
  provinces: readonly TrainingProvince[],
  scheme: TrainingScheme,
  traffic: Traffic,
  onRound: (what: string) => void = () => undefined,
): MergedRounds {
  const merge = (replies: readonly (readonly Uint8Array[])[]): Uint8Array[] => {
    traffic.provinces += replies.reduce((sum, reply) => sum + bytesOf(reply), 0);
    const merged = (replies[0] ?? []).map((_, part) =>
      scheme.add(replies.map((reply) => reply[part] as Uint8Array)),
    );
    traffic.gateway += bytesOf(merged);
    return merged;
  };
  return {
    aggregate: async (request, round) => {
      onRound(request.type);
      return merge(provinces.map((province) => atOnce(province.aggregate(request, round))));
    },
    labelSums: async (request, round) => {
      onRound(`labels: ${request.type}`);
      return merge(provinces.map((province) => atOnce(province.labelSums(request, round))));
    },
  };
}

function bytesOf(blocks: readonly Uint8Array[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}
