// Opens the authority's state: its database and the audit log in it. The authority's own process does, and so does an
// operator's command that runs beside it: one log may have several writers (consent/log/sequencer.ts), so both write it
// directly, under the same lock. Whoever opens it needs the log's signing keys.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import { openAuthorityDatabase } from "./database.ts";
import { type AuthorityDb, ConsentLedger } from "./ledger.ts";
import { AuditLog, noteSigner } from "./log/index.ts";
import type { AuthoritySecrets } from "./secrets.ts";

export interface OpenedLedger extends AsyncDisposable {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
}

/** @throws WjfError `config-invalid` when the database holds another origin's log. */
export async function openLedger(
  settings: Settings,
  { logKeys }: Pick<AuthoritySecrets, "logKeys">,
): Promise<OpenedLedger> {
  await using resources = new AsyncDisposableStack();
  const db = await openAuthorityDatabase(settings);
  resources.defer(() => db.destroy());
  const origin = logOrigin(settings);
  const signers = logKeys.map((key) => noteSigner(origin, key));
  const log = resources.use(await AuditLog.open({ db, origin, signers, clock: systemClock }));
  const owned = resources.move();
  return {
    db,
    ledger: new ConsentLedger(log),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The log's name: the authority's address without its scheme (c2sp.org/tlog-checkpoint). */
export function logOrigin({ authorityUrl }: Pick<Settings, "authorityUrl">): string {
  return `${new URL(authorityUrl).host}/log`;
}

function logKeysPath({ home }: Pick<Settings, "home">): string {
  return join(partyFolder(home, "authority"), "log-keys.txt");
}

/** The log's public keys, one verifier key a line, for the operator to publish; also served at `/log/keys`. */
export function writeLogKeys(settings: Settings, verifierKeys: readonly string[]): void {
  writeFileSync(logKeysPath(settings), `${verifierKeys.join("\n")}\n`, { mode: 0o644 });
}

/** Undefined on a machine that has never run this authority. */
export function readLogKeys(settings: Settings): readonly string[] | undefined {
  const path = logKeysPath(settings);
  return existsSync(path) ? parseLogKeys(readFileSync(path, "utf8")) : undefined;
}

/** One verifier key a line; empty lines and lines that begin with # are passed over. */
export function parseLogKeys(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}
