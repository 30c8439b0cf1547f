// Gateways caught at fraud: the signed commitment to a wrong sum is kept as proof, and nothing is released for that key
// again until its operator has answered for it and the authority's operator has lifted the suspension.
import { WjfError } from "../../core/errors.ts";
import { thumbprint } from "../../crypto/index.ts";
import type { Epoch } from "../epochs.ts";
import type { AuthorityDb } from "../ledger.ts";
import type { CheckedMerge } from "./check-merge.ts";

/** @throws WjfError `gateway-suspended`. */
export async function requireNotSuspended(db: AuthorityDb, epoch: Epoch): Promise<void> {
  const row = await db
    .selectFrom("gateway_suspension")
    .select("gateway")
    .where("gateway", "=", thumbprint(epoch.roster.gateway_key))
    .executeTakeFirst();
  if (row !== undefined) throw new WjfError("gateway-suspended");
}

export async function suspendGateway(
  db: AuthorityDb,
  { epoch, digest, commitment }: CheckedMerge,
  nowMs: number,
): Promise<void> {
  await db
    .insertInto("gateway_suspension")
    .values({
      gateway: thumbprint(epoch.roster.gateway_key),
      descriptor: digest.toString("hex"),
      commitment: commitment.statement,
      signature: commitment.signature,
      suspended_at: nowMs,
    })
    .onConflict((conflict) => conflict.column("gateway").doNothing())
    .execute();
}
