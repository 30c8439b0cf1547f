// What one encrypted value costs: packed BFV, one value alone in a ciphertext, and Paillier-2048 (`paillier-bigint`),
// interleaved in one run. DESIGN §9.
import { generateRandomKeys } from "paillier-bigint";
import { openDecryptor } from "../crypto/decrypt.ts";
import { SealScheme } from "../crypto/index.ts";
import type { BenchOptions, BenchResult } from "./main.ts";
import { median } from "./statistics.ts";

interface Run {
  /** Milliseconds of one call. */
  readonly packedMs: number;
  readonly singleMs: number;
  readonly preparedMs: number;
  readonly addMs: number;
  readonly decryptMs: number;
  readonly paillierMs: number;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  using scheme = await SealScheme.create();
  const keys = scheme.generateKeys();
  using encryptor = scheme.encryptor(keys.publicKey);
  using decryptor = openDecryptor(scheme, keys.secretKey);
  const { publicKey: paillier } = await generateRandomKeys(2048);
  const packed = Uint32Array.from({ length: scheme.slotCount }, (_, i) => i);
  const single = Uint32Array.of(1, 2, 3);
  const ciphertext = encryptor.encrypt(packed);
  const runs: Run[] = [];
  for (let i = 0; i < (quick ? 3 : 40); i++) {
    const packedMs = timeMs(() => encryptor.encrypt(packed));
    const singleMs = timeMs(() => encryptor.encrypt(single));
    encryptor.prepare();
    const preparedMs = timeMs(() => encryptor.encrypt(packed));
    using sum = scheme.sum();
    sum.add(ciphertext);
    const addMs = timeMs(() => sum.add(ciphertext));
    const decryptMs = timeMs(() => decryptor.decrypt(ciphertext));
    const paillierMs = timeMs(() => paillier.encrypt(BigInt(i + 1)));
    runs.push({ packedMs, singleMs, preparedMs, addMs, decryptMs, paillierMs });
  }
  const of = (key: keyof Run): number => median(runs.map((each) => each[key]));
  return {
    metrics: {
      paillier_over_bfv_packed: of("paillierMs") / (of("packedMs") / scheme.slotCount),
      paillier_over_bfv_single: of("paillierMs") / of("singleMs"),
      ciphertext_bytes: scheme.ciphertextBytes,
      bfv_encrypt_ms: of("packedMs"),
      bfv_encrypt_prepared_ms: of("preparedMs"),
      bfv_add_ms: of("addMs"),
      bfv_decrypt_ms: of("decryptMs"),
      paillier_encrypt_ms: of("paillierMs"),
    },
    runs,
  };
}

function timeMs(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
