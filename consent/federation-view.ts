// What a gateway or node knows of the federation: the epochs in force (roster, homomorphic public key) and the status
// lists, as the authority last sent them. Nothing is believed unsigned, and what is not known is refused: fail closed. Who is
// registered is unsigned: it says whom a gateway keeps room for, and nothing of what they may ask.
import type { KeyObject } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Catalogue } from "../catalogue/index.ts";
import { sha256Base64url, sha256Hex } from "../core/canonical.ts";
import { type Clock, nowSeconds } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { importPublic, openRoster, type Roster } from "../crypto/index.ts";
import type { AuthorityClient, FederationUpdate } from "../proto/index.ts";
import type { StatusReference } from "./consent-claims.ts";
import { CLOCK_SKEW_S, type RequestRules } from "./signed-request.ts";
import { StatusListCache } from "./status-list.ts";

/** One epoch as verified: everything a fan-out under it needs. */
export interface EpochView {
  readonly roster: Roster;
  /** The roster as the authority signed it, for whoever wants to check it alone. */
  readonly signedRoster: string;
  /** SHA-256 of the roster. */
  readonly rosterDigest: Buffer;
  readonly hePublicKey: Buffer;
  readonly tokenKeys: ReadonlyMap<string, KeyObject>;
  /** Verifies the authority's admissions and batch manifests. */
  readonly admissionKey: KeyObject;
  /** Verifies each province's receipts, by code. */
  readonly receiptKeys: ReadonlyMap<string, KeyObject>;
}

/** The path of a question; DPoP's `htu` is the audience followed by it. */
export const QUERIES_PATH = "/v1/queries";

export function requestRules(
  epoch: Pick<EpochView, "roster" | "tokenKeys">,
  catalogue: Catalogue,
  maxProofAgeS: number,
  path: string = QUERIES_PATH,
): RequestRules {
  const { issuer, audience } = epoch.roster;
  const url = new URL(path, audience).href;
  const isProduct = (ref: string): boolean => catalogue.products.has(ref);
  return { issuer, audience, tokenKeys: epoch.tokenKeys, url, maxProofAgeS, isProduct };
}

export class FederationView {
  readonly #trustAnchor: KeyObject;
  readonly #clock: Clock;
  readonly #epochs = new Map<number, EpochView>();
  readonly #statusLists: StatusListCache;
  /** SHA-256 of their ids, base64url. */
  #institutions: ReadonlySet<string> = new Set();

  constructor(trustAnchor: KeyObject, clock: Clock) {
    this.#trustAnchor = trustAnchor;
    this.#clock = clock;
    this.#statusLists = new StatusListCache(clock);
  }

  /** @throws WjfError `epoch-unknown` when anything about the update does not verify. */
  async apply(update: FederationUpdate): Promise<void> {
    if (update.update === "epoch") {
      const { roster, he_public_key } = update.epoch;
      const view = await openEpoch(roster, he_public_key, this.#trustAnchor);
      this.#epochs.set(view.roster.epoch, view);
      this.#forgetOld();
    } else if (update.update === "institutions") {
      const { digests } = update.institutions;
      this.#institutions = new Set(digests.map((digest) => digest.toString("base64url")));
    } else {
      const newest = this.#newest();
      if (newest === undefined) throw new WjfError("epoch-unknown", "status list before epoch");
      const { uri, token } = update.status_list;
      await this.#statusLists.update(uri, token, newest.tokenKeys, newest.roster.issuer);
    }
  }

  /** Whether an institution of this id is registered, as far as a gateway was told; a node is not. */
  isInstitution(clientId: string): boolean {
    return this.#institutions.has(sha256Base64url(clientId));
  }

  /** The newest epoch in force. @throws WjfError `federation-unavailable`. */
  current(): EpochView {
    const view = this.#newest();
    if (view === undefined || !this.#inForce(view)) throw new WjfError("federation-unavailable");
    return view;
  }

  /** @throws WjfError `epoch-unknown` unless this epoch is in force. */
  epoch(number: number): EpochView {
    const view = this.#epochs.get(number);
    if (view === undefined || !this.#inForce(view)) throw new WjfError("epoch-unknown");
    return view;
  }

  /** Every epoch under which a fan-out may come. */
  inForce(): readonly EpochView[] {
    return [...this.#epochs.values()].filter((view) => this.#inForce(view));
  }

  /** @throws WjfError `consent-revoked`, `-paused`, `-consumed`; `federation-unavailable` when the list is stale. */
  requireActive(status: StatusReference): void {
    this.#statusLists.requireValid(status);
  }

  /**
   * As `requireActive`, but a consent that is used up passes: its institution may ask for an answer again that it has
   * been given, and only the authority knows.
   */
  requireNotWithdrawn(status: StatusReference): void {
    try {
      this.requireActive(status);
    } catch (error) {
      if (!(error instanceof WjfError && error.code === "consent-consumed")) throw error;
    }
  }

  get ready(): boolean {
    const view = this.#newest();
    return view !== undefined && this.#inForce(view);
  }

  #newest(): EpochView | undefined {
    return this.#epochs.get(Math.max(...this.#epochs.keys()));
  }

  #inForce({ roster }: EpochView): boolean {
    const now = nowSeconds(this.#clock);
    return now >= roster.not_before - CLOCK_SKEW_S && now < roster.not_after;
  }

  #forgetOld(): void {
    const now = nowSeconds(this.#clock);
    for (const [number, { roster }] of this.#epochs) {
      if (roster.not_after < now && this.#epochs.size > 1) this.#epochs.delete(number);
    }
  }
}

async function openEpoch(jws: string, publicKey: Buffer, anchor: KeyObject): Promise<EpochView> {
  const { roster, digest } = await openRoster(jws, anchor);
  if (sha256Hex(publicKey) !== roster.he.public_key_sha256) {
    throw new WjfError("epoch-unknown", "the public key is not the roster's");
  }
  return {
    roster,
    signedRoster: jws,
    rosterDigest: digest,
    hePublicKey: publicKey,
    tokenKeys: new Map(roster.token_keys.map((jwk) => [jwk.kid, importPublic(jwk)])),
    admissionKey: importPublic(roster.admission_key),
    receiptKeys: new Map(roster.provinces.map((p) => [p.code, importPublic(p.signing_key)])),
  };
}

/** How long to wait before following again, in milliseconds. */
const FOLLOW_RETRY_MS = 500;

/** Keeps the view up to date until the signal aborts; the authority may come and go meanwhile. */
export async function followFederation(
  authority: AuthorityClient,
  view: FederationView,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const update of authority.follow(signal)) await view.apply(update);
    } catch (error) {
      log.debug({ err: error }, "the authority is out of reach; following again");
    }
    await delay(FOLLOW_RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
