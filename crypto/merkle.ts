// The Merkle tree of RFC 6962 §2.1 over SHA-256: hashes, inclusion and consistency proofs, and their verification
// (RFC 9162 §2.1.3.2, §2.1.4.2, which states for the same tree what RFC 6962 leaves to the reader).
// Pure: it reads complete subtrees through `Nodes` and stores nothing. Sizes and indexes are integers up to 2^53,
// so they are halved with arithmetic, never with 32-bit shifts.
import { hash } from "node:crypto";

export const HASH_BYTES = 32;

/** The hashes of complete, aligned subtrees: `node(h, i)` covers leaves i·2^h … (i+1)·2^h − 1. */
export interface Nodes {
  node(height: number, index: number): Buffer;
}

export const EMPTY_ROOT: Buffer = hash("sha256", "", "buffer");

/** RFC 6962 §2.1: the leaf and node prefixes keep one from passing for the other. */
export function leafHash(leaf: string | Uint8Array): Buffer {
  const body = typeof leaf === "string" ? Buffer.from(leaf) : leaf;
  const input = Buffer.allocUnsafe(body.length + 1);
  input[0] = 0;
  input.set(body, 1);
  return hash("sha256", input, "buffer");
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + HASH_BYTES);
  return hash("sha256", input, "buffer");
}

/** One tree of a fixed size; the hashes along its ragged right edge are computed once and kept. */
export class Tree {
  readonly size: number;
  readonly #nodes: Nodes;
  readonly #rightEdge = new Map<number, Buffer>();

  constructor(size: number, nodes: Nodes) {
    this.size = size;
    this.#nodes = nodes;
  }

  root(): Buffer {
    return this.size === 0 ? EMPTY_ROOT : this.#range(0, this.size);
  }

  /** PATH(index, D[size]) of RFC 6962 §2.1.1, from the leaf's sibling up. */
  inclusionProof(index: number): Buffer[] {
    if (!(index >= 0 && index < this.size)) throw new RangeError("no such leaf in this tree");
    const path: Buffer[] = [];
    let [start, end] = [0, this.size];
    while (end - start > 1) {
      const middle = start + splitPoint(end - start);
      if (index < middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(start, middle));
        start = middle;
      }
    }
    return path.toReversed();
  }

  /** PROOF(earlier, D[size]) of RFC 6962 §2.1.2. */
  consistencyProof(earlier: number): Buffer[] {
    if (!(earlier > 0 && earlier <= this.size)) throw new RangeError("no such earlier tree");
    const path: Buffer[] = [];
    let [start, end, whole] = [0, this.size, true];
    while (earlier !== end) {
      const middle = start + splitPoint(end - start);
      if (earlier <= middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(start, middle));
        [start, whole] = [middle, false];
      }
    }
    if (!whole) path.push(this.#range(start, end));
    return path.toReversed();
  }

  /** MTH(D[start:end]) for a range that the recursive splits produce. */
  #range(start: number, end: number): Buffer {
    const length = end - start;
    const height = Math.round(Math.log2(length));
    if (2 ** height === length) return this.#nodes.node(height, start / length);
    const kept = end === this.size ? this.#rightEdge.get(start) : undefined;
    if (kept !== undefined) return kept;
    const middle = start + splitPoint(length);
    const computed = nodeHash(this.#range(start, middle), this.#range(middle, end));
    if (end === this.size) this.#rightEdge.set(start, computed);
    return computed;
  }
}

/** The largest power of two smaller than `n` (n > 1). */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

const isOdd = (n: number) => n % 2 === 1;
const half = (n: number) => Math.floor(n / 2);

/** RFC 9162 §2.1.3.2: the root that the path leads to from this leaf, or nothing if the path has another length. */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Buffer | undefined {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) return undefined;
  let [fn, sn] = [index, size - 1];
  let root: Buffer = Buffer.from(leaf);
  for (const sibling of path) {
    if (sn === 0 || sibling.length !== HASH_BYTES) return undefined;
    if (isOdd(fn) || fn === sn) {
      root = nodeHash(sibling, root);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      root = nodeHash(root, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? root : undefined;
}

export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** RFC 9162 §2.1.4.2: whether the later tree begins with exactly the earlier tree's leaves. */
export function verifyConsistency(
  earlier: TreeHead,
  later: TreeHead,
  proof: readonly Buffer[],
): boolean {
  if (earlier.size > later.size) return false;
  if (earlier.size === later.size) return proof.length === 0 && earlier.root.equals(later.root);
  if (earlier.size === 0) return proof.length === 0 && earlier.root.equals(EMPTY_ROOT);
  const path = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : proof;
  let [fn, sn] = [earlier.size - 1, later.size - 1];
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)];
  const first = path[0];
  if (first === undefined || path.some((each) => each.length !== HASH_BYTES)) return false;
  let [earlierRoot, laterRoot] = [first, first];
  for (const sibling of path.slice(1)) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      earlierRoot = nodeHash(sibling, earlierRoot);
      laterRoot = nodeHash(sibling, laterRoot);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      laterRoot = nodeHash(laterRoot, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && earlierRoot.equals(earlier.root) && laterRoot.equals(later.root);
}

function isPowerOfTwo(n: number): boolean {
  return 2 ** Math.round(Math.log2(n)) === n;
}
