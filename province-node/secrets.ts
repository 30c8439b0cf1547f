// What the authority deals to every node: the subject keys, the group key, its own root key. All 0600, all refused otherwise.
// A province's own keys are own-keys.ts.
import { join } from "node:path";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { importPrivate, PrivateP256Jwk, type PublicP256Jwk } from "../crypto/index.ts";
import type { NodeSecrets } from "./answer.ts";

/** What the authority's operator hands to every node over a safe channel. */
export interface DealtKeys {
  readonly subjectKey: Buffer;
  readonly subjectMasterKey: Buffer;
  readonly groupKey: PrivateP256Jwk;
  readonly trustAnchor: PublicP256Jwk;
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
    subjectKey: readSecretFile(join(folder, "subject.key")),
    subjectMasterKey: readSecretFile(join(folder, "subject-master.key")),
    groupKey: importPrivate(p256("group.jwk")),
  };
}
