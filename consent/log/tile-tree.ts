// The growing tree, held as tiles: the not yet full ones at the right edge, and those touched since `settle`. It finds
// any complete subtree within them (RFC 6962 nodes for crypto/merkle.ts) and says which tiles have to be stored.
// It does no I/O and knows no transaction: after a rollback, throw it away and load the edge again.
import { WjfError } from "../../core/errors.ts";
import { type Nodes, Tree } from "../../crypto/merkle.ts";
import { edgeTilesOf, HashTile, TILE_WIDTH, type TileRef } from "./tile.ts";

export interface TileData {
  readonly level: number;
  readonly index: number;
  readonly data: Buffer;
}

const key = (level: number, index: number) => `${level}/${index}`;

export class TileTree implements Nodes {
  #size: number;
  readonly #tiles = new Map<string, HashTile>();
  readonly #touched = new Map<string, { level: number; index: number }>();

  /** `tiles`: at least the edge of a tree of this size, each cut to its width. @throws WjfError `log-invalid`. */
  constructor(size: number, tiles: readonly TileData[]) {
    this.#size = size;
    for (const { level, index, data } of tiles)
      this.#tiles.set(key(level, index), HashTile.of(data));
    for (const { level, index, width } of edgeTilesOf(size)) {
      if (this.#tiles.get(key(level, index))?.width !== width) {
        throw new WjfError("log-invalid", `tile ${level}/${index}: not as wide as the tree needs`);
      }
    }
  }

  get size(): number {
    return this.#size;
  }

  append(leafHash: Buffer): void {
    this.#push(0, this.#size, leafHash);
    this.#size += 1;
  }

  /** The tree as it is now, for its root and proofs; stays right until the next append or `settle`. */
  tree(): Tree {
    return new Tree(this.#size, this);
  }

  node(height: number, index: number): Buffer {
    // A full tile's own hash is a hash of the tile above, so heights 8, 16, … are looked up there.
    const level = Math.floor(height / 8);
    const up = height % 8;
    const perTile = TILE_WIDTH / 2 ** up;
    const tile = this.#tiles.get(key(level, Math.floor(index / perTile)));
    const found = tile?.node(up, index % perTile);
    if (found === undefined) throw new Error(`node ${height}/${index} is not in the tiles held`);
    return found;
  }

  /** Tiles changed since `settle`, as they must be stored. */
  touched(): TileData[] {
    return [...this.#touched.values()].map(({ level, index }) => ({
      level,
      index,
      data: this.#tile(level, index).bytes(),
    }));
  }

  /** The not yet full tile of each level. */
  edge(): TileData[] {
    return edgeTilesOf(this.#size).map(({ level, index }) => ({
      level,
      index,
      data: this.#tile(level, index).bytes(),
    }));
  }

  /** They are stored: full tiles are let go. */
  settle(): void {
    for (const [name, { level, index }] of this.#touched) {
      if (this.#tile(level, index).width === TILE_WIDTH) this.#tiles.delete(name);
    }
    this.#touched.clear();
  }

  #push(level: number, position: number, hash: Buffer): void {
    const index = Math.floor(position / TILE_WIDTH);
    const name = key(level, index);
    const tile = this.#tiles.get(name) ?? new HashTile();
    this.#tiles.set(name, tile);
    tile.push(hash);
    this.#touched.set(name, { level, index });
    if (tile.root !== undefined) this.#push(level + 1, index, tile.root);
  }

  #tile(level: number, index: number): HashTile {
    return this.#tiles.get(key(level, index)) as HashTile;
  }
}

/** The tiles from which these leaves' inclusion in a tree of `size` can be proved, each once. */
export function tilesForProofs(
  leaves: readonly number[],
  size: number,
): (TileRef & { level: number })[] {
  const wanted = leaves.flatMap((index) => tilesForProof(index, size));
  return [...new Map(wanted.map((tile) => [key(tile.level, tile.index), tile])).values()];
}

/** A leaf's own tile at each level, and the edge. */
function tilesForProof(index: number, size: number): (TileRef & { level: number })[] {
  const wanted = edgeTilesOf(size);
  for (let level = 0, at = index, hashes = size; hashes > 0; level++) {
    at = Math.floor(at / TILE_WIDTH);
    // Beyond the full tiles it is the edge tile, which is there already.
    if ((at + 1) * TILE_WIDTH <= hashes) wanted.push({ level, index: at, width: TILE_WIDTH });
    hashes = Math.floor(hashes / TILE_WIDTH);
  }
  return wanted;
}
