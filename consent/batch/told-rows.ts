// Outcomes of rows on their way to the gateway: answers in clear carry their receipts beside them, without the signed
// checkpoint when it is the one that the whole message shares; it is the larger half of a receipt.
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { RowOutcome } from "../../proto/index.ts";
import type { Client } from "../clients.ts";
import { type StoredAnswer, tell } from "../release/stored-answer.ts";

export type TellableRow =
  | { readonly answer: string; readonly receipt: string; readonly client: Client }
  | { readonly refusal: ErrorCode };

export interface ToldRows {
  readonly rows: readonly RowOutcome[];
  readonly checkpoint: string;
}

/** A receipt is its own lines, an empty line, and the checkpoint (consent/log/receipt.ts). */
const SEPARATOR = "\n\n";

export async function tellRows(
  rows: readonly (TellableRow & { readonly row: number })[],
  sealed: boolean,
): Promise<ToldRows> {
  const first = rows.find((row) => "receipt" in row);
  const checkpoint = first === undefined || sealed ? "" : split(first.receipt).checkpoint;
  const told = rows.map(async (row): Promise<RowOutcome> => {
    if ("refusal" in row) return { row: row.row, outcome: refusal(row.refusal), receipt: "" };
    const { answer, receipt, client } = row;
    // That nothing has changed is no secret from the gateway, which has nothing to deliver.
    if (sealed && !tellsNothing(answer)) {
      const outcome = await tell(answer, receipt, client, true).catch(refusalOf);
      return { row: row.row, outcome, receipt: "" };
    }
    const parts = split(receipt);
    const own = parts.checkpoint === checkpoint ? parts.proof : receipt;
    return { row: row.row, outcome: { result: "answer", answer }, receipt: own };
  });
  return { rows: await Promise.all(told), checkpoint };
}

function refusalOf(error: unknown): RowOutcome["outcome"] {
  if (error instanceof WjfError) return refusal(error.code);
  throw error;
}

function refusal(code: ErrorCode): RowOutcome["outcome"] {
  return { result: "refusal", refusal: code };
}

function split(receipt: string): { proof: string; checkpoint: string } {
  const at = receipt.indexOf(SEPARATOR);
  return { proof: receipt.slice(0, at), checkpoint: receipt.slice(at + SEPARATOR.length) };
}

function tellsNothing(answer: string): boolean {
  const { answer: told } = JSON.parse(answer) as StoredAnswer;
  return told.kind === "alerts" && told.changes.length === 0;
}
