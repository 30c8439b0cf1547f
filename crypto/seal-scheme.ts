// BFV over node-seal (Microsoft SEAL 4.1 in WebAssembly). Every WASM object is owned by a class here and freed
// with it. Bytes from outside pass `loadChecked` before anything uses them (DESIGN §3 "Untrusted ciphertexts").
// May not decrypt: see decrypt.ts. Never asks for a noise budget: on foreign input that is a decryption oracle.
import {
  type BatchEncoder,
  type Ciphertext as SealCiphertext,
  type Encryptor,
  type Evaluator,
  initialize,
  type MainModule,
  type Plaintext,
  type PublicKey,
  type SEALContext,
  type VectorModulus,
} from "node-seal";
import { WjfError } from "../core/errors.ts";
import {
  type Ciphertext,
  HE_PARAMETERS,
  type HeEncryptor,
  type HeKeyPair,
  type HeScheme,
  type HeSum,
} from "./he-scheme.ts";
import { type OpaqueSum, plainBytes, SerialForm } from "./serial-form.ts";

// training-scheme.ts builds on the same module; node-seal is named here and in decrypt.ts only.
export { initialize as loadSeal };
export type { Evaluator, MainModule, Plaintext, SEALContext, SealCiphertext };

/** Encryptions of zero kept ready per encryptor. */
const PREPARED_ZEROS = 4;

export class SealScheme implements HeScheme {
  readonly parameters = HE_PARAMETERS;
  readonly slotCount = HE_PARAMETERS.polyModulusDegree;
  readonly ciphertextBytes: number;
  /** For decrypt.ts only. */
  readonly seal: MainModule;
  readonly context: SEALContext;
  readonly encoder: BatchEncoder;
  readonly #evaluator: Evaluator;
  readonly #form: SerialForm;
  readonly #publicKeyForm: SerialForm;

  private constructor(seal: MainModule) {
    this.seal = seal;
    this.context = createContext(seal);
    this.encoder = new seal.BatchEncoder(this.context);
    this.#evaluator = new seal.Evaluator(this.context);
    const primes = coefficientPrimes(this.context, "key");
    using parmsId = this.context.firstParmsId();
    using model = new seal.Ciphertext(this.context, parmsId, 2);
    model.resize(2);
    this.#form = new SerialForm(save(seal, model), primes, this.slotCount);
    this.ciphertextBytes = this.#form.bytes;
    this.#publicKeyForm = new SerialForm(this.generateKeys().publicKey, primes, this.slotCount);
  }

  /** Loads the WASM module and validates the parameters. @throws Error if SEAL does not accept them. */
  static async create(): Promise<SealScheme> {
    return new SealScheme(await initialize());
  }

  generateKeys(): HeKeyPair {
    using generator = new this.seal.KeyGenerator(this.context);
    using secret = generator.secretKey();
    using publicKey = generator.createPublicKey();
    return { publicKey: save(this.seal, publicKey), secretKey: save(this.seal, secret) };
  }

  encryptor(publicKey: Uint8Array): HeEncryptor {
    return new SealEncryptor(this, this.#evaluator, publicKey);
  }

  sum(): HeSum {
    return new SealSum(this, this.#evaluator);
  }

  /**
   * Loads bytes that may come from an enemy into `target`. The sender's signature must have been verified.
   * @throws WjfError `ciphertext-invalid`.
   */
  loadChecked(bytes: Uint8Array, target: SealCiphertext): void {
    this.#form.require(bytes);
    try {
      target.loadFromArray(this.context, plainBytes(bytes));
    } catch {
      // SEAL's own text could describe the input; the code is enough.
      throw new WjfError("ciphertext-invalid", "coefficients");
    }
    if (target.size() !== 2 || target.isTransparent()) {
      throw new WjfError("ciphertext-invalid", "transparent");
    }
  }

  opaqueSum(): OpaqueSum {
    return this.#form.opaqueSum();
  }

  /** @throws WjfError `ciphertext-invalid` for bytes that have not the form of a public key. */
  requirePublicKey(bytes: Uint8Array): void {
    this.#publicKeyForm.require(bytes);
  }

  [Symbol.dispose](): void {
    this.#evaluator.delete();
    this.encoder.delete();
    this.context.delete();
  }
}

class SealEncryptor implements HeEncryptor {
  readonly #scheme: SealScheme;
  readonly #evaluator: Evaluator;
  readonly #publicKey: PublicKey;
  readonly #encryptor: Encryptor;
  readonly #plain: Plaintext;
  readonly #cipher: SealCiphertext;
  readonly #zeros: SealCiphertext[] = [];
  readonly #slots: BigUint64Array;

  constructor(scheme: SealScheme, evaluator: Evaluator, publicKey: Uint8Array) {
    const { seal, context } = scheme;
    this.#scheme = scheme;
    this.#evaluator = evaluator;
    scheme.requirePublicKey(publicKey);
    this.#publicKey = new seal.PublicKey();
    try {
      this.#publicKey.loadFromArray(context, plainBytes(publicKey));
    } catch {
      this.#publicKey.delete();
      throw new WjfError("ciphertext-invalid", "public key");
    }
    this.#encryptor = new seal.Encryptor(context, this.#publicKey);
    this.#plain = new seal.Plaintext();
    this.#cipher = new seal.Ciphertext(context);
    this.#slots = new BigUint64Array(scheme.slotCount);
  }

  encrypt(slots: Uint32Array): Ciphertext {
    const { encoder, seal, slotCount, parameters } = this.#scheme;
    if (slots.length > slotCount) throw new RangeError("more values than slots");
    this.#slots.fill(0n);
    for (let i = 0; i < slots.length; i++) {
      const value = slots[i] as number;
      if (value >= parameters.plainModulus) throw new RangeError("slot value not below t");
      this.#slots[i] = BigInt(value);
    }
    encoder.encode(this.#slots, this.#plain);
    const zero = this.#zeros.pop();
    if (zero === undefined) {
      this.#encryptor.encrypt(this.#plain, this.#cipher);
      return save(seal, this.#cipher);
    }
    using prepared = zero;
    this.#evaluator.addPlainInplace(prepared, this.#plain);
    return save(seal, prepared);
  }

  prepare(): boolean {
    if (this.#zeros.length >= PREPARED_ZEROS) return false;
    const zero = new this.#scheme.seal.Ciphertext(this.#scheme.context);
    this.#encryptor.encryptZero(zero);
    this.#zeros.push(zero);
    return true;
  }

  [Symbol.dispose](): void {
    for (const zero of this.#zeros) zero.delete();
    this.#zeros.length = 0;
    this.#cipher.delete();
    this.#plain.delete();
    this.#encryptor.delete();
    this.#publicKey.delete();
  }
}

class SealSum implements HeSum {
  readonly #scheme: SealScheme;
  readonly #evaluator: Evaluator;
  readonly #total: SealCiphertext;
  readonly #next: SealCiphertext;
  readonly #opaque: OpaqueSum;
  #count = 0;

  constructor(scheme: SealScheme, evaluator: Evaluator) {
    this.#scheme = scheme;
    this.#evaluator = evaluator;
    this.#opaque = scheme.opaqueSum();
    this.#total = new scheme.seal.Ciphertext(scheme.context);
    this.#next = new scheme.seal.Ciphertext(scheme.context);
  }

  add(ciphertext: Uint8Array): void {
    if (this.#count === 0) {
      this.#scheme.loadChecked(ciphertext, this.#total);
    } else {
      this.#scheme.loadChecked(ciphertext, this.#next);
    }
    this.#opaque.add(ciphertext);
    if (this.#count > 0) this.#evaluator.addInplace(this.#total, this.#next);
    this.#count++;
  }

  finish(): Ciphertext {
    if (this.#count === 0) throw new RangeError("a sum of nothing");
    return save(this.#scheme.seal, this.#total);
  }

  [Symbol.dispose](): void {
    this.#total.delete();
    this.#next.delete();
  }
}

function createContext(seal: MainModule): SEALContext {
  using parameters = new seal.EncryptionParameters(seal.SchemeType.bfv);
  parameters.setPolyModulusDegree(HE_PARAMETERS.polyModulusDegree);
  using primes = coefficientModulus(seal, [BigInt(HE_PARAMETERS.coeffModulus)]);
  parameters.setCoeffModulus(primes);
  using plain = new seal.Modulus(BigInt(HE_PARAMETERS.plainModulus));
  parameters.setPlainModulus(plain);
  // tc128: SEAL itself refuses what is below 128-bit security by its own table.
  const context = new seal.SEALContext(parameters, true, seal.SecLevelType.tc128);
  using data = context.firstContextData();
  using qualifiers = data.qualifiers();
  const accepted = context.parametersSet() && qualifiers.usingBatching;
  if (!accepted) throw new Error("SEAL does not accept the homomorphic parameters");
  return context;
}

/** The caller frees it. */
export function coefficientModulus(seal: MainModule, primes: readonly bigint[]): VectorModulus {
  const modulus = new seal.VectorModulus();
  for (const value of primes) {
    using prime = new seal.Modulus(value);
    modulus.push_back(prime);
  }
  return modulus;
}

/** The primes of the modulus: of keys, or of ciphertexts, which have one less where there are several. */
export function coefficientPrimes(context: SEALContext, level: "key" | "ciphertext"): bigint[] {
  using data = level === "key" ? context.keyContextData() : context.firstContextData();
  using parameters = data.parms();
  using primes = parameters.coeffModulus();
  return Array.from({ length: primes.size() }, (_, i) => {
    using prime = primes.get(i);
    if (prime === undefined) throw new RangeError("no such prime");
    return prime.value();
  });
}

interface Saveable {
  saveToArray(mode: MainModule["ComprModeType"]["none"]): Uint8Array;
}

function save(seal: MainModule, object: Saveable): Uint8Array {
  return object.saveToArray(seal.ComprModeType.none);
}
