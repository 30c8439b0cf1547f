// IETF Token Status List (draft-ietf-oauth-status-list-20; §4 the list, §5.1 the signed JWT, §8 validation): two bits
// for each consent. The packed list, the token that carries it, and the reader that gateway and nodes use. A reader
// fails closed: what is older than the list's own `exp` or `ttl` says nothing at all.
import type { KeyObject } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import { type JWTHeaderParameters, SignJWT, jwtVerify } from "jose";
import { z } from "zod";
import { type Clock, nowSeconds } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { parseWith } from "../core/parse.ts";
import type { StatusReference } from "./consent-claims.ts";

/** §7.1 status types; 3 is application-specific, and says "used as often as it allowed" here. */
export const STATUS = { valid: 0, revoked: 1, paused: 2, consumed: 3 } as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

const BITS = 2;
const PER_BYTE = 8 / BITS;
const MASK = 0b11;

/** Bounds what a compressed list may unpack to: 4 Mi consents in one list. */
const MAX_BYTES = 1 << 20;

/** §4.1: entry i lies at bit 2·(i mod 4) of byte ⌊i/4⌋, least significant bit first. */
export class StatusList {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  static ofSize(size: number): StatusList {
    return new StatusList(new Uint8Array(Math.ceil(size / PER_BYTE)));
  }

  /** @throws WjfError `token-malformed` when it is not a zlib stream, or unpacks to more than is allowed. */
  static decode(lst: string): StatusList {
    try {
      const packed = Buffer.from(lst, "base64url");
      return new StatusList(inflateSync(packed, { maxOutputLength: MAX_BYTES }));
    } catch (cause) {
      throw new WjfError("token-malformed", "status list: lst", { cause });
    }
  }

  get size(): number {
    return this.#bytes.length * PER_BYTE;
  }

  set(index: number, status: Status): void {
    if (index < 0 || index >= this.size) throw new RangeError("status index");
    const at = Math.floor(index / PER_BYTE);
    const shift = (index % PER_BYTE) * BITS;
    this.#bytes[at] = ((this.#bytes[at] as number) & ~(MASK << shift)) | (status << shift);
  }

  /** §8.3: an index beyond the list is an error, never "valid". @throws WjfError `token-claims`. */
  get(index: number): Status {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new WjfError("token-claims", "status: index beyond the list");
    }
    const byte = this.#bytes[Math.floor(index / PER_BYTE)] as number;
    return ((byte >> ((index % PER_BYTE) * BITS)) & MASK) as Status;
  }

  encode(): string {
    return deflateSync(this.#bytes, { level: 9 }).toString("base64url");
  }
}

/** Where a status list lives, and how long its word counts. */
export interface StatusListTerms {
  readonly uri: string;
  readonly issuer: string;
  readonly ttlSeconds: number;
}

/** §5.1: `typ` statuslist+jwt, `sub` its own address, `exp` = now + ttl. */
export async function signStatusList(
  list: StatusList,
  terms: StatusListTerms,
  key: { readonly kid: string; readonly privateKey: KeyObject },
  clock: Clock,
): Promise<string> {
  const iat = nowSeconds(clock);
  return new SignJWT({ status_list: { bits: BITS, lst: list.encode() }, ttl: terms.ttlSeconds })
    .setProtectedHeader({ alg: "ES256", typ: "statuslist+jwt", kid: key.kid })
    .setSubject(terms.uri)
    .setIssuer(terms.issuer)
    .setIssuedAt(iat)
    .setExpirationTime(iat + terms.ttlSeconds)
    .sign(key.privateKey);
}

const Payload = z.object({
  sub: z.url(),
  iat: z.int(),
  exp: z.int(),
  ttl: z.int().min(1),
  status_list: z.object({ bits: z.literal(BITS), lst: z.string().max(2 * MAX_BYTES) }),
});

/** A verified list and the moments between which it may be relied on (seconds since the epoch). */
export interface FreshStatusList {
  readonly uri: string;
  readonly list: StatusList;
  readonly issuedAt: number;
  /** The earlier of `exp` and `iat` + `ttl`: counted from issue, so that a delayed copy gains nothing. */
  readonly freshUntil: number;
}

/** The authority's token keys by `kid`, as the roster or its JWKS names them. */
export type TokenKeys = ReadonlyMap<string, KeyObject>;

/** §8.3 steps 2 and 3. @throws WjfError `token-signature`, `token-malformed`, `token-claims`, `token-expired`. */
export async function verifyStatusList(
  token: string,
  expected: { readonly uri: string; readonly issuer: string },
  keys: TokenKeys,
  clock: Clock,
): Promise<FreshStatusList> {
  const keyOf = ({ kid }: JWTHeaderParameters): KeyObject => {
    const key = kid === undefined ? undefined : keys.get(kid);
    if (key === undefined) throw new WjfError("token-signature", "status list: unknown key");
    return key;
  };
  const verified = await jwtVerify(token, keyOf, {
    algorithms: ["ES256"],
    typ: "statuslist+jwt",
    issuer: expected.issuer,
    subject: expected.uri,
    currentDate: new Date(clock.nowMs()),
  }).catch((cause: unknown) => {
    if ((cause as { code?: string }).code === "ERR_JWT_EXPIRED") {
      throw new WjfError("token-expired", "status list", { cause });
    }
    throw new WjfError("token-signature", "status list", { cause });
  });
  const payload = parseWith(Payload, verified.payload, "token-claims", "status list");
  return {
    uri: payload.sub,
    list: StatusList.decode(payload.status_list.lst),
    issuedAt: payload.iat,
    freshUntil: Math.min(payload.exp, payload.iat + payload.ttl),
  };
}

/**
 * The lists that a gateway or node holds. Feed it with `update` (pushed or fetched tokens); ask with `requireValid`.
 * It never fetches by itself, and never answers from a stale or missing list.
 */
export class StatusListCache {
  readonly #lists = new Map<string, FreshStatusList>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Keeps the newer of two lists for one address, so that a replayed old one changes nothing.
   * @throws WjfError as `verifyStatusList` does; what is held stays.
   */
  async update(uri: string, token: string, keys: TokenKeys, issuer: string): Promise<void> {
    const fresh = await verifyStatusList(token, { uri, issuer }, keys, this.#clock);
    const held = this.#lists.get(uri);
    if (held === undefined || held.issuedAt <= fresh.issuedAt) this.#lists.set(uri, fresh);
  }

  /** False when the list at this address has to be fetched before `requireValid` can answer. */
  isFresh(uri: string): boolean {
    const held = this.#lists.get(uri);
    return held !== undefined && nowSeconds(this.#clock) < held.freshUntil;
  }

  /**
   * @throws WjfError `consent-revoked`, `consent-paused`, `consent-consumed`; `federation-unavailable` when there is
   * no fresh list: no word is not a good word.
   */
  requireValid({ status_list: { uri, idx } }: StatusReference): void {
    const held = this.#lists.get(uri);
    if (held === undefined || nowSeconds(this.#clock) >= held.freshUntil) {
      throw new WjfError("federation-unavailable", "no fresh status list");
    }
    requireValidStatus(held.list.get(idx));
  }
}

function requireValidStatus(status: Status): void {
  switch (status) {
    case STATUS.valid:
      return;
    case STATUS.revoked:
      throw new WjfError("consent-revoked");
    case STATUS.paused:
      throw new WjfError("consent-paused");
    case STATUS.consumed:
      throw new WjfError("consent-consumed");
  }
}
