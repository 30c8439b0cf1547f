// A party's folder of model packages, and the catalogue with them on top. The folder is looked at again when it has
// changed, at most once a second, so that a package takes effect without a restart; a file that does not verify is
// left out and reported, and never takes anything else down. Files only ever appear whole (by rename).
import type { KeyObject } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import type { Catalogue } from "./catalogue.ts";
import { withPackage } from "./link-package.ts";
import { loadCatalogue } from "./load.ts";
import {
  type AdmittedPackage,
  openAdmitted,
  type PackageFile,
  parsePackageFile,
} from "./package.ts";

const SUFFIX = ".package.json";
const LOOK_AGAIN_MS = 1000;

/** `models/` of a party's own folder. */
export function packageFolder(partyFolder: string): string {
  return join(partyFolder, "models");
}

export interface PackageFault {
  readonly file: string;
  readonly error: WjfError;
}

/** Every package in the folder that verifies, oldest version of an id first; and the files that do not. */
export function readPackages(
  folder: string,
  authorityKey: KeyObject,
): { readonly packages: readonly AdmittedPackage[]; readonly faults: readonly PackageFault[] } {
  const packages: AdmittedPackage[] = [];
  const faults: PackageFault[] = [];
  for (const file of packageFiles(folder)) {
    try {
      const json = readFileSync(join(folder, file), "utf8");
      packages.push(openAdmitted(parsePackageFile(json), authorityKey));
    } catch (error) {
      if (!(error instanceof WjfError)) throw error;
      faults.push({ file, error });
    }
  }
  packages.sort((a, b) => order(a).localeCompare(order(b)) || version(a) - version(b));
  return { packages, faults };
}

const order = ({ body }: AdmittedPackage): string => body.model.id;
const version = ({ body }: AdmittedPackage): number => body.model.version;

function packageFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(SUFFIX));
  } catch {
    return [];
  }
}

/** Puts an admitted package into a party's folder. A version that is there stays as it is. */
export function installPackage(folder: string, file: PackageFile, authorityKey: KeyObject): string {
  const { ref, sha256 } = openAdmitted(file, authorityKey);
  const present = readPackages(folder, authorityKey).packages.find((each) => each.ref === ref);
  if (present !== undefined && present.sha256 !== sha256) {
    throw new WjfError("model-invalid", `${ref}: another package has this id and version`);
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${ref.replace(":", "-")}${SUFFIX}`);
  writeSecretFile(path, `${JSON.stringify(file, null, 2)}\n`);
  return path;
}

export interface LiveCatalogueParts {
  /** See {@link packageFolder}. */
  readonly folder: string;
  readonly authorityKey: KeyObject;
  readonly clock: Clock;
  readonly onFault: (fault: PackageFault) => void;
}

/** The catalogue of the moment: what it gives is immutable, and may be another thing at the next request. */
export class LiveCatalogue implements Catalogue {
  readonly #parts: LiveCatalogueParts;
  readonly #base: Catalogue;
  #current: Catalogue;
  #seen = "";
  #lookAt = -Infinity;

  constructor(parts: LiveCatalogueParts, base: Catalogue = loadCatalogue()) {
    this.#parts = parts;
    this.#base = base;
    this.#current = base;
  }

  get version() {
    return this.current().version;
  }
  get indicators() {
    return this.current().indicators;
  }
  get indicatorById() {
    return this.current().indicatorById;
  }
  get positions() {
    return this.current().positions;
  }
  get views() {
    return this.current().views;
  }
  get lists() {
    return this.current().lists;
  }
  get verifications() {
    return this.current().verifications;
  }
  get subScores() {
    return this.current().subScores;
  }
  get models() {
    return this.current().models;
  }
  get tagClasses() {
    return this.current().tagClasses;
  }
  get products() {
    return this.current().products;
  }
  get watches() {
    return this.current().watches;
  }
  get reasons() {
    return this.current().reasons;
  }
  get digest() {
    return this.current().digest;
  }

  current(): Catalogue {
    const now = this.#parts.clock.nowMs();
    if (now < this.#lookAt) return this.#current;
    this.#lookAt = now + LOOK_AGAIN_MS;
    const stamp = stampOf(this.#parts.folder);
    if (stamp === this.#seen) return this.#current;
    this.#seen = stamp;
    this.#current = this.#read();
    return this.#current;
  }

  #read(): Catalogue {
    const { folder, authorityKey, onFault } = this.#parts;
    const { packages, faults } = readPackages(folder, authorityKey);
    faults.forEach(onFault);
    return packages.reduce((catalogue, each) => {
      try {
        return withPackage(catalogue, each);
      } catch (error) {
        if (!(error instanceof WjfError)) throw error;
        onFault({ file: each.ref, error });
        return catalogue;
      }
    }, this.#base);
  }
}

/** A folder's time changes when a file in it is added, replaced or removed; the names, because clocks are coarse. */
function stampOf(folder: string): string {
  const stat = statSync(folder, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "" : [stat.mtimeNs, ...packageFiles(folder)].join("/");
}
