// An institution's keys on this machine: WJF_HOME/institutions/<id>, as `wjf ask` uses them. A real institution makes its own
// and sends the public half as a JWK Set.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { partyFolder } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { generateP256, type PrivateP256Jwk, publicP256 } from "../crypto/index.ts";
import type { ClientRegistration } from "../consent/index.ts";

export type Jwks = ClientRegistration["jwks"];

/** What `--jwks FILE` and `--generate` say. */
export interface KeyArguments {
  readonly jwks?: string;
  readonly generate?: boolean;
}

export function keyFolder(home: string, clientId: string): string {
  return join(home, "institutions", clientId);
}

export interface GeneratedKeys {
  readonly folder: string;
  readonly jwks: Jwks;
  /** Writes the private halves: once the authority has taken the public ones. */
  save(): void;
}

export function generateClientKeys(home: string, clientId: string): GeneratedKeys {
  const folder = keyFolder(home, clientId);
  const signing = generateP256("sig");
  const encryption = generateP256("enc");
  return {
    folder,
    jwks: { keys: [registered(signing, "sig"), registered(encryption, "enc")] },
    save() {
      const trust = join(partyFolder(home, "gateway"), "secrets", "trust.jwk");
      writeSecretFile(join(folder, "encryption.jwk"), JSON.stringify(encryption));
      writeSecretFile(join(folder, "trust.jwk"), readSecretFile(trust));
      writeSecretFile(join(folder, "signing.jwk"), JSON.stringify(signing));
    },
  };
}

/** What the authority's registry takes of a key. */
export function registered(key: PrivateP256Jwk, use: "sig" | "enc"): Jwks["keys"][number] {
  const { kty, crv, x, y, kid } = publicP256(key);
  return { kty, crv, x, y, kid: kid ?? use, use };
}

/** @throws WjfError `request-malformed` unless exactly one of the two is given; `data-invalid` for a file that is no JWK Set. */
export function chooseKeys(
  home: string,
  clientId: string,
  { jwks, generate }: KeyArguments,
): { jwks: Jwks; generated?: GeneratedKeys } {
  if ((jwks === undefined) === (generate !== true)) {
    throw new WjfError("request-malformed", "give --jwks FILE or --generate, one of them");
  }
  if (jwks !== undefined) return { jwks: readJwks(jwks) };
  const generated = generateClientKeys(home, clientId);
  return { jwks: generated.jwks, generated };
}

/** The registry checks the keys themselves, and refuses a private one. */
const JwksFile = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

function readJwks(path: string): Jwks {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new WjfError("data-invalid", `${path}: not readable`, { cause });
  }
  return parseJsonWith(JwksFile, text, "data-invalid", path) as unknown as Jwks;
}
