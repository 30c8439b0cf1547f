// The authority's root public key as configured at every party: what a roster must be signed with.
import type { KeyObject } from "node:crypto";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { importPublic, PublicP256Jwk } from "../crypto/index.ts";

/** @throws WjfError `secret-missing`, `config-invalid`. */
export function readTrustAnchor(path: string): KeyObject {
  const text = readSecretFile(path).toString("utf8");
  return importPublic(parseJsonWith(PublicP256Jwk, text, "config-invalid", path));
}
