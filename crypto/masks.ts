// Pairwise masks: nodes i and j share k_ij, and what i adds j subtracts, so that only the sum over every participant
// of a fan-out means anything. DESIGN §3 "Pairwise masks"; the construction of Bonawitz et al., CCS 2017 §4, without
// its dropout recovery: a fan-out that loses a node is asked again with a smaller roster.
// Never use one digest D, or one that begins like it, for two different vectors under the same roster: D is the nonce.
import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from "node:crypto";
import type { ProvinceCode } from "../core/ids.ts";
import type { PrivateX25519Jwk, PublicX25519Jwk } from "./keys.ts";

const WORD_BYTES = 8;
const TWO_32 = 2 ** 32;

/** The part of D that masks depend on: digests that begin with the same 96 bits give the same masks. */
export function maskNonce(digest: Buffer): Buffer {
  return digest.subarray(0, 12);
}

/** One node's half of every pair in a roster. */
export class Masks {
  readonly #own: ProvinceCode;
  readonly #pairKeys: ReadonlyMap<ProvinceCode, Buffer>;
  readonly #modulus: number;

  /**
   * @param ownPrivate this node's X25519 private JWK.
   * @param peers every province's X25519 public JWK, this node's own included or not.
   * @param rosterDigest SHA-256 of the roster: a changed roster changes every mask.
   */
  constructor(
    own: ProvinceCode,
    ownPrivate: PrivateX25519Jwk,
    peers: ReadonlyMap<ProvinceCode, PublicX25519Jwk>,
    rosterDigest: Buffer,
    modulus: number,
  ) {
    this.#own = own;
    this.#modulus = modulus;
    const privateKey = createPrivateKey({ key: ownPrivate, format: "jwk" });
    const pairKeys = new Map<ProvinceCode, Buffer>();
    for (const [code, jwk] of peers) {
      if (code === own) continue;
      const publicKey = createPublicKey({ key: jwk, format: "jwk" });
      const shared = diffieHellman({ privateKey, publicKey });
      // Both ends must derive the same key: the pair is named in code order.
      const pair = own < code ? `${own}/${code}` : `${code}/${own}`;
      const key = hkdfSync("sha256", shared, rosterDigest, `weijifen/mask/${pair}`, 32);
      pairKeys.set(code, Buffer.from(key));
    }
    this.#pairKeys = pairKeys;
  }

  /**
   * Adds Σ_{j>i} PRF(k_ij, D) − Σ_{j<i} PRF(k_ij, D) to the vector, modulo t, in place.
   * @param participants the provinces of this fan-out; all of them must be in the roster.
   * @param digest D, the descriptor's SHA-256; `maskNonce` of it is the AES-CTR nonce.
   */
  apply(slots: Uint32Array, participants: readonly ProvinceCode[], digest: Buffer): void {
    const zeros = Buffer.alloc(slots.length * WORD_BYTES);
    const iv = Buffer.concat([maskNonce(digest), Buffer.alloc(4)]);
    const sums: WordSums = {
      low: new Float64Array(slots.length),
      high: new Float64Array(slots.length),
    };
    for (const peer of participants) {
      if (peer === this.#own) continue;
      const key = this.#pairKeys.get(peer);
      if (key === undefined) throw new RangeError(`no mask key for province ${peer}`);
      const stream = createCipheriv("aes-256-ctr", key, iv).update(zeros);
      addStream(sums, stream, this.#own < peer ? 1 : -1);
    }
    addReduced(slots, sums, this.#modulus);
  }
}

/**
 * Sums of 64-bit words by halves. A remainder costs as much as a dozen additions, so it is taken once, of the sum, and not of
 * every peer's word; up to 2²¹ halves of 32 bits add up exactly in a double.
 */
interface WordSums {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** sums ± the 64-bit little-endian words of the key stream. */
function addStream({ low, high }: WordSums, stream: Buffer, sign: 1 | -1): void {
  const words = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  for (let i = 0; i < low.length; i++) {
    low[i] = (low[i] as number) + sign * words.getUint32(i * WORD_BYTES, true);
    high[i] = (high[i] as number) + sign * words.getUint32(i * WORD_BYTES + 4, true);
  }
}

/** slots + sums mod t, in place. The bias of a word's reduction is 2⁻³⁸. */
function addReduced(slots: Uint32Array, { low, high }: WordSums, t: number): void {
  const place = TWO_32 % t;
  for (let i = 0; i < slots.length; i++) {
    // |high mod t|·(2³² mod t) < 2⁵² and the rest is below 2⁴⁸: exact in a double.
    const carried = ((high[i] as number) % t) * place + (low[i] as number);
    const rest = (carried + (slots[i] as number)) % t;
    slots[i] = rest < 0 ? rest + t : rest;
  }
}
