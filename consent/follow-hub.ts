// Pushes the federation's state to gateway and nodes: epochs as they open, status lists as they change and before
// they grow stale. Each follower gets everything once, then every change.
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Logger } from "../core/log.ts";
import type { FederationUpdate } from "../proto/index.ts";
import type { Epoch, EpochKeeper } from "./epochs.ts";
import type { ConsentLedger } from "./ledger.ts";
import type { StatusIssuer } from "./status-slots.ts";

/** A change of consents reaches the followers within this, however many there are. */
const PUSH_WITHIN_MS = 250;

export interface FollowHubParts {
  readonly epochs: EpochKeeper;
  readonly statusLists: StatusIssuer;
  readonly ledger: ConsentLedger;
  readonly log: Logger;
}

type Follower = Pick<ServerWritableStream<unknown, unknown>, "write">;

export class FollowHub implements Disposable {
  readonly #parts: FollowHubParts;
  readonly #followers = new Set<Follower>();
  readonly #resources = new DisposableStack();
  #pushScheduled = false;

  constructor(parts: FollowHubParts) {
    this.#parts = parts;
    this.#resources.use(parts.epochs.onOpened((epoch) => this.#broadcast(epochUpdate(epoch))));
    this.#resources.use(parts.ledger.onChange(() => this.#schedulePush()));
    // Three times in a list's life: one lost push does not close the federation.
    const refresh = setInterval(() => this.#push(), (parts.statusLists.ttlSeconds * 1000) / 3);
    this.#resources.defer(() => clearInterval(refresh));
  }

  /** Sends everything there is now, then keeps the follower informed until its stream closes. */
  async follow(stream: ServerWritableStream<unknown, unknown>): Promise<void> {
    stream.on("close", () => this.#followers.delete(stream));
    stream.on("cancelled", () => {
      this.#followers.delete(stream);
      stream.end();
    });
    for (const epoch of this.#parts.epochs.all()) stream.write(epochUpdate(epoch));
    this.#followers.add(stream);
    for (const list of await this.#parts.statusLists.all()) stream.write({ status_list: list });
  }

  #schedulePush(): void {
    if (this.#pushScheduled) return;
    this.#pushScheduled = true;
    setTimeout(() => {
      this.#pushScheduled = false;
      this.#push();
    }, PUSH_WITHIN_MS);
  }

  #push(): void {
    if (this.#followers.size === 0) return;
    this.#rebuildAll().then(
      (lists) => {
        for (const list of lists) this.#broadcast({ status_list: list });
      },
      (error: unknown) => this.#parts.log.error({ err: error }, "status lists were not built"),
    );
  }

  async #rebuildAll() {
    const known = await this.#parts.statusLists.all();
    return await Promise.all(known.map((_, list) => this.#parts.statusLists.rebuild(list)));
  }

  #broadcast(update: object): void {
    for (const follower of this.#followers) follower.write(update);
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
    this.#followers.clear();
  }
}

function epochUpdate(epoch: Epoch): Pick<Extract<FederationUpdate, { update: "epoch" }>, "epoch"> {
  return { epoch: { roster: epoch.signedRoster, he_public_key: epoch.publicKey } };
}
