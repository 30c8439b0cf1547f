// Pairwise masks modulo the training scheme's 42-bit t, uniform without bias; and uniform residues for blinding.
// DESIGN §3 "Pairwise masks", as masks.ts, which is for the 26-bit modulus of queries. D is the nonce: never twice.
import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from "node:crypto";
import type { ProvinceCode } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { PrivateX25519Jwk, PublicX25519Jwk } from "./keys.ts";
import { TRAINING_PARAMETERS, type TrainingEncryptor } from "./training-scheme.ts";

const T = TRAINING_PARAMETERS.plainModulus;
const WORD_BYTES = 8;
const TWO_32 = 2 ** 32;
/** t is just below 2⁴²: that many bits of a word, and the word is skipped when they are not below t. */
const HIGH_MASK = 0x3ff;
/** A word is skipped once in 12 million: 64 spare words suffice but for 2⁻¹⁰⁰⁰. */
const SPARE_WORDS = 64;

/** @param use called with each residue's place and value, in order. */
function eachResidue(
  bytes: Buffer,
  count: number,
  use: (i: number, residue: number) => void,
): void {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let word = 0;
  for (let i = 0; i < count; word++) {
    const at = word * WORD_BYTES;
    const residue =
      words.getUint32(at, true) + (words.getUint32(at + 4, true) & HIGH_MASK) * TWO_32;
    if (residue < T) use(i++, residue);
  }
}

export function randomResidues(random: Random, count: number): Float64Array {
  const residues = new Float64Array(count);
  eachResidue(random.bytes((count + SPARE_WORDS) * WORD_BYTES), count, (i, residue) => {
    residues[i] = residue;
  });
  return residues;
}

export interface MaskParts {
  readonly own: ProvinceCode;
  readonly ownPrivate: PrivateX25519Jwk;
  /** Every participating province of the job, this one included. */
  readonly peers: ReadonlyMap<ProvinceCode, PublicX25519Jwk>;
  /** SHA-256 of the job, which names its provinces: another job, other masks. */
  readonly jobDigest: Buffer;
}

export class TrainingMasks {
  readonly own: ProvinceCode;
  readonly #keys: readonly (readonly [peer: ProvinceCode, key: Buffer])[];

  constructor({ own, ownPrivate, peers, jobDigest }: MaskParts) {
    this.own = own;
    const privateKey = createPrivateKey({ key: ownPrivate, format: "jwk" });
    this.#keys = [...peers]
      .filter(([peer]) => peer !== own)
      .map(([peer, jwk]) => {
        const publicKey = createPublicKey({ key: jwk, format: "jwk" });
        const shared = diffieHellman({ privateKey, publicKey });
        const pair = own < peer ? `${own}/${peer}` : `${peer}/${own}`;
        const info = `weijifen/training-mask/${pair}`;
        return [peer, Buffer.from(hkdfSync("sha256", shared, jobDigest, info, 32))] as const;
      });
  }

  /** Adds this province's half of every pair, in place, modulo t. */
  apply(slots: Float64Array, digest: Buffer): void {
    const zeros = Buffer.alloc((slots.length + SPARE_WORDS) * WORD_BYTES);
    const iv = Buffer.concat([digest.subarray(0, 12), Buffer.alloc(4)]);
    for (const [peer, key] of this.#keys) {
      const stream = createCipheriv("aes-256-ctr", key, iv).update(zeros);
      const plus = this.own < peer;
      eachResidue(stream, slots.length, (i, residue) => {
        const value = (slots[i] as number) + (plus ? residue : T - residue);
        slots[i] = value >= T ? value - T : value;
      });
    }
  }
}

/** What a province sends of its own aggregates: masked, then encrypted. Alone it is uniform, whoever opens it. */
export function sealAggregate(
  residues: Float64Array,
  digest: Buffer,
  masks: TrainingMasks,
  encryptor: TrainingEncryptor,
): Uint8Array {
  masks.apply(residues, digest);
  return encryptor.encrypt(residues);
}
