// The authority's database as one thing: every module's migrations, and a door for operators' commands, which run beside
// the authority's own process.
import { join } from "node:path";
import { partyFolder, type Settings } from "../core/config.ts";
import { openDatabase } from "../core/database.ts";
import { type AuthorityDb, type AuthoritySchema, consentTables } from "./ledger.ts";
import { logMigrations } from "./log/index.ts";
import { objectionMigrations } from "./objections-schema.ts";
import { releaseMigrations } from "./release/schema.ts";
import { type ConsentDb, consentMigrations } from "./schema.ts";
import { trainingMigrations } from "./training/schema.ts";

/** Opens it at WJF_DATABASE_URL, by default a file in the authority's folder, with its schema up to date. */
export async function openAuthorityDatabase(settings: Settings): Promise<AuthorityDb> {
  const file = join(partyFolder(settings.home, "authority"), "authority.db");
  return await openDatabase<AuthoritySchema>(settings.databaseUrl ?? `sqlite:${file}`, [
    ...logMigrations,
    ...consentMigrations,
    ...releaseMigrations,
    ...objectionMigrations,
    ...trainingMigrations,
  ]);
}

/** For one operator's command: opens, works, closes. */
export async function withConsentDatabase<T>(
  settings: Settings,
  work: (db: ConsentDb) => Promise<T>,
): Promise<T> {
  const db = await openAuthorityDatabase(settings);
  try {
    return await work(consentTables(db));
  } finally {
    await db.destroy();
  }
}
