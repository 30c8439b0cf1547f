// The roster: who takes part in an epoch, under which keys. Signed by the authority (JWS compact, ES256); its digest
// is in every mask, descriptor and receipt, so a changed roster changes everything. DESIGN §3 "Roster".
import type { KeyObject } from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode, Sha256Hex } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import { HE_PARAMETERS } from "./he-scheme.ts";
import { PublicP256Jwk, PublicX25519Jwk } from "./keys.ts";

/** A province as the authority's operator enrols it: public halves only. */
export const RosterProvince = z.strictObject({
  code: ProvinceCode,
  zh: z.string().min(1).max(32),
  en: z.string().min(1).max(64),
  /** host:port of the node's gRPC service. */
  endpoint: z.string().regex(/^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$/, "host:port"),
  signing_key: PublicP256Jwk,
  mask_key: PublicX25519Jwk,
});
export type RosterProvince = z.infer<typeof RosterProvince>;

export const Roster = z.strictObject({
  epoch: z.int().min(1).max(0xffffffff),
  /** NumericDate; an answer is not released under an epoch outside of these. */
  not_before: z.int(),
  not_after: z.int(),
  he: z.strictObject({
    scheme: z.literal(HE_PARAMETERS.scheme),
    poly_modulus_degree: z.literal(HE_PARAMETERS.polyModulusDegree),
    coeff_modulus: z.literal(HE_PARAMETERS.coeffModulus),
    plain_modulus: z.literal(HE_PARAMETERS.plainModulus),
    public_key_sha256: Sha256Hex,
  }),
  /** `iss` and `aud` of every consent token, and the gateway's origin in every DPoP proof's `htu`. */
  issuer: z.url(),
  audience: z.url(),
  /** Keys that sign consent tokens and status lists. */
  token_keys: z
    .array(PublicP256Jwk.safeExtend({ kid: z.string() }))
    .min(1)
    .max(8),
  /** Signs merge commitments, and alerts to institutions. */
  gateway_key: PublicP256Jwk,
  /** The authority's: signs admissions and batch manifests, so that nodes need not verify each item's credentials. */
  admission_key: PublicP256Jwk,
  /** Claims are sealed to this key; every node holds its private half. */
  group_key: PublicP256Jwk.safeExtend({ kid: z.string() }),
  provinces: z
    .array(RosterProvince)
    .min(1)
    .max(64)
    .refine((all) => new Set(all.map(({ code }) => code)).size === all.length, "each once"),
});
export type Roster = z.infer<typeof Roster>;

const AnyRoster = z.looseObject({ he: z.looseObject({}) });

export interface DigestedRoster {
  readonly roster: Roster;
  /** SHA-256 of the canonical JSON. */
  readonly digest: Buffer;
}

export function digestRoster(roster: Roster): DigestedRoster {
  return { roster, digest: Buffer.from(sha256Hex(canonicalJson(roster)), "hex") };
}

/** Fewest provinces of a roster of `size` that may take part in one fan-out: half of them, and never fewer than two. */
export function quorum(size: number): number {
  return Math.max(2, Math.ceil(size / 2));
}

/**
 * Whoever chooses the provinces of a fan-out could otherwise ask a few at a time, and learn from what comes back where a person is.
 * @throws WjfError `descriptor-invalid`.
 */
export function requireQuorum(roster: Roster, provinces: readonly ProvinceCode[]): void {
  const fewest = quorum(roster.provinces.length);
  if (provinces.length < fewest) {
    throw new WjfError("descriptor-invalid", `provinces: at least ${fewest}`);
  }
}

export async function signRoster(roster: Roster, key: KeyObject): Promise<string> {
  return await new CompactSign(Buffer.from(canonicalJson(roster)))
    .setProtectedHeader({ alg: "ES256", typ: "weijifen-roster+jws" })
    .sign(key);
}

/**
 * @param trustAnchor the authority's root public key, configured at every party.
 * @throws WjfError `epoch-unknown` when the signature or the form is wrong.
 */
export async function openRoster(jws: string, trustAnchor: KeyObject): Promise<DigestedRoster> {
  const payload = await verifySignature(jws, trustAnchor);
  return digestRoster(parseJsonWith(Roster, payload, "epoch-unknown", "roster"));
}

/**
 * False for a roster that a version with other homomorphic parameters signed: its keys are of no use to this one.
 * @throws WjfError `epoch-unknown` when the signature is wrong, or it is no roster at all.
 */
export async function isOfTheseParameters(jws: string, trustAnchor: KeyObject): Promise<boolean> {
  const payload = await verifySignature(jws, trustAnchor);
  const { he } = parseJsonWith(AnyRoster, payload, "epoch-unknown", "roster");
  return Roster.shape.he.safeParse(he).success;
}

async function verifySignature(jws: string, trustAnchor: KeyObject): Promise<string> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, trustAnchor, {
      algorithms: ["ES256"],
    });
    if (protectedHeader.typ !== "weijifen-roster+jws") throw new TypeError("typ");
    return Buffer.from(payload).toString("utf8");
  } catch (cause) {
    throw new WjfError("epoch-unknown", "roster: signature", { cause });
  }
}
