// The authority's key files. Its root key signs rosters and is everybody's trust anchor; the token key signs consent
// tokens and status lists; the admission key what nodes may take unverified; the log keys sign checkpoints; the storage key seals what is kept at rest.
import {
  generateKeyPairSync,
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  randomBytes,
} from "node:crypto";
import { join } from "node:path";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import {
  generateP256,
  importPrivate,
  PrivateP256Jwk,
  publicP256,
  type PublicP256Jwk,
} from "../crypto/index.ts";
import {
  createSigningKeys,
  loadSigningKeys,
  type PublicTokenKey,
  publicTokenKeys,
  saveSigningKeys,
  type SigningKeySet,
} from "./oidc/signing-keys.ts";

export interface AuthorityPublicKeys {
  readonly root: PublicP256Jwk;
  readonly admission: PublicP256Jwk;
  readonly tokenKeys: readonly PublicTokenKey[];
}

export interface AuthoritySecrets {
  readonly rootKey: KeyObject;
  readonly rootPublicKey: KeyObject;
  readonly rootJwk: PublicP256Jwk;
  /** Signs admissions and batch manifests. */
  readonly admissionKey: KeyObject;
  readonly tokenKeys: SigningKeySet;
  readonly storageKey: Buffer;
  readonly subjectKey: Buffer;
  readonly subjectMasterKey: Buffer;
  /** Ed25519, and ML-DSA-44 beside it. */
  readonly logKeys: readonly KeyObject[];
}

const LOG_KEYS = ["log-ed25519.pem", "log-ml-dsa-44.pem"];
export const TOKEN_KEYS = "token-keys.json";

export async function createAuthorityKeys(folder: string): Promise<AuthorityPublicKeys> {
  const root = generateP256("sig");
  const admission = generateP256("sig");
  const tokenKeys = await createSigningKeys();
  writeSecretFile(join(folder, "root.jwk"), JSON.stringify(root));
  writeSecretFile(join(folder, "admission.jwk"), JSON.stringify(admission));
  saveSigningKeys(join(folder, TOKEN_KEYS), tokenKeys);
  for (const name of ["storage.key", "subject.key", "subject-master.key"]) {
    writeSecretFile(join(folder, name), randomBytes(32));
  }
  const pairs = [generateKeyPairSync("ed25519"), generateKeyPairSync("ml-dsa-44")];
  for (const [i, { privateKey }] of pairs.entries()) {
    const pem = privateKey.export({ format: "pem", type: "pkcs8" });
    writeSecretFile(join(folder, LOG_KEYS[i] as string), pem);
  }
  return {
    root: publicP256(root),
    admission: publicP256(admission),
    tokenKeys: publicTokenKeys(tokenKeys),
  };
}

/** @throws WjfError `secret-missing`, `config-invalid`. */
export function readAuthoritySecrets(folder: string): AuthoritySecrets {
  const root = readPrivateJwk(folder, "root.jwk");
  const rootKey = importPrivate(root);
  return {
    rootKey,
    rootPublicKey: createPublicKey(rootKey),
    rootJwk: publicP256(root),
    admissionKey: importPrivate(readPrivateJwk(folder, "admission.jwk")),
    tokenKeys: loadSigningKeys(join(folder, TOKEN_KEYS)),
    storageKey: readSecretFile(join(folder, "storage.key")),
    subjectKey: readSecretFile(join(folder, "subject.key")),
    subjectMasterKey: readSecretFile(join(folder, "subject-master.key")),
    logKeys: LOG_KEYS.map((name) => createPrivateKey(readSecretFile(join(folder, name)))),
  };
}

function readPrivateJwk(folder: string, name: string): PrivateP256Jwk {
  const text = readSecretFile(join(folder, name)).toString("utf8");
  return parseJsonWith(PrivateP256Jwk, text, "config-invalid", name);
}
