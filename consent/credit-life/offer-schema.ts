// What the authority keeps for credit life: merchants' offers, codes that are waiting to be redeemed (as keyed MACs), and
// how often each merchant has guessed wrong within the hour. Who a code is from is the consent's to know.
import type { Generated } from "kysely";
import type { Migration } from "../../core/database.ts";

export interface OfferTable {
  id: string;
  client_id: string;
  product: string;
  title_zh: string;
  title_en: string;
  valid_until: number;
  max_uses: number;
  /** Codes redeemed. */
  uses: Generated<number>;
  created_at: number;
  retired_at: number | null;
}

export interface OfferCodeTable {
  code_mac: string;
  offer_id: string;
  /** The code is this consent, until somebody has redeemed it. */
  consent_id: string;
  created_at: number;
  expires_at: number;
  redeemed_at: number | null;
}

export interface OfferAttemptTable {
  client_id: string;
  /** Hours since the epoch. */
  hour: number;
  failures: number;
}

export interface OfferSchema {
  offer: OfferTable;
  offer_code: OfferCodeTable;
  offer_attempt: OfferAttemptTable;
}

export const offerMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-073-offer",
    async up(db) {
      await db.schema
        .createTable("offer")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("client_id", "text", (column) => column.notNull().references("client.client_id"))
        .addColumn("product", "text", (column) => column.notNull())
        .addColumn("title_zh", "text", (column) => column.notNull())
        .addColumn("title_en", "text", (column) => column.notNull())
        .addColumn("valid_until", "bigint", (column) => column.notNull())
        .addColumn("max_uses", "integer", (column) => column.notNull())
        .addColumn("uses", "integer", (column) => column.notNull().defaultTo(0))
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("retired_at", "bigint")
        .execute();
      await db.schema
        .createTable("offer_code")
        .addColumn("code_mac", "text", (column) => column.primaryKey())
        .addColumn("offer_id", "text", (column) => column.notNull().references("offer.id"))
        .addColumn("consent_id", "text", (column) =>
          column.notNull().unique().references("consent.id"),
        )
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addColumn("redeemed_at", "bigint")
        .execute();
      await db.schema
        .createTable("offer_attempt")
        .addColumn("client_id", "text", (column) => column.notNull().references("client.client_id"))
        .addColumn("hour", "bigint", (column) => column.notNull())
        .addColumn("failures", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("offer_attempt_key", ["client_id", "hour"])
        .execute();
    },
  },
];
