// The real scheme alone: its parameters, and what it does with ciphertexts that an enemy made (DESIGN §3 "Untrusted
// ciphertexts"). The enemy's are built with node-seal itself, with the enemy's own choice of parameters.
import { checkPrimeSync, randomInt } from "node:crypto";
import { type Ciphertext as SealCiphertext, initialize, type MainModule } from "node-seal";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecryptor } from "../../crypto/decrypt.ts";
import {
  type Ciphertext,
  HE_PARAMETERS,
  type HeDecryptor,
  type HeEncryptor,
  SealScheme,
} from "../../crypto/index.ts";
import { flipped } from "./scheme-suite.ts";
import { randomSlots } from "./slot-vectors.ts";

const { plainModulus: t, polyModulusDegree: n } = HE_PARAMETERS;
const INVALID = expect.objectContaining({ code: "ciphertext-invalid" });

const resources = new DisposableStack();
let scheme: SealScheme;
let encryptor: HeEncryptor;
let decryptor: HeDecryptor;
let payloadStart: number;

beforeAll(async () => {
  scheme = resources.use(await SealScheme.create());
  const { publicKey, secretKey } = scheme.generateKeys();
  encryptor = resources.use(scheme.encryptor(publicKey));
  decryptor = resources.use(openDecryptor(scheme, secretKey));
  payloadStart = scheme.ciphertextBytes - 2 * n * 8;
});
afterAll(() => resources.dispose());

test("a public key of another form does not reach SEAL's loader, which would inflate it to gigabytes", () => {
  const good = scheme.generateKeys().publicKey;
  using taken = scheme.encryptor(good);
  expect(taken.encrypt(Uint32Array.of(1)).length).toBe(scheme.ciphertextBytes);
  const headerBytes = good.length - 2 * n * 8;
  for (let at = 0; at < headerBytes; at++) {
    expect(() => scheme.encryptor(flipped(good, at))).toThrow(INVALID);
  }
  expect(() => scheme.encryptor(good.slice(0, -1))).toThrow(INVALID);
});

test("thousands of refused ciphertexts leave the module as it was", () => {
  const good = Buffer.from(encryptor.encrypt(Uint32Array.of(1)));
  const q = coefficientModulus();
  const beyond = withCoefficient(good, 2 * n - 1, q);
  const negative = Buffer.from(good);
  for (let at = payloadStart; at < good.length; at += 8) {
    negative.writeBigUInt64LE((q - good.readBigUInt64LE(at)) % q, at);
  }
  for (let i = 0; i < 5000; i++) {
    using sum = scheme.sum();
    expect(() => sum.add(beyond)).toThrow(INVALID);
  }
  for (let i = 0; i < 1000; i++) {
    using sum = scheme.sum();
    sum.add(good);
    expect(() => sum.add(negative)).toThrow(INVALID);
  }
  expect(decryptor.decrypt(good)[0]).toBe(1);
});

describe("parameters", () => {
  test("t is the largest 26-bit prime that batches: ≡ 1 mod 2N", () => {
    const largest = Array.from({ length: 1000 }, (_, k) => 2 ** 26 - 2 * n * (k + 1) + 1).find(
      isPrime,
    );
    expect(largest).toBe(t);
  });

  test("q is the largest prime of 53 bits that is 1 modulo 2N and t", () => {
    // 53 bits: within 128-bit security at N = 2048 (eprint 2024/463, Table 5.2).
    const step = BigInt(2 * n) * BigInt(t);
    let largest = ((2n ** 53n - 2n) / step) * step + 1n;
    while (!checkPrimeSync(largest)) largest -= step;
    expect(coefficientModulus()).toBe(largest);
    expect(largest).toBeGreaterThan(2n ** 52n);
  });

  test("a ciphertext is 32,881 bytes for 2,048 slots", () => {
    expect(scheme.ciphertextBytes).toBe(32_881);
    expect(scheme.slotCount).toBe(2048);
  });

  test("one vector encrypted twice gives two ciphertexts with nothing in common", () => {
    const slots = Uint32Array.of(1, 2, 3);
    const [a, b] = [encryptor.encrypt(slots), encryptor.encrypt(slots)];
    const same = a.subarray(payloadStart).filter((byte, i) => byte === b[payloadStart + i]);
    // Two of the eight bytes of a coefficient are zero or nearly so; of the rest one in 256 agrees by chance.
    expect(same.length / (2 * n * 8)).toBeLessThan(0.25);
  });

  test("the secret key of another pair does not open it", () => {
    const other = scheme.generateKeys();
    using stranger = openDecryptor(scheme, other.secretKey);
    const slots = randomSlots(n, t);
    const opened = stranger.decrypt(encryptor.encrypt(slots));
    const agreeing = opened.filter((value, i) => value === slots[i]).length;
    expect(agreeing).toBeLessThan(8);
  });
});

describe("a ciphertext that an enemy made is refused, by sum and decryption alike", () => {
  function refuse(bytes: Uint8Array): void {
    using sum = scheme.sum();
    expect(() => sum.add(bytes)).toThrow(INVALID);
    sum.add(encryptor.encrypt(Uint32Array.of(1)));
    expect(() => sum.add(bytes)).toThrow(INVALID);
    // The refusal has not touched what was summed so far.
    expect(decryptor.decrypt(sum.finish())[0]).toBe(1);
    expect(() => decryptor.decrypt(bytes)).toThrow(INVALID);
  }

  test("a coefficient at or above q, wherever it stands", () => {
    const q = coefficientModulus();
    const good = encryptor.encrypt(Uint32Array.of(1, 2, 3));
    for (const value of [q, q + 1n, 2n ** 53n, 2n ** 64n - 1n]) {
      for (const index of [0, 1, n - 1, n, 2 * n - 1]) refuse(withCoefficient(good, index, value));
    }
    using sum = scheme.sum();
    sum.add(withCoefficient(good, 0, q - 1n));
  });

  test("transparent: the second polynomial is zero, so that anybody can read it", () => {
    const transparent = Buffer.from(encryptor.encrypt(Uint32Array.of(1, 2, 3)));
    transparent.fill(0, payloadStart + n * 8);
    refuse(transparent);
    transparent.fill(0, payloadStart);
    refuse(transparent);
  });

  test("made to cancel: a sum that would become transparent", () => {
    const q = coefficientModulus();
    const good = Buffer.from(encryptor.encrypt(Uint32Array.of(1, 2, 3)));
    const negative = Buffer.from(good);
    for (let at = payloadStart; at < good.length; at += 8) {
      negative.writeBigUInt64LE((q - good.readBigUInt64LE(at)) % q, at);
    }
    using sum = scheme.sum();
    sum.add(good);
    expect(() => sum.add(negative)).toThrow(INVALID);
  });

  test("any byte of the header, changed", () => {
    const good = encryptor.encrypt(Uint32Array.of(1, 2, 3));
    for (let at = 0; at < payloadStart; at++) refuse(flipped(good, at, 1 << randomInt(8)));
  });

  test("other plaintext modulus, other degree, other q, three polynomials, compressed", async () => {
    const seal = await initialize();
    refuse(
      foreignCiphertext(seal, { degree: n, prime: HE_PARAMETERS.coeffModulus, plain: 1_032_193n }),
    );
    refuse(foreignCiphertext(seal, { degree: 1024, bits: [27], plain: 12_289n }));
    refuse(foreignCiphertext(seal, { degree: 4096, bits: [36, 36], plain: BigInt(t) }));
    // SEAL's own choice of a 53-bit prime.
    refuse(foreignCiphertext(seal, { degree: n, bits: [53], plain: BigInt(t) }));
    const own = { degree: n, prime: HE_PARAMETERS.coeffModulus, plain: BigInt(t) };
    refuse(foreignCiphertext(seal, own, (cipher) => cipher.resize(3)));
    refuse(foreignCiphertext(seal, own, undefined, "zstd"));
    refuse(foreignCiphertext(seal, own, undefined, "zlib"));
    // The same door, with nothing bent, opens.
    using sum = scheme.sum();
    sum.add(foreignCiphertext(seal, own));
  });

  test("cut off after any of its parts, or with more behind it", () => {
    const good = encryptor.encrypt(Uint32Array.of(1, 2, 3));
    for (const length of [0, 1, 15, 16, payloadStart - 1, payloadStart, payloadStart + n * 8]) {
      refuse(good.slice(0, length));
    }
    refuse(Buffer.concat([good, Buffer.alloc(8)]));
  });

  test("with any bytes changed it is refused by its code, or decrypts: nothing else ever happens", () => {
    const good = encryptor.encrypt(Uint32Array.of(1, 2, 3));
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const bytes = flipped(good, randomInt(good.length), randomInt(1, 256));
      try {
        decryptor.decrypt(bytes);
      } catch (error) {
        expect(error).toEqual(INVALID);
        refused++;
      }
    }
    // One byte in four is the top of a coefficient, where nearly every change passes q.
    expect(refused).toBeGreaterThan(20);
    expect(decryptor.decrypt(good).subarray(0, 3)).toEqual(Uint32Array.of(1, 2, 3));
  });

  test("its refusal tells no more than which check it failed", () => {
    const details = new Set<string>();
    const good = encryptor.encrypt(Uint32Array.of(1));
    const bad = [good.slice(1), flipped(good, 3), withCoefficient(good, 7, 2n ** 60n)];
    for (const bytes of bad) {
      try {
        decryptor.decrypt(bytes);
      } catch (error) {
        details.add((error as { detail: string }).detail);
      }
    }
    expect([...details]).toEqual(["length", "header", "coefficients"]);
  });
});

test("the sum of 64 full vectors, the most that a roster can have, still decrypts exactly", () => {
  const vectors = Array.from({ length: 64 }, () => new Uint32Array(n).fill(t - 1));
  using sum = scheme.sum();
  for (const slots of vectors) sum.add(encryptor.encrypt(slots));
  expect(decryptor.decrypt(sum.finish()).every((value) => value === t - 64)).toBe(true);
});

function coefficientModulus(): bigint {
  using data = scheme.context.firstContextData();
  using parameters = data.parms();
  using primes = parameters.coeffModulus();
  expect(primes.size()).toBe(1);
  using q = primes.get(0);
  return q?.value() as bigint;
}

function withCoefficient(ciphertext: Ciphertext, index: number, value: bigint): Buffer {
  const bytes = Buffer.from(ciphertext);
  bytes.writeBigUInt64LE(value, payloadStart + index * 8);
  return bytes;
}

interface Foreign {
  readonly degree: number;
  /** Of the coefficients' primes, chosen by SEAL. */
  readonly bits?: readonly number[];
  /** The one prime, chosen here. */
  readonly prime?: number;
  readonly plain: bigint;
}

function foreignCiphertext(
  seal: MainModule,
  { degree, bits, prime, plain }: Foreign,
  bend?: (cipher: SealCiphertext) => void,
  mode: "none" | "zlib" | "zstd" = "none",
): Uint8Array {
  using parameters = new seal.EncryptionParameters(seal.SchemeType.bfv);
  parameters.setPolyModulusDegree(degree);
  using primes = bits
    ? seal.CoeffModulus.Create(degree, Int32Array.from(bits))
    : new seal.VectorModulus();
  using single = new seal.Modulus(BigInt(prime ?? 0));
  if (prime !== undefined) primes.push_back(single);
  parameters.setCoeffModulus(primes);
  using modulus = new seal.Modulus(plain);
  parameters.setPlainModulus(modulus);
  using context = new seal.SEALContext(parameters, true, seal.SecLevelType.none);
  using generator = new seal.KeyGenerator(context);
  using publicKey = generator.createPublicKey();
  using encryptor_ = new seal.Encryptor(context, publicKey);
  using cipher = new seal.Ciphertext(context);
  encryptor_.encryptZero(cipher);
  bend?.(cipher);
  return cipher.saveToArray(seal.ComprModeType[mode]);
}

function isPrime(candidate: number): boolean {
  if (candidate < 2) return false;
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}
