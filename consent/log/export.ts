// Copies a log into a folder in its tile layout, so that it can be kept, carried and verified offline. Nothing is
// believed here: verify the copy. The checkpoint is written last, so a broken copy has none, or the one before.
import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WjfError } from "../../core/errors.ts";
import { parseCheckpointBody } from "./checkpoint-body.ts";
import { HASH_BYTES } from "../../crypto/merkle.ts";
import { parseNote } from "./note.ts";
import { type LogReader, readTile } from "./reader.ts";
import { TILE_WIDTH, tilePath, type TileRef, tilesOf } from "./tile.ts";

const COPIES_AT_ONCE = 8;

export interface ExportResult {
  readonly size: number;
  readonly files: number;
}

/** Full tiles that are there already are kept: a later export copies only what is new. @throws WjfError `log-invalid`. */
export async function exportLog(
  reader: LogReader,
  folder: string,
  onProgress?: (filesDone: number, filesTotal: number) => void,
): Promise<ExportResult> {
  const checkpoint = await reader.read("checkpoint");
  if (checkpoint === undefined) throw new WjfError("log-invalid", "there is no checkpoint");
  const { size } = parseCheckpointBody(parseNote(checkpoint.toString()).text);
  const refs: TileRef[] = [];
  for (const ref of tilesOf(size)) {
    refs.push(ref);
    if (ref.level === 0) refs.push({ ...ref, level: "entries" });
  }
  let done = 0;
  const remaining = refs.values();
  const copy = async () => {
    for (const ref of remaining) {
      await copyTile(reader, ref, folder);
      onProgress?.(++done, refs.length);
    }
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, copy));
  await writeWhole(join(folder, "checkpoint"), checkpoint);
  return { size, files: refs.length + 1 };
}

async function copyTile(reader: LogReader, ref: TileRef, folder: string): Promise<void> {
  const path = tilePath(ref);
  const target = join(folder, ...path.split("/"));
  if (ref.width === TILE_WIDTH && (await isCopied(target, ref))) return;
  const data = await readTile(reader, ref);
  if (data === undefined) throw new WjfError("log-invalid", `${path}: missing`);
  await writeWhole(target, data);
}

async function isCopied(target: string, ref: TileRef): Promise<boolean> {
  const size = await stat(target).then(
    (found) => found.size,
    () => 0,
  );
  return ref.level === "entries" ? size > 0 : size === TILE_WIDTH * HASH_BYTES;
}

/** Whole or not at all: written beside its place, then renamed. */
async function writeWhole(path: string, data: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, data);
  await rename(`${path}.tmp`, path);
}
