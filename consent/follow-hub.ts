// Pushes the federation's state to gateway and nodes: epochs as they open, status lists as they change and before
// they grow stale; to the gateway also who is registered. Each follower gets everything once, then every change, also those that another process has made in the
// same database (an operator's command, another replica).
import type { ServerWritableStream } from "@grpc/grpc-js";
import { sha256 } from "../core/canonical.ts";
import type { Logger } from "../core/log.ts";
import type { FederationUpdate } from "../proto/index.ts";
import { activeClientIds } from "./clients.ts";
import type { Epoch, EpochKeeper } from "./epochs.ts";
import { type AuthorityDb, type ConsentLedger, consentTables } from "./ledger.ts";
import type { StatusIssuer } from "./status-slots.ts";

/** A change of consents by this process reaches the followers within this, however many there are. */
const PUSH_WITHIN_MS = 250;
/** How often the database, and the epochs' folder, is asked for changes by others. */
const LOOK_EVERY_MS = 500;
/**
 * The gateway hears of an epoch this much later than the nodes, and later than another replica finds it: nobody may be
 * asked under an epoch that they do not know yet.
 */
const GATEWAY_LATER_MS = 2000;

export interface FollowHubParts {
  readonly epochs: EpochKeeper;
  readonly statusLists: StatusIssuer;
  readonly ledger: ConsentLedger;
  readonly db: AuthorityDb;
  readonly log: Logger;
}

type Follower = Pick<ServerWritableStream<unknown, unknown>, "write" | "end">;
type FollowerKind = "gateway" | "node";

export class FollowHub implements Disposable {
  readonly #parts: FollowHubParts;
  readonly #followers = new Map<Follower, FollowerKind>();
  readonly #resources = new DisposableStack();
  #pushScheduled = false;
  /** Who was registered when the gateways were last told, in one line. */
  #institutions: string | undefined;
  /** The log's head when the followers were last told everything. */
  #seen: { readonly size: number; readonly time_ms: number } | undefined;

  constructor(parts: FollowHubParts) {
    this.#parts = parts;
    this.#resources.use(parts.epochs.onOpened((epoch) => this.#sendEpoch(epoch)));
    this.#resources.use(parts.ledger.onChange(() => this.#schedulePush()));
    // Three times in a list's life: one lost push does not close the federation.
    this.#every((parts.statusLists.ttlSeconds * 1000) / 3, async () => this.#push());
    this.#every(LOOK_EVERY_MS, async () => this.#lookForChanges());
    this.#every(LOOK_EVERY_MS, async () => this.#lookForInstitutions());
  }

  /** Sends everything there is now, then keeps the follower informed until its stream closes. */
  async follow(stream: ServerWritableStream<unknown, unknown>, kind: FollowerKind): Promise<void> {
    stream.on("close", () => this.#followers.delete(stream));
    stream.on("cancelled", () => {
      this.#followers.delete(stream);
      stream.end();
    });
    for (const epoch of this.#parts.epochs.all()) stream.write(epochUpdate(epoch));
    this.#followers.set(stream, kind);
    if (kind === "gateway") {
      stream.write(institutionsUpdate(await this.#readInstitutions()));
      // A newer list may have overtaken this one: told again when it looks next.
      this.#institutions = undefined;
    }
    for (const list of await this.#parts.statusLists.all()) stream.write({ status_list: list });
  }

  followers(kind: FollowerKind): number {
    return [...this.#followers.values()].filter((each) => each === kind).length;
  }

  #every(ms: number, work: () => Promise<void>): void {
    const timer = setInterval(() => this.#try(work), ms);
    this.#resources.defer(() => clearInterval(timer));
  }

  #try(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#resources.disposed) return;
      this.#parts.log.error({ err: error }, "the followers were not told");
    });
  }

  #sendEpoch(epoch: Epoch): void {
    this.#broadcast(epochUpdate(epoch), "node");
    const later = setTimeout(
      () => this.#broadcast(epochUpdate(epoch), "gateway"),
      GATEWAY_LATER_MS,
    );
    later.unref();
  }

  #schedulePush(): void {
    if (this.#pushScheduled) return;
    this.#pushScheduled = true;
    setTimeout(() => {
      this.#pushScheduled = false;
      this.#try(async () => this.#push());
    }, PUSH_WITHIN_MS);
  }

  /** Every change of a consent is a leaf, so a log that has not grown says that there is none. */
  async #lookForChanges(): Promise<void> {
    await this.#parts.epochs.refresh();
    const seen = this.#seen;
    const head = await this.#readHead();
    this.#seen = head;
    if (seen === undefined || seen.size === head.size) return;
    const changed = await this.#parts.db
      .selectFrom("consent")
      .select("id")
      // Changes of the same millisecond may have come after the last look.
      .where("changed_at", ">=", seen.time_ms)
      .limit(1)
      .executeTakeFirst();
    if (changed !== undefined) this.#schedulePush();
  }

  /** Registering leaves no leaf, so the log says nothing of it. */
  async #lookForInstitutions(): Promise<void> {
    if (this.followers("gateway") === 0) return;
    const ids = await this.#readInstitutions();
    const line = ids.join(" ");
    if (line !== this.#institutions) this.#broadcast(institutionsUpdate(ids), "gateway");
    this.#institutions = line;
  }

  async #readInstitutions(): Promise<readonly string[]> {
    return await activeClientIds(consentTables(this.#parts.db));
  }

  #readHead() {
    const head = this.#parts.db.selectFrom("log_head").select(["size", "time_ms"]);
    return head.executeTakeFirstOrThrow();
  }

  async #push(): Promise<void> {
    if (this.#followers.size === 0) return;
    // Read before the lists are built: they have all that this head has.
    this.#seen = await this.#readHead();
    for (const list of await this.#rebuildAll()) this.#broadcast({ status_list: list });
  }

  async #rebuildAll() {
    const known = await this.#parts.statusLists.all();
    return await Promise.all(known.map((_, list) => this.#parts.statusLists.rebuild(list)));
  }

  #broadcast(update: object, to?: FollowerKind): void {
    for (const [follower, kind] of this.#followers) {
      if (to === undefined || kind === to) follower.write(update);
    }
  }

  /** Ends every stream: followers find another authority, or this one again, and a server that stops need not wait for them. */
  release(): void {
    for (const follower of this.#followers.keys()) follower.end();
    this.#followers.clear();
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
    this.release();
  }
}

function epochUpdate(epoch: Epoch): Pick<Extract<FederationUpdate, { update: "epoch" }>, "epoch"> {
  return { epoch: { roster: epoch.signedRoster, he_public_key: epoch.publicKey } };
}

/** By digests: a gateway's memory names nobody who does not ask just now. */
function institutionsUpdate(ids: readonly string[]) {
  return { institutions: { digests: ids.map((id) => sha256(id)) } };
}
