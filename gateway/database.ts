// The gateway's database as one thing: every module's migrations. It holds work that outlives a request (batches) and nothing
// that the authority decides by; replicas of one gateway share it.
import { join } from "node:path";
import { partyFolder, type Settings } from "../core/config.ts";
import { type Database, openDatabase } from "../core/database.ts";
import { batchMigrations, type BatchSchema } from "./batches/index.ts";

export type GatewaySchema = BatchSchema;

/** Opens it at WJF_GATEWAY_DATABASE_URL, by default a file in the gateway's folder, with its schema up to date. */
export async function openGatewayDatabase(settings: Settings): Promise<Database<GatewaySchema>> {
  const file = join(partyFolder(settings.home, "gateway"), "gateway.db");
  return await openDatabase<GatewaySchema>(
    settings.gatewayDatabaseUrl ?? `sqlite:${file}`,
    batchMigrations,
  );
}
