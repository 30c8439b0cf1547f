// Walks a log's tiles from the first leaf to the last and checks that they are one Merkle tree (c2sp.org/tlog-tiles):
// every entry against its leaf hash, every tile against the tiles below it. It reports what it finds and goes on as far
// as there is something to read; whether the root is the signed one is for consent/log/verify.ts.
import { WjfError } from "../../core/errors.ts";
import type { Report } from "./findings.ts";
import { HASH_BYTES, leafHash } from "../../crypto/merkle.ts";
import { type LogReader, readTile } from "./reader.ts";
import { decodeBundle, TILE_WIDTH, tilePath, type TileRef } from "./tile.ts";
import { type TileData, TileTree } from "./tile-tree.ts";

/** Bundles asked for ahead: over HTTP the wait is the cost. */
const READ_AHEAD = 16;

export interface CheckedBundle {
  readonly start: number;
  /** The bytes of each leaf, or nothing where they are missing or are not what was hashed. */
  readonly leaves: readonly (Buffer | undefined)[];
}

export class TreeCheck {
  readonly tree = new TileTree(0, []);
  readonly #reader: LogReader;
  readonly #size: number;
  readonly #report: Report;
  readonly #watchedSize: number;
  #watchedRoot: Buffer | undefined;

  /** `watchedSize`: an earlier size (or 0 for none) whose root is wanted on the way. */
  constructor(reader: LogReader, size: number, report: Report, watchedSize: number) {
    this.#reader = reader;
    this.#size = size;
    this.#report = report;
    this.#watchedSize = watchedSize;
  }

  /** Every bundle in order. Ends early, having reported why, when the tree cannot be computed any further. */
  async *bundles(): AsyncGenerator<CheckedBundle> {
    for await (const { ref, hashes, entries } of this.#readAhead()) {
      const start = ref.index * TILE_WIDTH;
      const leaves = this.#checkEntries(start, ref.width, hashes, entries);
      if (hashes === undefined && leaves.includes(undefined)) return;
      for (let i = 0; i < ref.width; i++) {
        // The tile's hash where there is one: then a spoilt entry is one finding, and not a broken tree as well.
        const hash = hashes?.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
        this.tree.append(hash ?? leafHash(leaves[i] as Buffer));
        if (this.tree.size === this.#watchedSize) this.#watchedRoot = this.tree.tree().root();
      }
      for (const tile of this.tree.touched()) if (isFull(tile)) await this.#checkTile(tile);
      this.tree.settle();
      yield { start, leaves };
    }
    for (const tile of this.tree.edge()) await this.#checkTile(tile);
  }

  /** The root that the tree had at the watched size, if it has got there. */
  get watchedRoot(): Buffer | undefined {
    return this.#watchedRoot;
  }

  async *#readAhead() {
    const pending: ReturnType<TreeCheck["read"]>[] = [];
    for (let index = 0; index * TILE_WIDTH < this.#size; index++) {
      const width = Math.min(TILE_WIDTH, this.#size - index * TILE_WIDTH);
      const next = this.read({ level: 0, index, width });
      // A later read that fails before its turn is not unhandled; it throws when its turn comes.
      next.catch(() => {});
      pending.push(next);
      if (pending.length >= READ_AHEAD) yield await (pending.shift() as typeof next);
    }
    for (const next of pending) yield await next;
  }

  private async read(ref: TileRef) {
    const [hashes, bundle] = await Promise.all([
      readTile(this.#reader, ref),
      this.#orNothing(readTile(this.#reader, { ...ref, level: "entries" })),
    ]);
    return { ref, hashes, entries: bundle && decodeOrNothing(bundle) };
  }

  async #orNothing(bundle: Promise<Buffer | undefined>): Promise<Buffer | undefined> {
    return bundle.catch((error: unknown) => {
      if (error instanceof WjfError && error.code === "log-invalid") return undefined;
      throw error;
    });
  }

  #checkEntries(
    start: number,
    width: number,
    hashes: Buffer | undefined,
    entries: readonly Buffer[] | undefined,
  ): (Buffer | undefined)[] {
    if (hashes === undefined) this.#report("tile-missing", start, "its level 0 tile");
    if (entries === undefined) this.#report("leaf-missing", start, "its entry bundle");
    const leaves = Array.from({ length: width }, (_, i) => entries?.[i]);
    if (hashes === undefined || entries === undefined) return leaves;
    const wrong: number[] = [];
    for (const [i, leaf] of leaves.entries()) {
      const hash = hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
      if (leaf !== undefined && leafHash(leaf).equals(hash)) continue;
      wrong.push(start + i);
      leaves[i] = undefined;
    }
    const [first] = wrong;
    if (first !== undefined) {
      const others = wrong.length === 1 ? "" : `, nor are ${wrong.length - 1} after it`;
      this.#report("leaf-mismatch", first, `it is not what was hashed${others}`);
    }
    if (entries.length !== width) {
      const counted = `its bundle has ${entries.length} entries, not ${width}`;
      this.#report("leaf-missing", first ?? start + width, counted);
    }
    return leaves;
  }

  /** A tile above the leaves, once it has all its hashes. */
  async #checkTile({ level, index, data }: TileData): Promise<void> {
    // Level 0 is what the tree was computed from, entry by entry.
    if (level === 0) return;
    const ref = { level, index, width: data.length / HASH_BYTES };
    const leavesPerHash = TILE_WIDTH ** level;
    const stored = await readTile(this.#reader, ref);
    if (stored === undefined) {
      this.#report("tile-missing", index * TILE_WIDTH * leavesPerHash, tilePath(ref));
    } else if (!stored.equals(data)) {
      const byte = data.findIndex((value, i) => value !== stored[i]);
      const hash = index * TILE_WIDTH + Math.floor(byte / HASH_BYTES);
      this.#report("tile-mismatch", hash * leavesPerHash, tilePath(ref));
    }
  }
}

function isFull({ data }: TileData): boolean {
  return data.length === TILE_WIDTH * HASH_BYTES;
}

function decodeOrNothing(bundle: Buffer): Buffer[] | undefined {
  try {
    return decodeBundle(bundle);
  } catch {
    return undefined;
  }
}
