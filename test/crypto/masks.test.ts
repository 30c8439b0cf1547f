// Pairwise masks: against a vector worked out with other tools, against a second implementation over WebCrypto and big
// integers, and by their properties. The primitives are held to their standards' own vectors, called as masks.ts does.
import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  randomBytes,
  randomInt,
  webcrypto,
} from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../core/canonical.ts";
import { ProvinceCode } from "../../core/ids.ts";
import {
  generateX25519,
  HE_PARAMETERS,
  Masks,
  type PrivateX25519Jwk,
  publicX25519,
  type PublicX25519Jwk,
} from "../../crypto/index.ts";
import { makeMasks, makeRoster } from "./roster-fixture.ts";
import { randomSlots, sumModulo } from "./slot-vectors.ts";

const t = HE_PARAMETERS.plainModulus;
const hex = (text: string): Buffer => Buffer.from(text, "hex");
const code = (text: string): ProvinceCode => ProvinceCode.parse(text);

// RFC 7748 §6.1.
const ALICE = x25519(
  "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
);
const BOB = x25519(
  "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
);

describe("the primitives, by their standards' vectors", () => {
  test("X25519: RFC 7748 §6.1", () => {
    const shared = diffieHellman({
      privateKey: createPrivateKey({ key: ALICE, format: "jwk" }),
      publicKey: createPublicKey({ key: publicX25519(BOB), format: "jwk" }),
    });
    expect(shared.toString("hex")).toBe(
      "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
  });

  test("HKDF-SHA-256: RFC 5869 A.1", () => {
    const okm = hkdfSync(
      "sha256",
      Buffer.alloc(22, 0x0b),
      hex("000102030405060708090a0b0c"),
      hex("f0f1f2f3f4f5f6f7f8f9"),
      42,
    );
    expect(Buffer.from(okm).toString("hex")).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  test("AES-256-CTR: NIST SP 800-38A F.5.5, blocks 1 and 2", () => {
    const key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    const counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    const plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    const cipher = createCipheriv("aes-256-ctr", key, counter).update(plain);
    expect(cipher.toString("hex")).toBe(
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5",
    );
  });
});

// Worked out in Python from RFC 7748's shared secret with its `hmac`, `hashlib` and `cryptography`:
// HKDF(K, salt = SHA-256("weijifen test roster"), info = "weijifen/mask/11/12"), AES-256-CTR from the first 12 bytes of
// SHA-256("weijifen test descriptor") and four zero bytes, little-endian 64-bit words modulo t.
const VECTOR = [54299477, 14969424, 2303184, 29060594, 56369955, 7811212, 23252046, 12919900];

test("the vector: 11 adds it, 12 subtracts it", () => {
  const peers = new Map<ProvinceCode, PublicX25519Jwk>([
    [code("11"), publicX25519(ALICE)],
    [code("12"), publicX25519(BOB)],
  ]);
  const roster = sha256("weijifen test roster");
  const digest = sha256("weijifen test descriptor");
  const [plus, minus] = [new Uint32Array(8), new Uint32Array(8)];
  new Masks(code("11"), ALICE, peers, roster, t).apply(plus, [code("11"), code("12")], digest);
  new Masks(code("12"), BOB, peers, roster, t).apply(minus, [code("11"), code("12")], digest);
  expect([...plus]).toEqual(VECTOR);
  expect([...minus]).toEqual(VECTOR.map((word) => t - word));
});

test("a second implementation, over WebCrypto and big integers, agrees for every node of a roster", async () => {
  const made = makeRoster(5);
  const rosterDigest = randomBytes(32);
  const masks = makeMasks(made, rosterDigest);
  const participants = made.roster.provinces.map(({ code: each }) => each);
  const digest = randomBytes(32);
  for (const [own, key] of made.maskKeys) {
    const slots = randomSlots(40, t);
    const expected = await referenceMask(own, key, made, rosterDigest, digest, slots);
    masks.get(own)?.apply(slots, participants, digest);
    expect(slots).toEqual(expected);
  }
});

describe("properties", () => {
  const made = makeRoster(31);
  const rosterDigest = randomBytes(32);
  const masks = makeMasks(made, rosterDigest);
  const everyone = made.roster.provinces.map(({ code: each }) => each);

  test("they cancel over any participants, for any vectors, and only the sum survives", () => {
    const participants = fc.uniqueArray(fc.constantFrom(...everyone), {
      minLength: 2,
      maxLength: 31,
    });
    fc.assert(
      fc.property(participants, fc.integer({ min: 1, max: 200 }), (some, length) => {
        const digest = randomBytes(32);
        const partials = some.map(() => randomSlots(length, t));
        const masked = some.map((own, i) => {
          const slots = Uint32Array.from(partials[i] as Uint32Array);
          masks.get(own)?.apply(slots, some, digest);
          return slots;
        });
        expect(sumModulo(masked, t)).toEqual(sumModulo(partials, t));
      }),
      { numRuns: 60 },
    );
  });

  test("another fan-out, another participant, another roster: another mask altogether", () => {
    const [own, a, b, c] = everyone as [ProvinceCode, ProvinceCode, ProvinceCode, ProvinceCode];
    const digest = randomBytes(32);
    const mask = (participants: ProvinceCode[], d: Buffer, roster = masks): Uint32Array => {
      const slots = new Uint32Array(64);
      roster.get(own)?.apply(slots, participants, d);
      return slots;
    };
    const base = mask([own, a, b], digest);
    expect(mask([own, a, b], digest)).toEqual(base);
    expect(mask([b, own, a], digest)).toEqual(base);
    const otherRoster = makeMasks(made, randomBytes(32));
    const others = [
      mask([own, a, b], randomBytes(32)),
      mask([own, a, c], digest),
      mask([own, a], digest),
      mask([own, a, b, c], digest),
      mask([own, a, b], digest, otherRoster),
    ];
    for (const other of others) {
      expect(other.filter((word, i) => word === base[i]).length).toBeLessThan(3);
    }
  });

  test("one more slot in use does not change those before it", () => {
    const digest = randomBytes(32);
    const own = everyone[3] as ProvinceCode;
    const [short, long] = [new Uint32Array(7), new Uint32Array(2048)];
    masks.get(own)?.apply(short, everyone, digest);
    masks.get(own)?.apply(long, everyone, digest);
    expect(long.subarray(0, 7)).toEqual(short);
  });

  test("a participant that is not in the roster is a bug of the caller", () => {
    const own = everyone[0] as ProvinceCode;
    const few = makeMasks(makeRoster(2), rosterDigest);
    expect(() =>
      few.get(own)?.apply(new Uint32Array(2), [own, code("65")], randomBytes(32)),
    ).toThrow(RangeError);
  });

  test("a mask key of small order, which would make a key that everybody knows, is not taken", () => {
    // RFC 7748 §6.1: an all-zero shared secret must be refused. Points from its security considerations.
    const smallOrder = [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for (const point of smallOrder) {
      const peer = { kty: "OKP", crv: "X25519", x: hex(point).toString("base64url") } as const;
      const peers = new Map([[code("12"), peer]]);
      expect(() => new Masks(code("11"), generateX25519(), peers, rosterDigest, t)).toThrow();
    }
  });

  test("the reduction of 64-bit words is exact at its edges", () => {
    // masks.ts works in doubles: (hi mod t)·(2³² mod t) + lo must stay below 2⁵³ for this t.
    expect((t - 1) * (2 ** 32 % t) + 2 ** 32 - 1).toBeLessThan(Number.MAX_SAFE_INTEGER);
    const edges = [0, 1, t - 1, t, 2 ** 32 - 1, randomInt(2 ** 32)];
    for (const hi of edges) {
      for (const lo of edges) {
        const word = ((hi % t) * (2 ** 32 % t) + lo) % t;
        expect(word).toBe(Number(((BigInt(hi) << 32n) | BigInt(lo)) % BigInt(t)));
      }
    }
  });
});

async function referenceMask(
  own: ProvinceCode,
  ownKey: PrivateX25519Jwk,
  made: ReturnType<typeof makeRoster>,
  rosterDigest: Buffer,
  digest: Buffer,
  slots: Uint32Array,
): Promise<Uint32Array> {
  const { subtle } = webcrypto;
  const values = [...slots].map(BigInt);
  const privateKey = await subtle.importKey("jwk", ownKey, "X25519", false, ["deriveBits"]);
  for (const { code: peer, mask_key } of made.roster.provinces) {
    if (peer === own) continue;
    const publicKey = await subtle.importKey("jwk", mask_key, "X25519", false, []);
    const shared = await subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256);
    const secret = await subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
    const pair = [own, peer].toSorted().join("/");
    const key = await subtle.deriveKey(
      {
        name: "HKDF",
        hash: "SHA-256",
        salt: Uint8Array.from(rosterDigest),
        info: Buffer.from(`weijifen/mask/${pair}`),
      },
      secret,
      { name: "AES-CTR", length: 256 },
      false,
      ["encrypt"],
    );
    const counter = Buffer.concat([digest.subarray(0, 12), Buffer.alloc(4)]);
    const zeros = Buffer.alloc(slots.length * 8);
    const stream = Buffer.from(
      await subtle.encrypt({ name: "AES-CTR", counter, length: 32 }, key, zeros),
    );
    for (const [i, value] of values.entries()) {
      const word = stream.readBigUInt64LE(i * 8);
      const modulus = BigInt(t);
      values[i] = (((own < peer ? value + word : value - word) % modulus) + modulus) % modulus;
    }
  }
  return Uint32Array.from(values, Number);
}

function x25519(privateHex: string, publicHex: string): PrivateX25519Jwk {
  return {
    kty: "OKP",
    crv: "X25519",
    x: hex(publicHex).toString("base64url"),
    d: hex(privateHex).toString("base64url"),
  };
}
