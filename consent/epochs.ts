// Key epochs: each has its own homomorphic key pair and a signed roster. The authority keeps them in files (secret
// halves 0600), opens a new one by time and by number of releases, and lets the old one overlap, so that a fan-out under
// way is still released. DESIGN §3 "Keys". Reads secret keys, but cannot decrypt: that is consent/release/.
// Several replicas may share the folder: an epoch appears in it whole or not at all, and each number once.
import { type KeyObject, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { sha256Hex } from "../core/canonical.ts";
import { type Clock, nowSeconds } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { parseJsonWith } from "../core/parse.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { digestRoster, type HeScheme, Roster, signRoster } from "../crypto/index.ts";
import {
  dropEpoch,
  dropUnfinished,
  type Epoch,
  epochNumbers,
  hasEpoch,
  loadEpoch,
  ofOtherParameters,
} from "./epoch-files.ts";
import { EpochUse } from "./epoch-use.ts";

export type { Epoch };

/** What the authority's operator fixes about the federation: everything of a roster but the epoch's own. */
export const Federation = Roster.pick({
  issuer: true,
  audience: true,
  token_keys: true,
  gateway_key: true,
  admission_key: true,
  group_key: true,
  provinces: true,
});
export type Federation = z.infer<typeof Federation>;

/** @throws WjfError `config-invalid`. */
export function readFederation(path: string): Federation {
  if (!existsSync(path)) throw new WjfError("config-invalid", `${path}: not found`);
  return parseJsonWith(Federation, readFileSync(path, "utf8"), "config-invalid", path);
}

export interface EpochTerms {
  /** How long an epoch opens new fan-outs. */
  readonly lifetimeS: number;
  /** How long after that it still releases. */
  readonly overlapS: number;
  /** Releases after which the next one is opened, or fan-outs. */
  readonly maxReleases: number;
}

export const EPOCH_OVERLAP_S = 600;

export interface EpochKeeperOptions {
  readonly folder: string;
  readonly scheme: HeScheme;
  readonly federation: () => Federation;
  /** Signs rosters; its public half is every party's trust anchor. */
  readonly rootKey: KeyObject;
  readonly rootPublicKey: KeyObject;
  readonly clock: Clock;
  readonly terms: EpochTerms;
  readonly log: Pick<Logger, "warn">;
}

/** All epochs that may still release. One keeper in each replica, over one folder. */
export class EpochKeeper {
  readonly #options: EpochKeeperOptions;
  readonly terms: EpochTerms;
  readonly #epochs = new Map<number, Epoch>();
  readonly #listeners = new Set<(epoch: Epoch) => void>();
  readonly #use: EpochUse;

  private constructor(options: EpochKeeperOptions) {
    this.#options = options;
    this.#use = new EpochUse(options.folder);
    this.terms = options.terms;
  }

  /** Loads what is there and opens an epoch if none is in force. @throws WjfError `secret-missing`. */
  static async open(options: EpochKeeperOptions): Promise<EpochKeeper> {
    const keeper = new EpochKeeper(options);
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    dropUnfinished(options.folder, options.clock);
    const unusable = await ofOtherParameters(options.folder, options.rootPublicKey);
    for (const number of unusable) keeper.#drop(number);
    if (unusable.length > 0) {
      options.log.warn({ epochs: unusable }, "epochs of other homomorphic parameters are dropped");
    }
    await keeper.rotateIfDue();
    return keeper;
  }

  /** Takes over what other replicas have opened or ended in the folder. */
  async refresh(): Promise<void> {
    const { folder, rootPublicKey } = this.#options;
    const present = epochNumbers(folder);
    for (const number of this.#epochs.keys()) {
      if (!present.includes(number)) this.#epochs.delete(number);
    }
    for (const number of present) {
      if (this.#epochs.has(number)) continue;
      let epoch;
      try {
        epoch = await loadEpoch(folder, number, rootPublicKey);
      } catch (error) {
        if (hasEpoch(folder, number)) throw error;
        continue;
      }
      // Another call may have been quicker.
      if (this.#epochs.has(epoch.number)) continue;
      this.#epochs.set(epoch.number, epoch);
      for (const listener of this.#listeners) listener(epoch);
    }
  }

  /** In ascending order. */
  all(): readonly Epoch[] {
    return [...this.#epochs.values()].toSorted((a, b) => a.number - b.number);
  }

  current(): Epoch {
    const newest = this.all().at(-1);
    if (newest === undefined) throw new WjfError("federation-unavailable");
    return newest;
  }

  /** @throws WjfError `epoch-unknown` unless this epoch may release now. */
  inForce(number: number): Epoch {
    const epoch = this.#epochs.get(number);
    if (epoch === undefined || nowSeconds(this.#options.clock) >= epoch.roster.not_after) {
      throw new WjfError("epoch-unknown");
    }
    return epoch;
  }

  /** Under the newest epoch, by all keepers of the folder, ever. */
  get releases(): number {
    return this.#use.of(this.current().number, "releases");
  }

  countReleases({ number }: Pick<Epoch, "number">, releases: number): void {
    this.#use.add(number, "releases", releases);
  }

  /** Admitted ones: nodes remember twice `maxReleases` of an epoch, and not every one comes to be released. */
  countFanOuts({ number }: Pick<Epoch, "number">, fanOuts: number): void {
    this.#use.add(number, "fan-outs", fanOuts);
  }

  /** Calls back for every epoch that this keeper opens or finds from now on, until disposed. */
  onOpened(listener: (epoch: Epoch) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Opens the next epoch when the present one is old, used up, or its federation has changed; forgets the expired. */
  async rotateIfDue(): Promise<Epoch | undefined> {
    const now = nowSeconds(this.#options.clock);
    await this.refresh();
    for (const [number, { roster }] of this.#epochs) {
      if (roster.not_after + this.terms.overlapS <= now) this.#drop(number);
    }
    const newest = this.all().at(-1);
    const due =
      newest === undefined ||
      now >= newest.roster.not_after - this.terms.overlapS ||
      this.#use.most(newest.number) >= this.terms.maxReleases ||
      !isSameFederation(newest.roster, this.#options.federation());
    return due ? await this.#openNext((newest?.number ?? this.#lastNumber()) + 1, now) : undefined;
  }

  /** Ends an epoch at once and opens the next. Fan-outs under way fail, and are asked again under the new one. */
  async retire(number: number): Promise<Epoch> {
    this.#drop(number);
    const next = Math.max(number, this.#lastNumber()) + 1;
    return await this.#openNext(next, nowSeconds(this.#options.clock));
  }

  /** The secret key goes with the epoch: recorded traffic stays closed. Another keeper may just count in there: then once more. */
  #drop(number: number): void {
    dropEpoch(this.#options.folder, number);
    this.#epochs.delete(number);
  }

  async #openNext(number: number, now: number): Promise<Epoch> {
    const { folder, scheme, federation, rootKey } = this.#options;
    const { publicKey, secretKey } = scheme.generateKeys();
    const { plainModulus, polyModulusDegree, coeffModulus } = scheme.parameters;
    const roster: Roster = {
      ...federation(),
      epoch: number,
      not_before: now,
      not_after: now + this.terms.lifetimeS + this.terms.overlapS,
      he: {
        scheme: "bfv",
        poly_modulus_degree: polyModulusDegree,
        coeff_modulus: coeffModulus,
        plain_modulus: plainModulus,
        public_key_sha256: sha256Hex(publicKey),
      },
    };
    const made = join(folder, `new-${randomUUID()}`);
    writeSecretFile(join(made, "secret.key"), secretKey);
    writeSecretFile(join(made, "public.key"), publicKey);
    writeSecretFile(join(made, "roster.jws"), await signRoster(roster, rootKey));
    this.#publish(made, number);
    await this.refresh();
    return this.current();
  }

  /** One replica's epoch becomes the one of this number; another's, made at the same time, is dropped. */
  #publish(made: string, number: number): void {
    const { folder } = this.#options;
    try {
      renameSync(made, join(folder, String(number)));
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    }
    writeSecretFile(join(folder, "last"), String(number));
  }

  /** Epochs of which `markLogged` was never called: a crash can come between opening one and logging that. */
  unlogged(): readonly Epoch[] {
    return this.all().filter(({ number }) => !existsSync(this.#loggedPath(number)));
  }

  markLogged({ number }: Epoch): void {
    if (this.#epochs.has(number)) writeSecretFile(this.#loggedPath(number), "");
  }

  #loggedPath(number: number): string {
    return join(this.#options.folder, String(number), "logged");
  }

  #lastNumber(): number {
    const path = join(this.#options.folder, "last");
    return existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
  }
}

function isSameFederation(roster: Roster, federation: Federation): boolean {
  const digest = (value: Roster): string => digestRoster(value).digest.toString("hex");
  return digest(roster) === digest({ ...roster, ...federation });
}
