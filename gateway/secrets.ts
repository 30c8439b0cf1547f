// The gateway's key files: the key that signs merge commitments, and the authority's public root key.
import type { KeyObject } from "node:crypto";
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

/** Makes the gateway's keys; the public half goes into the roster. */
export function createGatewayKeys(folder: string, trustAnchor: PublicP256Jwk): PublicP256Jwk {
  const signing = generateP256("sig");
  writeSecretFile(join(folder, "signing.jwk"), JSON.stringify(signing));
  writeSecretFile(join(folder, "trust.jwk"), JSON.stringify(trustAnchor));
  return publicP256(signing);
}

/** @throws WjfError `secret-missing`, `config-invalid`. */
export function readGatewayKey(folder: string): KeyObject {
  const text = readSecretFile(join(folder, "signing.jwk")).toString("utf8");
  return importPrivate(parseJsonWith(PrivateP256Jwk, text, "config-invalid", "signing.jwk"));
}
