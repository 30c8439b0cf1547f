// What `wjf authority suspensions | reinstate` does: see cli/authority-commands.ts. It runs beside the authority, on the same database and
// through the same ledger (consent/operator.ts).
import { ConsentOperator } from "../consent/index.ts";
import { readSettings } from "../core/config.ts";
import { type Output, table } from "./output.ts";

export async function suspensionList(output: Output): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const suspensions = (await operator.suspensions()).map((row) => ({
    gateway: row.gateway,
    suspended: new Date(row.suspended_at).toISOString(),
    descriptor_sha256: row.descriptor,
    // What the gateway signed about a sum that was not one: it proves the fraud to whoever has the key.
    commitment: Buffer.from(row.commitment).toString("base64url"),
    signature: Buffer.from(row.signature).toString("base64url"),
  }));
  const rows = suspensions.map((each) => [each.gateway, each.suspended, each.descriptor_sha256]);
  output.line(table([["gateway", "since", "fan-out"], ...rows]));
  output.result({ suspensions });
}

export async function gatewayReinstate(output: Output, gateway: string): Promise<void> {
  await using operator = await ConsentOperator.open(readSettings());
  const receipt = await operator.reinstate(gateway);
  output.line(`${gateway} is reinstated: leaf ${receipt.index} of the audit log`);
  output.result({ gateway, leaf: receipt.index, receipt: receipt.text });
}
