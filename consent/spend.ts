// Counting the uses of a consent: exactly once per release, also under concurrency and crashes. One caller only,
// consent/lifecycle.ts, which also moves a used-up consent to CONSUMED. It runs in the transaction that records the
// release, so a crash before the commit has counted nothing, and one after it has counted once.
import { WjfError } from "../core/errors.ts";
import type { AtRest } from "./at-rest.ts";
import { periodSeconds } from "./consent-claims.ts";
import { type Consent, readConsent, requireLive } from "./consent-record.ts";
import type { ConsentDb } from "./schema.ts";

export interface SpendRequest {
  readonly consentId: string;
  /** The query id. */
  readonly releaseId: string;
  readonly product: string;
}

/** `already`: this release has spent before (a retry); nothing was counted again. */
export interface Spent {
  readonly already: boolean;
  readonly uses: number;
  readonly maxUses: number;
}

/**
 * The first transaction to commit for a release id counts; any other finds it counted. The row lock that the UPDATE
 * takes makes both the count and the frequency exact.
 * @throws WjfError `consent-*`, `product-not-consented`.
 */
export async function countUse(
  tx: ConsentDb,
  atRest: AtRest,
  now: number,
  request: SpendRequest,
): Promise<Spent> {
  const before = await readConsent(tx, atRest, request.consentId);
  const actions: readonly string[] = before.terms.actions;
  if (!actions.includes(request.product)) throw new WjfError("product-not-consented");
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto("consent_use")
    .values({
      consent_id: before.id,
      release_id: request.releaseId,
      product: request.product,
      used_at: now,
    })
    .onConflict((conflict) => conflict.columns(["consent_id", "release_id"]).doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows !== 1n) {
    return { already: true, uses: before.uses, maxUses: before.maxUses };
  }
  const counted = await tx
    .updateTable("consent")
    .set((eb) => ({ uses: eb("uses", "+", 1) }))
    .where("id", "=", before.id)
    .where("state", "=", "ACTIVE")
    .where("expires_at", ">", now)
    .whereRef("uses", "<", "max_uses")
    .returning(["uses", "max_uses"])
    .executeTakeFirst();
  if (counted === undefined) {
    requireLive(await readConsent(tx, atRest, before.id), now);
    throw new WjfError("consent-consumed");
  }
  await requireFrequency(tx, before, now);
  return { already: false, uses: counted.uses, maxUses: counted.max_uses };
}

/** At most `value` releases in any one `unit`, the present one included. */
async function requireFrequency(tx: ConsentDb, consent: Consent, now: number): Promise<void> {
  const { frequency } = consent.terms;
  if (frequency === undefined) return;
  const since = now - periodSeconds({ unit: frequency.unit, value: 1 }) * 1000;
  const { used } = await tx
    .selectFrom("consent_use")
    .select((eb) => eb.fn.countAll<number>().as("used"))
    .where("consent_id", "=", consent.id)
    .where("used_at", ">", since)
    .executeTakeFirstOrThrow();
  if (used > frequency.value) throw new WjfError("consent-frequency");
}
