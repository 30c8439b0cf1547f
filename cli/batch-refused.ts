// Rows of a batch that no consent came for, kept under the batch's id with the institution's keys: the gateway knows of them only
// that they are no rows, and whoever goes on with `--resume` has no more than the id.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { WjfError } from "../core/errors.ts";
import { QueryId } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { keyFolder } from "./client-keys.ts";
import { Refused } from "./row-refusal.ts";

const RefusedRow = z.strictObject({
  line: z.int(),
  refused: Refused,
  query_id: QueryId.optional(),
});
export type RefusedRow = z.infer<typeof RefusedRow>;

/** Whose batch it is. */
export interface BatchOwner {
  readonly home: string;
  readonly client: string;
}

export function keepRefused(owner: BatchOwner, id: string, rows: readonly RefusedRow[]): void {
  if (rows.length > 0) writeSecretFile(pathOf(owner, id), JSON.stringify(rows));
}

/** By line; none, where nothing was kept. @throws WjfError `request-malformed` for an id that is none. */
export function readRefused(owner: BatchOwner, id: string): ReadonlyMap<number, RefusedRow> {
  const path = pathOf(owner, id);
  if (!existsSync(path)) return new Map();
  const text = readSecretFile(path).toString();
  const rows = parseJsonWith(z.array(RefusedRow), text, "data-invalid", path);
  return new Map(rows.map((row) => [row.line, row]));
}

function pathOf({ home, client }: BatchOwner, id: string): string {
  if (!z.uuid().safeParse(id).success) throw new WjfError("request-malformed", "a batch's id");
  return join(keyFolder(home, client), "batches", `${id}.refused.json`);
}
