// The homomorphic scheme as the protocol needs it: encrypt a vector, add ciphertexts, nothing more. DESIGN §3.
// Implementations: seal-scheme.ts (BFV over node-seal) and, under test/ and bench/ only, a plaintext twin.
// Decryption is deliberately not here: it lives in decrypt.ts, which only the authority's release module imports.

/** A serialised ciphertext. Bytes from outside become one only through `HeSum.add`, which checks them. */
export type Ciphertext = Uint8Array & { readonly __brand?: "Ciphertext" };

/** Parameters that every party must agree on; they are part of the roster. */
export interface HeParameters {
  readonly scheme: "bfv";
  /** Ring degree N, which is also the number of slots. */
  readonly polyModulusDegree: 2048;
  /** The single prime q. */
  readonly coeffModulus: number;
  /** Plaintext modulus t: all sums are modulo t. */
  readonly plainModulus: number;
}

/**
 * BFV, N = 2048, one 53-bit prime, ternary secret: 128-bit classical security by Table 5.2 of "Security Guidelines
 * for Implementing Homomorphic Encryption" (eprint 2024/463), which allows log q ≤ 53 at N = 2048.
 * t is the largest 26-bit prime ≡ 1 mod 2N, so that all 2,048 slots batch. q is the largest 53-bit prime that is 1 modulo both
 * 2N and t: with (q mod t) = 1 scaling a plaintext by q/t needs no long division (docs/decisions/096-the-coefficient-prime.md).
 */
export const HE_PARAMETERS: HeParameters = {
  scheme: "bfv",
  polyModulusDegree: 2048,
  coeffModulus: 9_003_626_160_672_769,
  plainModulus: 67_104_769,
};

export interface HeKeyPair {
  readonly publicKey: Uint8Array;
  /** Never leaves the authority; never logged. */
  readonly secretKey: Uint8Array;
}

/** Encrypts under one public key. Not safe for concurrent use; calls are synchronous. */
export interface HeEncryptor extends Disposable {
  /**
   * Encrypts a vector of residues modulo t; missing slots are zero.
   * @param slots at most `slotCount` integers in [0, t).
   */
  encrypt(slots: Uint32Array): Ciphertext;
  /** Does the randomised half of one encryption ahead of time. False when enough are ready. */
  prepare(): boolean;
}

/** A running homomorphic sum. */
export interface HeSum extends Disposable {
  /** @throws WjfError `ciphertext-invalid`: length, header, parameters, coefficients or transparency. */
  add(ciphertext: Uint8Array): void;
  /** The sum's bytes. Deterministic: the same ciphertexts in any order give the same bytes. */
  finish(): Ciphertext;
}

export interface HeScheme extends Disposable {
  readonly parameters: HeParameters;
  readonly slotCount: number;
  /** Every ciphertext has exactly this many bytes. */
  readonly ciphertextBytes: number;
  generateKeys(): HeKeyPair;
  /** @throws WjfError `ciphertext-invalid` when the bytes are no public key of this scheme. */
  encryptor(publicKey: Uint8Array): HeEncryptor;
  sum(): HeSum;
}

/** Turns a checked aggregate into residues modulo t. Only the authority has one. */
export interface HeDecryptor extends Disposable {
  /** @throws WjfError `ciphertext-invalid`. */
  decrypt(ciphertext: Uint8Array): Uint32Array;
}
