// Gateways caught at fraud: the signed commitment to a wrong sum is kept as proof, and nothing is admitted or released for
// that key again until its operator has answered for it and the authority's operator has lifted the suspension. Both are
// leaves of the audit log; the proof stays.
import { WjfError } from "../../core/errors.ts";
import { thumbprint } from "../../crypto/index.ts";
import type { Epoch } from "../epochs.ts";
import type { AuthorityDb, ConsentLedger } from "../ledger.ts";
import type { Receipt } from "../log/index.ts";
import type { CheckedMerge } from "./check-merge.ts";
import type { SuspensionTable } from "./schema.ts";

/** @throws WjfError `gateway-suspended`. */
export async function requireNotSuspended(
  db: AuthorityDb,
  epoch: Pick<Epoch, "roster">,
): Promise<void> {
  const row = await db
    .selectFrom("gateway_suspension")
    .select("gateway")
    .where("gateway", "=", thumbprint(epoch.roster.gateway_key))
    .executeTakeFirst();
  if (row !== undefined) throw new WjfError("gateway-suspended");
}

/** Once it is suspended the first proof stands. */
export async function suspendGateway(
  ledger: ConsentLedger,
  { epoch, digest, commitment }: CheckedMerge,
): Promise<void> {
  const gateway = thumbprint(epoch.roster.gateway_key);
  const descriptor = digest.toString("hex");
  await ledger.transact(async (tx, at) => {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto("gateway_suspension")
      .values({
        gateway,
        descriptor,
        commitment: commitment.statement,
        signature: commitment.signature,
        suspended_at: at.timeMs,
      })
      .onConflict((conflict) => conflict.column("gateway").doNothing())
      .executeTakeFirst();
    return {
      value: undefined,
      leaves: numInsertedOrUpdatedRows === 1n ? [leaf("suspended", { gateway, descriptor })] : [],
    };
  });
}

export async function listSuspensions(db: AuthorityDb): Promise<readonly SuspensionTable[]> {
  return await db.selectFrom("gateway_suspension").selectAll().orderBy("suspended_at").execute();
}

/**
 * From the next admission on the gateway is asked and answered again; resolves when that is in the log.
 * @throws WjfError `gateway-unknown` when none is suspended under this thumbprint.
 */
export async function liftSuspension(ledger: ConsentLedger, gateway: string): Promise<Receipt> {
  const { receipts } = await ledger.transact(async (tx, at) => {
    const row = await tx
      .deleteFrom("gateway_suspension")
      .where("gateway", "=", gateway)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) throw new WjfError("gateway-unknown");
    const lifted = { ...row, lifted_at: at.timeMs };
    await tx.insertInto("gateway_suspension_lifted").values(lifted).execute();
    return { value: undefined, leaves: [leaf("reinstated", row)] };
  });
  return receipts[0] as Receipt;
}

function leaf(
  event: "suspended" | "reinstated",
  { gateway, descriptor }: Pick<SuspensionTable, "gateway" | "descriptor">,
) {
  return { type: "gateway" as const, event, gateway, descriptor_sha256: descriptor };
}
