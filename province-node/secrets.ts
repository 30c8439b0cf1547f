// A province's key files: its own signing and mask keys, and what the authority deals to every node (the subject keys
// and the group key). All 0600, all refused otherwise.
import { join } from "node:path";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import {
  generateP256,
  generateX25519,
  importPrivate,
  PrivateP256Jwk,
  PrivateX25519Jwk,
  publicP256,
  type PublicP256Jwk,
  publicX25519,
  type PublicX25519Jwk,
} from "../crypto/index.ts";
import type { NodeSecrets } from "./answer.ts";

/** What a node tells the authority's operator, to be put into the roster. */
export interface NodeEnrolment {
  readonly signing_key: PublicP256Jwk;
  readonly mask_key: PublicX25519Jwk;
}

/** What the authority's operator hands to every node over a safe channel. */
export interface DealtKeys {
  readonly subjectKey: Buffer;
  readonly subjectMasterKey: Buffer;
  readonly groupKey: PrivateP256Jwk;
  readonly trustAnchor: PublicP256Jwk;
}

/** Makes this node's own keys. */
export function createNodeKeys(folder: string): NodeEnrolment {
  const signing = generateP256("sig");
  const mask = generateX25519();
  writeSecretFile(join(folder, "signing.jwk"), JSON.stringify(signing));
  writeSecretFile(join(folder, "mask.jwk"), JSON.stringify(mask));
  return { signing_key: publicP256(signing), mask_key: publicX25519(mask) };
}

export function storeDealtKeys(folder: string, keys: DealtKeys): void {
  writeSecretFile(join(folder, "subject.key"), keys.subjectKey);
  writeSecretFile(join(folder, "subject-master.key"), keys.subjectMasterKey);
  writeSecretFile(join(folder, "group.jwk"), JSON.stringify(keys.groupKey));
  writeSecretFile(join(folder, "trust.jwk"), JSON.stringify(keys.trustAnchor));
}

/** @throws WjfError `secret-missing`, `config-invalid`. */
export function readNodeSecrets(folder: string): NodeSecrets {
  const text = (name: string): string => readSecretFile(join(folder, name)).toString("utf8");
  const p256 = (name: string): PrivateP256Jwk =>
    parseJsonWith(PrivateP256Jwk, text(name), "config-invalid", name);
  return {
    signingKey: importPrivate(p256("signing.jwk")),
    maskKey: parseJsonWith(PrivateX25519Jwk, text("mask.jwk"), "config-invalid", "mask.jwk"),
    subjectKey: readSecretFile(join(folder, "subject.key")),
    subjectMasterKey: readSecretFile(join(folder, "subject-master.key")),
    groupKey: importPrivate(p256("group.jwk")),
  };
}
