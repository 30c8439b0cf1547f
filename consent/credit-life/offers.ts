// Merchants' offers: what somebody gets whose score reaches a threshold. The threshold is a product of the catalogue, never
// a number in a request, so nobody can walk along it. The authority's operator adds and retires them (`wjf offer`).
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Catalogue } from "../../catalogue/index.ts";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import { ProductRef } from "../../core/ids.ts";
import { parseWith } from "../../core/parse.ts";
import { activeClient, type Client } from "../clients.ts";
import type { PurposeScope } from "../consent-claims.ts";
import type { ConsentDb } from "../schema.ts";
import type { OfferTable } from "./offer-schema.ts";

/** What every code is a consent to. */
export const OFFER_PURPOSE: PurposeScope = "dpv:PersonalisedBenefits";

const Title = z.string().trim().min(1).max(80);

export const OfferDeclaration = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]{2,62}$/, "lower-case letters, digits and hyphens, 3 to 63 characters"),
  client_id: z.string(),
  title: z.strictObject({ zh: Title, en: Title }),
  product: ProductRef,
  /** Milliseconds since the epoch. */
  valid_until: z.int(),
  /** Codes that may be redeemed. */
  max_uses: z.int().min(1).max(1_000_000_000),
});
export type OfferDeclaration = z.input<typeof OfferDeclaration>;

export interface Offer extends z.output<typeof OfferDeclaration> {
  readonly uses: number;
  readonly retired: boolean;
}

export interface LiveOffer extends Offer {
  /** The merchant's name. */
  readonly merchant: string;
}

/** @throws WjfError `data-invalid`, `client-unknown`. */
export async function addOffer(
  db: ConsentDb,
  clock: Clock,
  catalogue: Pick<Catalogue, "products">,
  declaration: OfferDeclaration,
): Promise<Offer> {
  const offer = parseWith(OfferDeclaration, declaration, "data-invalid", "offer");
  if (catalogue.products.get(offer.product)?.rule.type !== "threshold") {
    throw new WjfError("data-invalid", "product: one that is released as a threshold");
  }
  if (!mayOffer(await activeClient(db, offer.client_id), offer.product)) {
    const rule = `the client is registered for it, and for ${OFFER_PURPOSE}`;
    throw new WjfError("data-invalid", `product: ${rule}`);
  }
  if (offer.valid_until <= clock.nowMs()) throw new WjfError("data-invalid", "valid_until: past");
  const { title, ...columns } = offer;
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("offer")
    .values({
      ...columns,
      title_zh: title.zh,
      title_en: title.en,
      created_at: clock.nowMs(),
      retired_at: null,
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows !== 1n) throw new WjfError("data-invalid", "id: taken");
  return { ...offer, uses: 0, retired: false };
}

export function mayOffer(client: Client, product: ProductRef): boolean {
  return client.products.includes(product) && client.purposes.includes(OFFER_PURPOSE);
}

/** For the operator: all of them, the newest first. */
export async function listOffers(db: ConsentDb): Promise<Offer[]> {
  const rows = await db.selectFrom("offer").selectAll().orderBy("created_at", "desc").execute();
  return rows.map(fromRow);
}

/** No code for it is made or redeemed from now on. @throws WjfError `data-invalid`. */
export async function retireOffer(db: ConsentDb, clock: Clock, id: string): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable("offer")
    .set({ retired_at: clock.nowMs() })
    .where("id", "=", id)
    .where("retired_at", "is", null)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new WjfError("data-invalid", "offer: none, or retired already");
}

/** What somebody can have a code for now: those that end first, first. */
export async function liveOffers(db: ConsentDb, nowMs: number, id?: string): Promise<LiveOffer[]> {
  let query = db
    .selectFrom("offer")
    .innerJoin("client", "client.client_id", "offer.client_id")
    .selectAll("offer")
    .select("client.name as merchant")
    .where("client.disabled_at", "is", null)
    .where("offer.retired_at", "is", null)
    .where("offer.valid_until", ">", nowMs)
    .whereRef("offer.uses", "<", "offer.max_uses");
  if (id !== undefined) query = query.where("offer.id", "=", id);
  const rows = await query.orderBy("offer.valid_until").orderBy("offer.id").limit(200).execute();
  return rows.map((row) => ({ ...fromRow(row), merchant: row.merchant }));
}

function fromRow(row: Selectable<OfferTable>): Offer {
  return {
    id: row.id,
    client_id: row.client_id,
    title: { zh: row.title_zh, en: row.title_en },
    product: row.product as ProductRef,
    valid_until: row.valid_until,
    max_uses: row.max_uses,
    uses: row.uses,
    retired: row.retired_at !== null,
  };
}
