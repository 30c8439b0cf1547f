// What an institution says and sends of its labelled people: the job as it wishes it, commitments, and block by block each province's
// people with their labels, encrypted under the job's key and sealed to the province.
import { createHmac } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import type { Random } from "../core/random.ts";
import { chooseLayout, labelSlots, TRAINING_PARAMETERS, TrainingScheme } from "../crypto/index.ts";
import { COMMITMENT_BYTES, TrainingWish } from "../consent/index.ts";
import type { LabelledPerson } from "./train-labels.ts";
import type { AdmittedJob, TrainingClient, TrainingState } from "./training-client.ts";

export interface WishTerms extends Pick<
  TrainingWish,
  "lawful_basis" | "max_rounds" | "days" | "by_region" | "drift" | "drift_sha256"
> {
  readonly id: string;
  readonly client: string;
  readonly purpose: string;
  readonly features: readonly string[];
  readonly provinces: readonly ProvinceCode[];
}

/** The institution's own, and always the same: the same person and label show as the same in a later job. */
export interface Committing {
  readonly key: Buffer;
  readonly random: Random;
}

/** @throws WjfError `request-malformed`, naming the field. */
export function wishFor(
  people: readonly LabelledPerson[],
  { id, client, purpose, features, provinces, ...terms }: WishTerms,
  { key, random }: Committing,
): TrainingWish {
  const counts = provinces.map((code) => peopleOf(people, code).length);
  // A commitment hides only with a salt.
  const salt = random.bytes(32);
  const wish = {
    ...terms,
    job: {
      id,
      client,
      purpose,
      features,
      provinces,
      layout:
        terms.drift === true
          ? { block: TRAINING_PARAMETERS.polyModulusDegree, tiles: 1 }
          : // Twice: the columns, and about as many bins of a feature or of the score again.
            chooseLayout(Math.max(1, ...counts), Math.max(2 * features.length, 64)),
      labelCommitment: sha256Hex(Buffer.concat([salt, commit(people, key)])),
    },
    people: counts,
  };
  return parseWith(TrainingWish, wish, "request-malformed", "job");
}

/** Those whose province is not known are sent to every one: each takes the people that it has. */
function peopleOf(people: readonly LabelledPerson[], code: string): readonly LabelledPerson[] {
  return people.filter(({ province }) => province === undefined || province === code);
}

function commit(people: readonly LabelledPerson[], key: Buffer): Buffer {
  const each = people.map(({ subject, label }) =>
    createHmac("sha256", key).update(`${subject} ${label}`).digest().subarray(0, COMMITMENT_BYTES),
  );
  return Buffer.concat(each);
}

export interface Upload {
  readonly client: TrainingClient;
  readonly admitted: AdmittedJob;
  readonly state: TrainingState;
  readonly people: readonly LabelledPerson[];
  readonly commitmentKey: Buffer;
  /** Called with the blocks that the provinces have. */
  readonly onSent?: (blocks: number) => void;
}

/** Sends each province what it has not got yet. @returns bytes sent. @throws WjfError the gateway's code, or a province's. */
export async function sendLabels({
  client,
  admitted: { admission, publicKey },
  state,
  people,
  commitmentKey,
  onSent = () => undefined,
}: Upload): Promise<number> {
  const { layout } = admission.job;
  using scheme = await TrainingScheme.create();
  using encryptor = scheme.encryptor(publicKey);
  let sent = 0;
  let bytes = 0;
  for (const { code, blocks, of } of state.provinces) {
    const theirs = peopleOf(people, code);
    const labels = Uint8Array.from(theirs, ({ label }) => label);
    sent += blocks;
    for (let index = blocks; index < of; index++) {
      const some = theirs.slice(index * layout.block, (index + 1) * layout.block);
      bytes += await client.sendBlock(admission, code as ProvinceCode, index, {
        people: {
          subjects: some.map(({ subject }) => subject),
          commitments: commit(some, commitmentKey).toString("base64"),
        },
        labels: encryptor.encrypt(labelSlots(labels, index * layout.block, layout)),
      });
      onSent(++sent);
    }
  }
  return bytes;
}
