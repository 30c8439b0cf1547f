// Finds leaves by what they are about: a consent, an institution, a query. It reads the log from the start, so it works
// on any copy; it does not verify (do that first).
import { type CheckpointBody, parseCheckpointBody } from "./checkpoint-body.ts";
import { WjfError } from "../../core/errors.ts";
import { decodeLeaf, type Leaf } from "./leaf.ts";
import { parseNote } from "./note.ts";
import { type LogReader, readTile } from "./reader.ts";
import { decodeBundle, TILE_WIDTH } from "./tile.ts";

/** All that are given have to hold. */
export interface LeafFilter {
  readonly consent?: string;
  readonly client?: string;
  readonly query?: string;
}

export interface ShownLeaf {
  readonly index: number;
  readonly leaf: Leaf;
}

/** @throws WjfError `log-invalid` when the log cannot be read; `federation-unavailable` from an address. */
export async function* showLeaves(
  reader: LogReader,
  filter: LeafFilter,
  onProgress?: (leavesDone: number, leavesTotal: number) => void,
): AsyncGenerator<ShownLeaf> {
  const { size } = await readHead(reader);
  const wanted = Object.values(filter).map((value) => JSON.stringify(value));
  for (let start = 0; start < size; start += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, size - start);
    const ref = { level: "entries", index: start / TILE_WIDTH, width } as const;
    const bundle = await readTile(reader, ref);
    if (bundle === undefined) throw new WjfError("log-invalid", `leaf ${start}: missing`);
    for (const [i, bytes] of decodeBundle(bundle).entries()) {
      // Most leaves are about something else; looking for the text is much cheaper than parsing.
      if (!wanted.every((text) => bytes.includes(text))) continue;
      const leaf = decodeLeaf(bytes);
      if (matches(leaf, filter)) yield { index: start + i, leaf };
    }
    onProgress?.(start + width, size);
  }
}

async function readHead(reader: LogReader): Promise<CheckpointBody> {
  const checkpoint = await reader.read("checkpoint");
  if (checkpoint === undefined) throw new WjfError("log-invalid", "there is no checkpoint");
  return parseCheckpointBody(parseNote(checkpoint.toString()).text);
}

function matches(leaf: Leaf, { consent, client, query }: LeafFilter): boolean {
  const has = (field: string, value: string | undefined) =>
    value === undefined || (leaf as Record<string, unknown>)[field] === value;
  return has("consent_id", consent) && has("client_id", client) && has("query_id", query);
}
