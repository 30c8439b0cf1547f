// What the authority's rosters are made from, as it changes while the authority runs: the token keys (`wjf keys rotate-token`) and
// the provinces of the federation document (`wjf authority province …`). Both are files that a command replaces whole; they are
// looked at before an epoch is decided about, so that two replicas on one folder never undo each other's change.
import { statSync } from "node:fs";
import { canonicalJson } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { ConsentService } from "./consent-service.ts";
import { type EpochKeeper, type Federation, readFederation } from "./epochs.ts";
import { loadSigningKeys, publicTokenKeys } from "./oidc/signing-keys.ts";

/** How often the files, and whether an epoch is due, are looked at. */
const LOOK_EVERY_MS = 1000;

export interface RosterSourceParts {
  readonly federationPath: string;
  readonly tokenKeysPath: string;
  /** As read at the start. */
  readonly federation: Federation;
  readonly service: Pick<ConsentService, "signingKeys" | "useKeys">;
  readonly log: Logger;
}

export class RosterSources {
  readonly #parts: RosterSourceParts;
  #federation: Federation;
  readonly #stamps = new Map<string, string>();

  constructor(parts: RosterSourceParts) {
    this.#parts = parts;
    this.#federation = parts.federation;
  }

  /** What the next roster says, as the files say it now. A file that cannot be used leaves what was; that is logged once. */
  readonly federation = (): Federation => {
    const { tokenKeysPath, federationPath, service } = this.#parts;
    this.#ifChanged(tokenKeysPath, () => this.#takeTokenKeys(tokenKeysPath));
    this.#ifChanged(federationPath, () => this.#takeFederation(federationPath));
    return { ...this.#federation, token_keys: publicTokenKeys(service.signingKeys) };
  };

  /** Opens an epoch whenever one is due, until disposed. */
  follow(epochs: Pick<EpochKeeper, "rotateIfDue">): Disposable {
    let isRunning = false;
    const looking = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      epochs
        .rotateIfDue()
        .catch((error: unknown) => this.#parts.log.error({ err: error }, "no epoch was opened"))
        .finally(() => (isRunning = false));
    }, LOOK_EVERY_MS);
    return { [Symbol.dispose]: () => clearInterval(looking) };
  }

  #ifChanged(path: string, take: () => void): void {
    const found = statSync(path, { throwIfNoEntry: false });
    const stamp = found === undefined ? "none" : `${found.ino}:${found.size}:${found.mtimeMs}`;
    if (stamp === this.#stamps.get(path)) return;
    this.#stamps.set(path, stamp);
    try {
      take();
    } catch (error) {
      this.#parts.log.error(
        { err: error, path },
        "a file is not used; what it said before goes on",
      );
    }
  }

  #takeTokenKeys(path: string): void {
    const { service, log } = this.#parts;
    const keys = loadSigningKeys(path);
    if (keys.current.kid === service.signingKeys.current.kid) return;
    service.useKeys(keys);
    log.info({ kid: keys.current.kid }, "token keys rotated");
  }

  #takeFederation(path: string): void {
    const read = readFederation(path);
    requireSameButProvinces(read, this.#parts.federation);
    if (canonicalJson(read.provinces) === canonicalJson(this.#federation.provinces)) return;
    this.#federation = read;
    this.#parts.log.info({ provinces: read.provinces.length }, "the roster changes");
  }
}

/** Everything else is also held by parties that have not read the file. */
function requireSameButProvinces(read: Federation, started: Federation): void {
  const rest = ({ provinces: _, token_keys: __, ...other }: Federation) => canonicalJson(other);
  if (rest(read) !== rest(started)) {
    const rule = "only the provinces change while the authority runs; restart it for the rest";
    throw new WjfError("config-invalid", `federation.json: ${rule}`);
  }
}
