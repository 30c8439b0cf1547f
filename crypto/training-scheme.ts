// The homomorphic scheme of a training job: BFV with room for one product of an encrypted label with a province's plaintext,
// a flood of noise on top, and sums over millions. A parameter set and a key of its own (docs/decisions/070). May not decrypt.
import { WjfError } from "../core/errors.ts";
import type { HeKeyPair } from "./he-scheme.ts";
import {
  coefficientModulus,
  coefficientPrimes,
  type Evaluator,
  loadSeal,
  type MainModule,
  type Plaintext,
  type SEALContext,
  type SealCiphertext,
} from "./seal-scheme.ts";
import { plainBytes, SerialForm } from "./serial-form.ts";

/**
 * N = 8192 with 214 bits of modulus and a ternary secret: the bound for 128-bit classical security in Table 5.2 of
 * eprint 2024/463. SEAL keeps the last prime for the key level, so a ciphertext has 180 bits. t is the largest 42-bit
 * prime ≡ 1 mod 2N: with 20 fractional bits, sums up to ±2²¹ people times a standardised value. The product of a ciphertext's
 * primes is 1 modulo t (docs/decisions/096-the-coefficient-prime.md).
 */
export const TRAINING_PARAMETERS = {
  polyModulusDegree: 8192,
  coeffModulus: [
    1_152_921_504_606_830_593n,
    1_152_921_504_606_683_137n,
    1_020_223_482_051_198_977n,
    17_179_754_497n,
  ],
  plainModulus: 4_398_046_150_657,
  fractionBits: 20,
} as const;

const { polyModulusDegree: N, plainModulus: T, fractionBits } = TRAINING_PARAMETERS;
const ONE = 2 ** fractionBits;

/**
 * A real number as a residue modulo t.
 * @throws WjfError `data-invalid` beyond `limit`: the sum over all provinces could wrap around.
 */
export function toResidue(value: number, limit = T / 2 / ONE): number {
  if (!(Math.abs(value) <= limit)) throw new WjfError("data-invalid", "a training sum overflows");
  const fixed = Math.round(value * ONE);
  return fixed < 0 ? fixed + T : fixed;
}

/** The inverse, for residues that stand for numbers in (−t/2, t/2). */
export function fromResidue(residue: number): number {
  return (residue > T / 2 ? residue - T : residue) / ONE;
}

export class TrainingScheme implements Disposable {
  readonly slotCount = N;
  readonly plainModulus = T;
  readonly ciphertextBytes: number;
  /** For decrypt.ts and label-blocks.ts only. */
  readonly seal: MainModule;
  readonly context: SEALContext;
  readonly encoder: InstanceType<MainModule["BatchEncoder"]>;
  readonly evaluator: Evaluator;
  readonly #form: SerialForm;
  readonly #publicKeyForm: SerialForm;

  private constructor(seal: MainModule) {
    this.seal = seal;
    this.context = createContext(seal);
    this.encoder = new seal.BatchEncoder(this.context);
    this.evaluator = new seal.Evaluator(this.context);
    using parmsId = this.context.firstParmsId();
    using model = new seal.Ciphertext(this.context, parmsId, 2);
    model.resize(2);
    this.#form = new SerialForm(this.save(model), coefficientPrimes(this.context, "ciphertext"), N);
    this.ciphertextBytes = this.#form.bytes;
    this.#publicKeyForm = new SerialForm(
      this.generateKeys().publicKey,
      coefficientPrimes(this.context, "key"),
      N,
    );
  }

  static async create(): Promise<TrainingScheme> {
    return new TrainingScheme(await loadSeal());
  }

  generateKeys(): HeKeyPair {
    using generator = new this.seal.KeyGenerator(this.context);
    using secret = generator.secretKey();
    using publicKey = generator.createPublicKey();
    return { publicKey: this.save(publicKey), secretKey: this.save(secret) };
  }

  encryptor(publicKey: Uint8Array): TrainingEncryptor {
    return new TrainingEncryptor(this, publicKey);
  }

  /**
   * Adds ciphertexts; the caller has verified who sent them.
   * @throws WjfError `ciphertext-invalid`, also when some of them are made to cancel: those that were encrypted afresh, as every
   * province's are, never do.
   */
  add(ciphertexts: Iterable<Uint8Array>): Uint8Array {
    const opaque = this.#form.opaqueSum();
    let total: SealCiphertext | undefined;
    try {
      for (const bytes of ciphertexts) {
        const next = this.loadChecked(bytes);
        if (total === undefined) {
          total = next;
          opaque.add(bytes);
          continue;
        }
        using added = next;
        opaque.add(bytes);
        this.evaluator.addInplace(total, added);
      }
      if (total === undefined) throw new RangeError("a sum of nothing");
      return this.save(total);
    } finally {
      total?.delete();
    }
  }

  /** As SealScheme.loadChecked: length and header before the loader sees a byte. The caller frees it. */
  loadChecked(bytes: Uint8Array): SealCiphertext {
    this.#form.require(bytes);
    const target = new this.seal.Ciphertext(this.context);
    try {
      target.loadFromArray(this.context, plainBytes(bytes));
      if (target.size() === 2 && !target.isTransparent()) return target;
    } catch {
      // SEAL's own text could describe the input.
    }
    target.delete();
    throw new WjfError("ciphertext-invalid", "coefficients");
  }

  /** @throws WjfError `ciphertext-invalid` for bytes that have not the form of a public key. */
  requirePublicKey(bytes: Uint8Array): void {
    this.#publicKeyForm.require(bytes);
  }

  encode(slots: Float64Array): Plaintext {
    const plain = new this.seal.Plaintext();
    const wide = new BigUint64Array(N);
    for (let i = 0; i < slots.length; i++) wide[i] = BigInt(slots[i] as number);
    this.encoder.encode(wide, plain);
    return plain;
  }

  save(object: { saveToArray(mode: MainModule["ComprModeType"]["none"]): Uint8Array }): Uint8Array {
    return object.saveToArray(this.seal.ComprModeType.none);
  }

  [Symbol.dispose](): void {
    this.evaluator.delete();
    this.encoder.delete();
    this.context.delete();
  }
}

export class TrainingEncryptor implements Disposable {
  readonly #scheme: TrainingScheme;
  readonly #encryptor: InstanceType<MainModule["Encryptor"]>;
  readonly #publicKey: InstanceType<MainModule["PublicKey"]>;

  constructor(scheme: TrainingScheme, publicKey: Uint8Array) {
    this.#scheme = scheme;
    scheme.requirePublicKey(publicKey);
    this.#publicKey = new scheme.seal.PublicKey();
    try {
      this.#publicKey.loadFromArray(scheme.context, plainBytes(publicKey));
    } catch {
      this.#publicKey.delete();
      throw new WjfError("ciphertext-invalid", "public key");
    }
    this.#encryptor = new scheme.seal.Encryptor(scheme.context, this.#publicKey);
  }

  /** @param slots residues modulo t, at most as many as there are slots. */
  encrypt(slots: Float64Array): Uint8Array {
    using plain = this.#scheme.encode(slots);
    using cipher = new this.#scheme.seal.Ciphertext(this.#scheme.context);
    this.#encryptor.encrypt(plain, cipher);
    return this.#scheme.save(cipher);
  }

  /** The caller frees it. */
  zero(): SealCiphertext {
    const cipher = new this.#scheme.seal.Ciphertext(this.#scheme.context);
    this.#encryptor.encryptZero(cipher);
    return cipher;
  }

  [Symbol.dispose](): void {
    this.#encryptor.delete();
    this.#publicKey.delete();
  }
}

function createContext(seal: MainModule): SEALContext {
  using parameters = new seal.EncryptionParameters(seal.SchemeType.bfv);
  parameters.setPolyModulusDegree(N);
  using primes = coefficientModulus(seal, TRAINING_PARAMETERS.coeffModulus);
  parameters.setCoeffModulus(primes);
  using plain = new seal.Modulus(BigInt(T));
  parameters.setPlainModulus(plain);
  const context = new seal.SEALContext(parameters, true, seal.SecLevelType.tc128);
  using data = context.firstContextData();
  using qualifiers = data.qualifiers();
  if (!context.parametersSet() || !qualifiers.usingBatching) {
    throw new Error("SEAL does not accept the training parameters");
  }
  return context;
}
