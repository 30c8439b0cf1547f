// Admitting a model package: the owner's signature is verified with the key that is registered for it, the version is
// new, and the authority countersigns, so that gateway and provinces need no register of institutions. The owner may
// then ask for consent to the product. Whether a province evaluates it is that province's own decision.
import type { KeyObject } from "node:crypto";
import {
  admitPackage,
  type Catalogue,
  type OpenedPackage,
  openPackage,
  type PackageFile,
  parsePackage,
  withPackage,
} from "../catalogue/index.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { importPublic, PublicP256Jwk } from "../crypto/index.ts";
import { activeClient, allowMore, type ClientKey } from "./clients.ts";
import type { ConsentDb } from "./schema.ts";

export interface ModelAdmissionParts {
  readonly db: ConsentDb;
  /** With the packages that were admitted before. */
  readonly catalogue: Catalogue;
  /** Everybody's trust anchor. */
  readonly rootKey: KeyObject;
  readonly clock: Clock;
}

/** @throws WjfError `model-invalid`, `client-unknown`. */
export async function admitModel(
  file: PackageFile,
  { db, catalogue, rootKey, clock }: ModelAdmissionParts,
): Promise<{ readonly file: PackageFile; readonly opened: OpenedPackage }> {
  // Unverified: only to find whose signature it should be.
  const { owner } = parsePackage(file.package).body;
  const client = await activeClient(db, owner);
  const { opened, key } = openWithOneOf(client.jwks.keys, file);
  // The same package again is no new version: it is countersigned as before.
  if (catalogue.products.get(opened.ref)?.package?.sha256 !== opened.sha256) {
    withPackage(catalogue, opened);
  }
  const { x, y } = key;
  const admission = {
    product: opened.ref,
    package_sha256: opened.sha256,
    owner,
    owner_key: PublicP256Jwk.parse({ kty: "EC", crv: "P-256", x, y, use: "sig" }),
    admitted_at: new Date(clock.nowMs()).toISOString(),
  };
  const admitted = admitPackage(file, admission, rootKey);
  await allowMore(db, clock, owner, { products: [opened.ref] });
  return { file: admitted, opened };
}

function openWithOneOf(keys: readonly ClientKey[], file: PackageFile) {
  for (const key of keys) {
    if (key.use !== "sig") continue;
    try {
      return { opened: openPackage(file, importPublic(key)), key };
    } catch (error) {
      if (!(error instanceof WjfError) || error.detail !== "signature") throw error;
    }
  }
  throw new WjfError("model-invalid", "signature: not by a registered key of the owner");
}
