// Where in which status list a consent's bits lie, and the signed lists that say so (Token Status List §4, §13.2).
// Slots come from one counter, through a keyed permutation of each list, so that neighbours in a list say nothing
// about when, or after whom, a consent was given. Lists are built from the live state each time, never kept.
import type { KeyObject } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { AtRest } from "./at-rest.ts";
import type { ConsentDb } from "./schema.ts";
import { signStatusList, type Status, STATUS, StatusList } from "./status-list.ts";

/** Consents in one list; a power of two, so that any odd multiplier permutes it. */
export const LIST_SIZE = 1 << 16;

export interface StatusSlot {
  readonly list: number;
  readonly index: number;
}

/** The next free slot. In the caller's transaction: a slot is used at most once, and may stay unused. */
export async function allocateStatusSlot(tx: ConsentDb, atRest: AtRest): Promise<StatusSlot> {
  const { next } = await tx
    .updateTable("status_counter")
    .set((eb) => ({ next: eb("next", "+", 1) }))
    .where("id", "=", 1)
    .returning("next")
    .executeTakeFirstOrThrow();
  const count = next - 1;
  const list = Math.floor(count / LIST_SIZE);
  return { list, index: permute(count % LIST_SIZE, list, atRest) };
}

function permute(position: number, list: number, atRest: AtRest): number {
  const key = Buffer.from(atRest.index("status.slot", String(list)), "base64url");
  const odd = key.readUInt16BE(0) | 1;
  return (position * odd + key.readUInt16BE(2)) % LIST_SIZE;
}

export interface StatusIssuerOptions {
  readonly db: ConsentDb;
  /** The authority's issuer URL. */
  readonly issuer: string;
  readonly clock: Clock;
  /** How long a list counts (`exp`, `ttl`). Default 60 s. */
  readonly ttlSeconds?: number;
  /** How long one built list is handed out before it is built again. Default 1 s. */
  readonly rebuildMs?: number;
  readonly signingKey: () => { readonly kid: string; readonly privateKey: KeyObject };
}

export interface SignedStatusList {
  readonly uri: string;
  readonly token: string;
}

interface Built extends SignedStatusList {
  readonly builtAt: number;
}

/** Builds, signs and hands out the lists. */
export class StatusIssuer {
  readonly ttlSeconds: number;
  readonly #options: StatusIssuerOptions;
  readonly #rebuildMs: number;
  readonly #built = new Map<number, Promise<Built>>();

  constructor(options: StatusIssuerOptions) {
    this.#options = options;
    this.ttlSeconds = options.ttlSeconds ?? 60;
    this.#rebuildMs = options.rebuildMs ?? 1000;
  }

  uri(list: number): string {
    return new URL(`/status-lists/${list}`, this.#options.issuer).href;
  }

  /** Every list there is (there is always list 0), each as `signed` gives it. */
  async all(): Promise<SignedStatusList[]> {
    const { next } = await this.#options.db
      .selectFrom("status_counter")
      .select("next")
      .executeTakeFirstOrThrow();
    const lists = Math.max(1, Math.ceil(next / LIST_SIZE));
    return Promise.all(Array.from({ length: lists }, (_, list) => this.signed(list)));
  }

  /** The signed list, at most `rebuildMs` behind the database. */
  async signed(list: number): Promise<SignedStatusList> {
    const held = await this.#built.get(list);
    if (held !== undefined && this.#options.clock.nowMs() - held.builtAt < this.#rebuildMs)
      return held;
    return this.rebuild(list);
  }

  /** Past the cache: what was committed before this call is in the answer. */
  async rebuild(list: number): Promise<SignedStatusList> {
    const building = this.#build(list);
    this.#built.set(list, building);
    building.catch(() => this.#built.delete(list));
    return building;
  }

  async #build(list: number): Promise<Built> {
    const { db, clock, issuer } = this.#options;
    const builtAt = clock.nowMs();
    const rows = await db
      .selectFrom("consent")
      .select(["status_index", "state", "expires_at"])
      .where("status_list", "=", list)
      .where((eb) => eb.or([eb("state", "!=", "ACTIVE"), eb("expires_at", "<=", builtAt)]))
      .execute();
    // A slot that no consent holds is valid: a consent given a moment ago works before the next list arrives. A token
    // always names a slot that was handed out, and the authority looks at its own live state before it releases.
    const bits = StatusList.ofSize(LIST_SIZE);
    for (const row of rows) {
      const over = row.expires_at <= builtAt;
      bits.set(row.status_index as number, over ? STATUS.revoked : statusOf(row.state));
    }
    const uri = this.uri(list);
    const terms = { uri, issuer, ttlSeconds: this.ttlSeconds };
    // `iat` is when the database was read, not when the signature was made.
    const token = await signStatusList(bits, terms, this.#options.signingKey(), {
      nowMs: () => builtAt,
    });
    return { uri, token, builtAt };
  }
}

function statusOf(state: string): Status {
  switch (state) {
    case "ACTIVE":
      return STATUS.valid;
    case "PAUSED":
      return STATUS.paused;
    case "CONSUMED":
      return STATUS.consumed;
    default:
      return STATUS.revoked;
  }
}
