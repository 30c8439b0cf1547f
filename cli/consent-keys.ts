// `wjf keys rotate-token`: see cli/consent-commands.ts. It writes the authority's key file; every running authority on that
// folder takes it over within a second or so (consent/token-keys.ts), and no token stops to verify.
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { partyFolder, readSettings } from "../core/config.ts";
import { readAuthoritySecrets, rotateTokenKeys } from "../consent/index.ts";
import type { Output } from "./output.ts";

export async function rotateToken(output: Output): Promise<void> {
  const folder = partyFolder(readSettings().home, "authority");
  const { rootPublicKey } = readAuthoritySecrets(join(folder, "secrets"));
  const { current, next, retired } = await rotateTokenKeys(folder, rootPublicKey, systemClock);
  output.line(`Tokens are signed with ${current.kid}; ${next.kid} is published to sign next.`);
  output.line(`${retired.length} older keys stay published while tokens of theirs can last.`);
  output.result({
    current: current.kid,
    next: next.kid,
    retired: retired.map(({ jwk, retired_at }) => ({ kid: jwk.kid, retired_at })),
  });
}
