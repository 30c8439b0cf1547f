// A small federation's keys and roster, made fresh for each test file that wants one.
import type { KeyObject } from "node:crypto";
import { PROVINCES } from "../../core/provinces.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import {
  generateP256,
  generateX25519,
  HE_PARAMETERS,
  importPrivate,
  importPublic,
  Masks,
  type PrivateX25519Jwk,
  publicP256,
  publicX25519,
  type Roster,
} from "../../crypto/index.ts";

export interface TestRoster {
  readonly roster: Roster;
  readonly maskKeys: ReadonlyMap<ProvinceCode, PrivateX25519Jwk>;
  readonly signingKeys: ReadonlyMap<ProvinceCode, KeyObject>;
  readonly receiptKeys: ReadonlyMap<ProvinceCode, KeyObject>;
  readonly rootKey: KeyObject;
  readonly rootPublicKey: KeyObject;
}

export function makeRoster(provinceCount: number): TestRoster {
  const root = generateP256("sig");
  const token = generateP256("sig");
  const group = generateP256("enc");
  const members = PROVINCES.slice(0, provinceCount).map((province) => ({
    ...province,
    signing: generateP256("sig"),
    mask: generateX25519(),
  }));
  const roster: Roster = {
    epoch: 1,
    not_before: 1_700_000_000,
    not_after: 1_800_000_000,
    he: {
      scheme: HE_PARAMETERS.scheme,
      poly_modulus_degree: HE_PARAMETERS.polyModulusDegree,
      coeff_modulus: HE_PARAMETERS.coeffModulus,
      plain_modulus: HE_PARAMETERS.plainModulus,
      public_key_sha256: "0".repeat(64),
    },
    issuer: "https://authority.example",
    audience: "https://gateway.example",
    token_keys: [{ ...publicP256(token), kid: token.kid as string }],
    gateway_key: publicP256(generateP256("sig")),
    admission_key: publicP256(generateP256("sig")),
    group_key: { ...publicP256(group), kid: group.kid as string },
    provinces: members.map(({ code, zh, en, signing, mask }) => ({
      code,
      zh,
      en,
      endpoint: `node-${code}.example:9000`,
      signing_key: publicP256(signing),
      mask_key: publicX25519(mask),
    })),
  };
  return {
    roster,
    maskKeys: new Map(members.map(({ code, mask }) => [code, mask])),
    signingKeys: new Map(members.map(({ code, signing }) => [code, importPrivate(signing)])),
    receiptKeys: new Map(
      members.map(({ code, signing }) => [code, importPublic(publicP256(signing))]),
    ),
    rootKey: importPrivate(root),
    rootPublicKey: importPublic(publicP256(root)),
  };
}

/** Every node's masks under one roster digest. */
export function makeMasks(
  { roster, maskKeys }: TestRoster,
  rosterDigest: Buffer,
): ReadonlyMap<ProvinceCode, Masks> {
  const peers = new Map(roster.provinces.map(({ code, mask_key }) => [code, mask_key]));
  return new Map(
    [...maskKeys].map(([code, key]) => [
      code,
      new Masks(code, key, peers, rosterDigest, HE_PARAMETERS.plainModulus),
    ]),
  );
}
