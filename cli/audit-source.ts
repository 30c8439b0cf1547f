// Where `wjf audit …` reads a log from, and which public keys it believes: see cli/audit-commands.ts.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { partyFolder, readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import {
  databaseReader,
  type LogReader,
  logReader,
  openAuthorityDatabase,
  parseLogKeys,
  readLogKeys,
} from "../consent/index.ts";

export interface SourceArguments {
  readonly key?: string[];
  readonly keys?: string;
}

export interface LogSource extends AsyncDisposable {
  readonly name: string;
  readonly reader: LogReader;
}

/** A folder, an address, or else the log of this WJF_HOME: from its database, or from its authority's address. */
export async function openSource(where: string | undefined): Promise<LogSource> {
  const settings = readSettings();
  if (where === undefined && hasDatabase(settings)) {
    const db = await openAuthorityDatabase(settings);
    return {
      name: "this authority's database",
      reader: databaseReader(db),
      [Symbol.asyncDispose]: () => db.destroy(),
    };
  }
  const name = where ?? `${settings.authorityUrl}/log`;
  if (!/^https?:\/\//.test(name) && !existsSync(name)) {
    throw new WjfError("request-malformed", `${name}: no such folder`);
  }
  return { name, reader: logReader(name), [Symbol.asyncDispose]: async () => undefined };
}

function hasDatabase({ home, databaseUrl }: Settings): boolean {
  return (
    databaseUrl !== undefined || existsSync(join(partyFolder(home, "authority"), "authority.db"))
  );
}

export interface ChosenKeys {
  readonly verifierKeys: readonly string[];
  /** Who says that these are the log's keys: the caller, this WJF_HOME, or only the log. */
  readonly from: "given" | "home" | "log";
}

/** @throws WjfError `config-invalid` when there are none anywhere. */
export async function chooseKeys(
  { key = [], keys }: SourceArguments,
  reader?: LogReader,
): Promise<ChosenKeys> {
  const given = [...key, ...(keys === undefined ? [] : parseLogKeys(readText(keys)))];
  if (given.length > 0) return { verifierKeys: given, from: "given" };
  const own = readLogKeys(readSettings());
  if (own !== undefined) return { verifierKeys: own, from: "home" };
  const told = await reader?.read("keys");
  if (told === undefined) throw new WjfError("config-invalid", "log keys: give --key or --keys");
  return { verifierKeys: parseLogKeys(told.toString("utf8")), from: "log" };
}

/** @throws WjfError `request-malformed` when it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (cause) {
    throw new WjfError("request-malformed", `${path}: not readable`, { cause });
  }
}
