// Rotation of the token-signing keys: an operator's command writes the key file, and every authority process on it takes the
// new set over within a second or so (roster-sources.ts). The key that signs next is in every roster since before it signs, so tokens of
// the new key verify everywhere at once; the changed set goes out with a new epoch. consent/oidc/signing-keys.ts has the keys.
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { LONGEST_TERM, periodSeconds } from "./consent-claims.ts";
import { newestRoster } from "./epoch-files.ts";
import {
  loadSigningKeys,
  rotateSigningKeys,
  saveSigningKeys,
  type SigningKeySet,
} from "./oidc/signing-keys.ts";
import { TOKEN_KEYS } from "./secrets.ts";

/**
 * Makes the next key the current one and writes the file. The old one stays published for as long as a token that it
 * signed can last.
 * @throws WjfError `config-invalid` while the next key is not yet in the roster in force: nobody would know it.
 */
export async function rotateTokenKeys(
  folder: string,
  rootPublicKey: KeyObject,
  clock: Clock,
): Promise<SigningKeySet> {
  const path = join(folder, "secrets", TOKEN_KEYS);
  const keys = loadSigningKeys(path);
  const roster = await newestRoster(join(folder, "epochs"), rootPublicKey);
  if (roster !== undefined && !roster.token_keys.some(({ kid }) => kid === keys.next.kid)) {
    const rule = "the next key is not in the roster yet; is the authority running?";
    throw new WjfError("config-invalid", `token keys: ${rule}`);
  }
  const rotated = await rotateSigningKeys(keys, clock, periodSeconds(LONGEST_TERM) * 1000);
  saveSigningKeys(path, rotated);
  return rotated;
}
