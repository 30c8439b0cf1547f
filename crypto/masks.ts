// Pairwise masks: nodes i and j share k_ij, and what i adds j subtracts, so that only the sum over every participant
// of a fan-out means anything. DESIGN §3 "Pairwise masks"; the construction of Bonawitz et al., CCS 2017 §4, without
// its dropout recovery: a fan-out that loses a node is asked again with a smaller roster.
// Never use one digest D for two different vectors under the same roster: D is the nonce.
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
   * @param digest D, the descriptor's SHA-256; its first 12 bytes are the AES-CTR nonce.
   */
  apply(slots: Uint32Array, participants: readonly ProvinceCode[], digest: Buffer): void {
    const zeros = Buffer.alloc(slots.length * WORD_BYTES);
    const iv = Buffer.concat([digest.subarray(0, 12), Buffer.alloc(4)]);
    for (const peer of participants) {
      if (peer === this.#own) continue;
      const key = this.#pairKeys.get(peer);
      if (key === undefined) throw new RangeError(`no mask key for province ${peer}`);
      const stream = createCipheriv("aes-256-ctr", key, iv).update(zeros);
      addStream(slots, stream, this.#own < peer, this.#modulus);
    }
  }
}

/** slots ± (64-bit little-endian words of the key stream mod t), in place. The bias of the reduction is 2⁻³⁸. */
function addStream(slots: Uint32Array, stream: Buffer, plus: boolean, t: number): void {
  const high = TWO_32 % t;
  const words = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  for (let i = 0; i < slots.length; i++) {
    const lo = words.getUint32(i * WORD_BYTES, true);
    const hi = words.getUint32(i * WORD_BYTES + 4, true);
    // (hi mod t)·(2³² mod t) < 2⁵² and lo < 2³²: exact in a double.
    const word = ((hi % t) * high + lo) % t;
    const value = slots[i] as number;
    slots[i] = plus ? (value + word) % t : (value + t - word) % t;
  }
}
