// What `wjf offer …` does: see cli/offer-commands.ts. Adding and retiring work on the authority's database, beside the running
// authority; redeeming goes over HTTP, as a merchant does it.
import { loadCatalogue } from "../catalogue/index.ts";
import {
  addOffer,
  listOffers,
  type Offer,
  retireOffer,
  withConsentDatabase,
} from "../consent/index.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/config.ts";
import { ProductRef } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { Institution } from "./institution.ts";
import { type Output, table } from "./output.ts";

export interface AddOfferArguments {
  readonly client: string;
  readonly product: string;
  readonly zh: string;
  readonly en: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly maxUses: number;
}

export interface RedeemArguments {
  readonly client: string;
  readonly product: string;
}

function view(offer: Offer) {
  return { ...offer, valid_until: new Date(offer.valid_until).toISOString() };
}

export async function offerAdd(
  output: Output,
  id: string,
  { client, product, zh, en, until, maxUses }: AddOfferArguments,
): Promise<void> {
  const declaration = {
    id,
    client_id: client,
    product: parseWith(ProductRef, product, "data-invalid", "product"),
    title: { zh, en },
    valid_until: until,
    max_uses: maxUses,
  };
  const offer = await withConsentDatabase(readSettings(), async (db) =>
    addOffer(db, systemClock, loadCatalogue(), declaration),
  );
  output.line(`${id}: ${offer.title.zh} ${offer.title.en}, ${offer.product}, by ${client}`);
  output.result(view(offer));
}

export async function offerList(output: Output): Promise<void> {
  const offers = (await withConsentDatabase(readSettings(), listOffers)).map(view);
  const rows = offers.map((offer) => [
    offer.id,
    offer.client_id,
    offer.product,
    `${offer.uses}/${offer.max_uses}`,
    offer.retired ? "retired" : offer.valid_until,
    `${offer.title.zh} ${offer.title.en}`,
  ]);
  output.line(table([["offer", "merchant", "product", "used", "until", "title"], ...rows]));
  output.result({ offers });
}

export async function offerRetire(output: Output, id: string): Promise<void> {
  await withConsentDatabase(readSettings(), async (db) => retireOffer(db, systemClock, id));
  output.line(`${id} is retired`);
  output.result({ id, retired: true });
}

/** @throws WjfError `offer-code-refused`, `rate-limited`, or the gateway's code. */
export async function offerRedeem(
  output: Output,
  code: string,
  { client, product }: RedeemArguments,
): Promise<void> {
  const settings = readSettings();
  const merchant = new Institution(settings, readInstitutionKeys(settings.home, client));
  const consent = await merchant.redeem(code, product);
  const { reply } = await merchant.ask(consent, product, { sealed: true });
  output.line(JSON.stringify(reply.answer));
  output.result(reply);
}
