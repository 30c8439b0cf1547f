// The tiled form of the log (c2sp.org/tlog-tiles): paths, hash tiles, entry bundles. A full tile is 256 hashes; a
// partial one of width W holds the first W. Only paths of this exact grammar exist: what does not match is not served,
// so no path can reach outside. Pure; no storage.
import { WjfError } from "../../core/errors.ts";
import { HASH_BYTES, nodeHash } from "../../crypto/merkle.ts";

export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** An entry's length is a uint16. */
export const ENTRY_BYTES_MAX = 0xffff;

export interface TileRef {
  /** 0…63, or the entries that level 0 hashes. */
  readonly level: number | "entries";
  readonly index: number;
  /** 1…256; 256 is a full tile. */
  readonly width: number;
}

const PATH =
  /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The path under the log's prefix: `tile/0/x001/x234/067.p/8`. */
export function tilePath({ level, index, width }: TileRef): string {
  const partial = width === TILE_WIDTH ? "" : `.p/${width}`;
  return `tile/${level}/${tileNumber(index)}${partial}`;
}

function tileNumber(index: number): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.{3}/g) ?? [];
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
}

/** The tile that a path names, or nothing unless the path is exactly as the specification writes it. */
export function parseTilePath(path: string): TileRef | undefined {
  const match = PATH.exec(path);
  if (match === null) return undefined;
  const ref: TileRef = {
    level: match[1] === "entries" ? "entries" : Number(match[1]),
    index: Number((match[2] as string).replace(/[x/]/g, "")),
    width: match[3] === undefined ? TILE_WIDTH : Number(match[3]),
  };
  // Writing it again refuses a width of 256 or more and superfluous leading groups.
  return ref.width <= TILE_WIDTH && tilePath(ref) === path ? ref : undefined;
}

/** Every tile of a tree of `size` leaves, level by level from the leaves up. */
export function* tilesOf(size: number): Generator<TileRef & { level: number }> {
  for (
    let level = 0, hashes = size;
    hashes > 0;
    level++, hashes = Math.floor(hashes / TILE_WIDTH)
  ) {
    const full = Math.floor(hashes / TILE_WIDTH);
    for (let index = 0; index < full; index++) yield { level, index, width: TILE_WIDTH };
    const rest = hashes % TILE_WIDTH;
    if (rest > 0) yield { level, index: full, width: rest };
  }
}

/** The rightmost, not yet full tile of each level: what the next append continues. */
export function edgeTilesOf(size: number): (TileRef & { level: number })[] {
  const edge: (TileRef & { level: number })[] = [];
  for (
    let level = 0, hashes = size;
    hashes > 0;
    level++, hashes = Math.floor(hashes / TILE_WIDTH)
  ) {
    const width = hashes % TILE_WIDTH;
    if (width > 0) edge.push({ level, index: Math.floor(hashes / TILE_WIDTH), width });
  }
  return edge;
}

/** A tile in memory with the subtree hashes above its own: rows[r] are the nodes r levels up. */
export class HashTile {
  readonly #rows: Buffer[][] = Array.from({ length: TILE_HEIGHT + 1 }, () => []);

  static of(bytes: Uint8Array): HashTile {
    const tile = new HashTile();
    for (let at = 0; at < bytes.length; at += HASH_BYTES) {
      tile.push(Buffer.from(bytes.subarray(at, at + HASH_BYTES)));
    }
    return tile;
  }

  get width(): number {
    return this.#row(0).length;
  }

  push(hash: Buffer): void {
    let row = this.#row(0);
    row.push(hash);
    for (let up = 1; up <= TILE_HEIGHT && row.length % 2 === 0; up++) {
      const parent = nodeHash(row.at(-2) as Buffer, row.at(-1) as Buffer);
      row = this.#row(up);
      row.push(parent);
    }
  }

  node(up: number, index: number): Buffer | undefined {
    return this.#row(up)[index];
  }

  /** The hash of a full tile, which is one hash of the tile above. */
  get root(): Buffer | undefined {
    return this.node(TILE_HEIGHT, 0);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#row(0));
  }

  #row(up: number): Buffer[] {
    return this.#rows[up] as Buffer[];
  }
}

/** Big-endian uint16 length, then the entry, for each. */
export function encodeBundle(entries: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const bytes = Buffer.from(entry as string);
    const length = Buffer.allocUnsafe(2);
    length.writeUInt16BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/** @throws WjfError `log-invalid` when the lengths do not add up. */
export function decodeBundle(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length;) {
    const end =
      at + 2 <= bundle.length ? at + 2 + bundle.readUInt16BE(at) : Number.POSITIVE_INFINITY;
    if (end > bundle.length) throw new WjfError("log-invalid", "entry bundle: cut short");
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
