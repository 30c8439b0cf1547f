// A province's own keys: one signs its receipts, one makes its masks. The pair in force lies in the secrets folder, a pair that is to
// follow it in `next/`; which of them serves an epoch is what that epoch's roster says, so that a key changes without
// a restart. The old pair is destroyed when no epoch in force names it.
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { KeyObject } from "node:crypto";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import {
  generateP256,
  generateX25519,
  importPrivate,
  PrivateP256Jwk,
  PrivateX25519Jwk,
  publicP256,
  publicX25519,
  type RosterProvince,
} from "../crypto/index.ts";

/** What a node tells the authority's operator, to be put into the roster. */
export type NodeEnrolment = Pick<RosterProvince, "signing_key" | "mask_key">;

export interface OwnPair {
  readonly signingKey: KeyObject;
  readonly maskKey: PrivateX25519Jwk;
}

const SIGNING = "signing.jwk";
const MASK = "mask.jwk";
const NEXT = "next";

/** Makes a node's first keys. A signing key that is there, from a run that a crash has cut short, stays. */
export function createNodeKeys(folder: string): NodeEnrolment {
  if (!existsSync(join(folder, SIGNING))) {
    writeSecretFile(join(folder, SIGNING), JSON.stringify(generateP256("sig")));
  }
  writeSecretFile(join(folder, MASK), JSON.stringify(generateX25519()));
  return enrolment(folder);
}

/** The mask key is made last. */
export function hasNodeKeys(folder: string): boolean {
  return existsSync(join(folder, MASK));
}

/** As they are, or made where there are none. @throws WjfError `secret-missing`, `config-invalid`. */
export function enrolNode(folder: string): NodeEnrolment {
  return hasNodeKeys(folder) ? enrolment(folder) : createNodeKeys(folder);
}

/**
 * Makes the pair that is to follow. Until it is in force, asking again gives the same: its public half may have been sent.
 * @throws WjfError `secret-missing` where there are no first keys.
 */
export function renewNodeKeys(folder: string): NodeEnrolment {
  readPair(folder);
  return enrolNode(join(folder, NEXT));
}

function enrolment(folder: string): NodeEnrolment {
  const { signing, mask } = readPair(folder);
  return { signing_key: publicP256(signing), mask_key: publicX25519(mask) };
}

/** @throws WjfError `secret-missing`, `config-invalid`. */
function readPair(folder: string) {
  return { signing: readSigning(folder), mask: readMask(folder) };
}

function readSigning(folder: string): PrivateP256Jwk {
  const text = readSecretFile(join(folder, SIGNING)).toString("utf8");
  return parseJsonWith(PrivateP256Jwk, text, "config-invalid", SIGNING);
}

function readMask(folder: string): PrivateX25519Jwk {
  const text = readSecretFile(join(folder, MASK)).toString("utf8");
  return parseJsonWith(PrivateX25519Jwk, text, "config-invalid", MASK);
}

/** The pair in force. @throws WjfError `secret-missing`, `config-invalid`. */
export function readOwnPair(folder: string): OwnPair {
  const { signing, mask } = readPair(folder);
  return { signingKey: importPrivate(signing), maskKey: mask };
}

/** Of one node process. Each key is looked for by itself: a crash may have come between moving one and the other. */
export class OwnKeys {
  readonly #places: readonly [present: string, next: string];

  /** @throws WjfError `secret-missing`, `config-invalid`. */
  constructor(folder: string) {
    readPair(folder);
    this.#places = [folder, join(folder, NEXT)];
  }

  /** The pair that a roster names: read anew, since it may be new. @throws WjfError `secret-missing`. */
  of({ signing_key, mask_key }: NodeEnrolment): OwnPair {
    const signing = this.#held(SIGNING, readSigning).find(({ x }) => x === signing_key.x);
    const mask = this.#held(MASK, readMask).find(({ x }) => x === mask_key.x);
    if (signing === undefined || mask === undefined) {
      throw new WjfError("secret-missing", "the keys that the roster names for this province");
    }
    return { signingKey: importPrivate(signing), maskKey: mask };
  }

  /** The private half of a mask key of this province's. @throws WjfError `secret-missing` when it is held no more. */
  maskKey({ x }: NodeEnrolment["mask_key"]): PrivateX25519Jwk {
    const held = this.#held(MASK, readMask).find((key) => key.x === x);
    if (held === undefined) throw new WjfError("secret-missing", "a mask key of this province");
    return held;
  }

  /** Ends a key once everything in force names the one that was to follow. @param entries this province's, of each epoch. */
  settle(entries: readonly NodeEnrolment[]): void {
    const [present, next] = this.#places;
    if (entries.length === 0 || !existsSync(next)) return;
    const follows = <Key extends { x: string }>(
      name: string,
      read: (folder: string) => Key,
      named: (entry: NodeEnrolment) => Key["x"],
    ): void => {
      if (!existsSync(join(next, name))) return;
      const { x } = read(next);
      if (entries.every((entry) => named(entry) === x)) {
        renameSync(join(next, name), join(present, name));
      }
    };
    follows(SIGNING, readSigning, ({ signing_key }) => signing_key.x);
    follows(MASK, readMask, ({ mask_key }) => mask_key.x);
  }

  #held<Key>(name: string, read: (folder: string) => Key): Key[] {
    return this.#places.filter((place) => existsSync(join(place, name))).map(read);
  }
}
