// The gateway's database as one thing: every module's migrations. It holds work that outlives a request (batches, watches,
// alerts) and nothing that the authority decides by; replicas of one gateway share it.
import { join } from "node:path";
import type { Transaction } from "kysely";
import { partyFolder, type Settings } from "../core/config.ts";
import { type Database, type Migration, openDatabase } from "../core/database.ts";
import { alertMigrations, type AlertSchema } from "./alerts/schema.ts";
import { batchMigrations, type BatchSchema } from "./batches/index.ts";
import { watchMigrations, type WatchSchema } from "./watches/schema.ts";

export type GatewaySchema = BatchSchema & AlertSchema & WatchSchema;
export type GatewayDb = Database<GatewaySchema>;
export type GatewayTx = Transaction<GatewaySchema>;

export const gatewayMigrations: readonly Migration[] = [
  ...batchMigrations,
  ...alertMigrations,
  ...watchMigrations,
];

/** Opens it at WJF_GATEWAY_DATABASE_URL, by default a file in the gateway's folder, with its schema up to date. */
export async function openGatewayDatabase(settings: Settings): Promise<GatewayDb> {
  const file = join(partyFolder(settings.home, "gateway"), "gateway.db");
  return await openDatabase<GatewaySchema>(
    settings.gatewayDatabaseUrl ?? `sqlite:${file}`,
    gatewayMigrations,
  );
}
