// Bytes that reach SEAL: ciphertexts of nodes and gateways, public keys, label ciphertexts of a training job. SEAL runs in
// WebAssembly, whose memory only ever grows: its length is the measure.
import * as fc from "fast-check";
import { openDecryptor } from "../../../crypto/decrypt.ts";
import { type Ciphertext, TrainingScheme } from "../../../crypto/index.ts";
import { BOUNDARY_NUMBERS, mutatedBytes } from "../arbitraries.ts";
import { type Target, target } from "../target.ts";
import { watchScheme } from "../../crypto/wasm-memory.ts";

export interface CiphertextTargets {
  readonly targets: readonly Target[];
  /** Of the module that loads ciphertexts. */
  wasmBytes(): number;
}

export async function ciphertextTargets(resources: DisposableStack): Promise<CiphertextTargets> {
  const watched = resources.use(await watchScheme());
  const { scheme } = watched;
  const { publicKey, secretKey } = scheme.generateKeys();
  const encryptor = resources.use(scheme.encryptor(publicKey));
  const decryptor = resources.use(openDecryptor(scheme, secretKey));
  const good = [1, 2, 3].map((value) => encryptor.encrypt(Uint32Array.of(1, value)));
  const first = good[0] as Ciphertext;
  const bytes = fc.oneof(mutatedBytes(good), coefficients(first, scheme.ciphertextBytes));
  const codes = ["ciphertext-invalid"] as const;
  const targets = [
    target<Buffer>({
      name: "ciphertext: merged, decrypted",
      corpus: bytes,
      run: (ciphertext) => decryptor.decrypt(ciphertext),
      codes,
      inputs: { quick: 150, slow: 8000 },
    }),
    target<readonly Buffer[]>({
      name: "ciphertext: parts, added",
      corpus: fc.array(fc.oneof(bytes, fc.constantFrom(...good.map((each) => Buffer.from(each)))), {
        minLength: 1,
        maxLength: 4,
      }),
      run: (parts) => {
        using sum = scheme.sum();
        for (const part of parts) sum.add(part);
        return sum.finish();
      },
      codes,
      inputs: { quick: 100, slow: 5000 },
    }),
    target<Buffer>({
      name: "public key of an epoch",
      corpus: mutatedBytes([publicKey]),
      run: (key) => {
        using bent = scheme.encryptor(key);
        return bent.encrypt(Uint32Array.of(1));
      },
      codes,
      inputs: { quick: 100, slow: 2000 },
    }),
    ...(await trainingTargets(resources)),
  ];
  return { targets, wasmBytes: () => watched.memoryBytes() };
}

const COEFFICIENT_BYTES = 8;

/** The right length and header, with coefficients at and beyond the modulus. */
function coefficients(good: Uint8Array, length: number): fc.Arbitrary<Buffer> {
  const payload = length - 2 * 2048 * COEFFICIENT_BYTES;
  const value = fc.oneof(
    fc.constantFrom(
      ...BOUNDARY_NUMBERS.filter((each) => Number.isInteger(each)).map((each) =>
        BigInt.asUintN(64, BigInt(each)),
      ),
    ),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const place = fc.tuple(fc.nat(2 * 2048 - 1), value, fc.integer({ min: 1, max: 2 * 2048 }));
  return fc.array(place, { minLength: 1, maxLength: 3 }).map((places) => {
    const bytes = Buffer.from(good);
    for (const [at, coefficient, count] of places) {
      for (let i = at; i < Math.min(at + count, 2 * 2048); i++) {
        bytes.writeBigUInt64LE(coefficient, payload + i * COEFFICIENT_BYTES);
      }
    }
    return bytes;
  });
}

async function trainingTargets(resources: DisposableStack): Promise<Target[]> {
  const scheme = resources.use(await TrainingScheme.create());
  const { publicKey } = scheme.generateKeys();
  const encryptor = resources.use(scheme.encryptor(publicKey));
  const good = encryptor.encrypt(Float64Array.of(1, 2, 3));
  return [
    target<Buffer>({
      name: "ciphertext of training labels",
      corpus: mutatedBytes([good]),
      run: (bytes) => {
        using loaded = scheme.loadChecked(bytes);
        return loaded.size();
      },
      codes: ["ciphertext-invalid"],
      inputs: { quick: 15, slow: 200 },
    }),
  ];
}
