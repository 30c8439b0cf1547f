// The sandbox's institution: keys under WJF_HOME/institutions/demo-bank, registered with the authority on first run.
import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { type Settings } from "../core/config.ts";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { PrivateP256Jwk } from "../crypto/index.ts";
import { DEMO_PURPOSES } from "./prepared.ts";
import { generateClientKeys, keyFolder, registered } from "./client-keys.ts";
import {
  addClient,
  allowMore,
  findClient,
  readTrustAnchor,
  withConsentDatabase,
} from "../consent/index.ts";

export const DEMO_CLIENT_ID = "demo-bank";

export interface InstitutionKeys {
  readonly clientId: string;
  /** Signs client assertions and DPoP proofs. */
  readonly signing: PrivateP256Jwk;
  /** Opens sealed answers. */
  readonly encryption: PrivateP256Jwk;
  /** The authority's root key: what a roster must be signed with before claims are sealed to its group key. */
  readonly trustAnchor: KeyObject;
}

/** @throws WjfError `secret-missing`, `config-invalid`. */
export function readInstitutionKeys(home: string, clientId = DEMO_CLIENT_ID): InstitutionKeys {
  const read = (name: string): PrivateP256Jwk => {
    const path = join(keyFolder(home, clientId), name);
    const text = readSecretFile(path).toString("utf8");
    return parseJsonWith(PrivateP256Jwk, text, "config-invalid", path);
  };
  return {
    clientId,
    signing: read("signing.jwk"),
    encryption: read("encryption.jwk"),
    trustAnchor: readTrustAnchor(join(keyFolder(home, clientId), "trust.jwk")),
  };
}

export async function registerDemoInstitution(settings: Settings): Promise<void> {
  const folder = keyFolder(settings.home, DEMO_CLIENT_ID);
  if (!existsSync(join(folder, "signing.jwk"))) {
    generateClientKeys(settings.home, DEMO_CLIENT_ID).save();
  }
  const keys = readInstitutionKeys(settings.home);
  const products = [...loadCatalogue().products.values()].map(({ ref }) => ref);
  await withConsentDatabase(settings, async (db) => {
    if ((await findClient(db, DEMO_CLIENT_ID)) !== undefined) {
      // Registered by an older version, which had fewer of both.
      const more = { products, purposes: DEMO_PURPOSES };
      return await allowMore(db, systemClock, DEMO_CLIENT_ID, more);
    }
    await addClient(db, systemClock, {
      client_id: DEMO_CLIENT_ID,
      name: "示例银行 Demo Bank",
      contact: "privacy@demo-bank.example",
      jwks: { keys: [registered(keys.signing, "sig"), registered(keys.encryption, "enc")] },
      products,
      purposes: [...DEMO_PURPOSES],
    });
  });
}
