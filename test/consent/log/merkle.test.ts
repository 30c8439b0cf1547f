// The Merkle tree: vectors from two independent implementations, and properties over the tiled tree.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  rootFromInclusion,
  Tree,
  verifyConsistency,
} from "../../../crypto/merkle.ts";
import { TileTree } from "../../../consent/log/tile-tree.ts";

// The well-known RFC 6962 tree of google/certificate-transparency; roots and paths as in transparency-dev/merkle,
// testonly/constants.go and proof/verify_test.go (leaf numbers there start from 1).
const LEAVES = "|00|10|2021|3031|40414243|5051525354555657|606162636465666768696a6b6c6d6e6f"
  .split("|")
  .map((hex) => Buffer.from(hex, "hex"));
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const N96 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N5F = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N6B = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const NBC = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const NCA = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N0E = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NB0 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const ND3 = ROOTS[4] as string;

function grow(leaves: readonly Uint8Array[]): TileTree {
  const tree = new TileTree(0, []);
  for (const leaf of leaves) tree.append(leafHash(leaf));
  return tree;
}

const hex = (path: readonly Buffer[]) => path.map((each) => each.toString("hex"));

describe("RFC 6962 vectors", () => {
  test("root hashes of the trees of 0 to 8 leaves", () => {
    for (const [size, root] of ROOTS.entries()) {
      expect(grow(LEAVES.slice(0, size)).tree().root().toString("hex")).toBe(root);
    }
  });

  test.each([
    [0, 1, []],
    [0, 8, [N96, N5F, N6B]],
    [5, 8, [NBC, NCA, ND3]],
    [2, 3, [ROOTS[2]]],
    [1, 5, [ROOTS[1], N5F, NBC]],
  ])("inclusion of leaf %i in %i", (index, size, path) => {
    const proof = grow(LEAVES.slice(0, size)).tree().inclusionProof(index);
    expect(hex(proof)).toEqual(path);
    const root = rootFromInclusion(leafHash(LEAVES[index] as Buffer), index, size, proof);
    expect(root?.toString("hex")).toBe(ROOTS[size]);
  });

  test.each([
    [1, 1, []],
    [1, 8, [N96, N5F, N6B]],
    [6, 8, [N0E, NCA, ND3]],
    [2, 5, [N5F, NBC]],
    [6, 7, [N0E, NB0, ND3]],
  ])("consistency of %i with %i", (earlier, later, path) => {
    const proof = grow(LEAVES.slice(0, later)).tree().consistencyProof(earlier);
    expect(hex(proof)).toEqual(path);
    const head = (size: number) => ({ size, root: Buffer.from(ROOTS[size] as string, "hex") });
    expect(verifyConsistency(head(earlier), head(later), proof)).toBe(true);
  });
});

// MTH, written as RFC 6962 §2.1 defines it.
function definition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leafHash(leaves[0] as Buffer);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(definition(leaves.slice(0, k)), definition(leaves.slice(k)));
}

const MAX = 70_000;
const forest = grow(Array.from({ length: MAX }, (_, i) => Buffer.from(String(i))));
const leafOf = (index: number) => leafHash(Buffer.from(String(index)));
/** Sizes around the tile borders are as likely as all others together. */
const size = fc.oneof(
  fc.integer({ min: 1, max: MAX }),
  fc.constantFrom(1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537),
);

describe("properties", () => {
  test("the tiled root is the root of the definition", () => {
    const sizes = fc.integer({ min: 0, max: 600 });
    fc.assert(
      fc.property(sizes, (n) => {
        const leaves = Array.from({ length: n }, (_, i) => Buffer.from(String(i)));
        return new Tree(n, forest).root().equals(definition(leaves));
      }),
      { numRuns: 30 },
    );
  });

  test("an inclusion proof proves its leaf, its index and its size, and nothing else", () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (n, pick, spoil) => {
        const index = pick % n;
        const tree = new Tree(n, forest);
        const proof = tree.inclusionProof(index);
        const reaches = (leaf: number, at: number, of: number, path: Buffer[]) =>
          rootFromInclusion(leafOf(leaf), at, of, path)?.equals(tree.root()) === true;
        expect(reaches(index, index, n, proof)).toBe(true);
        expect(reaches(index + 1, index, n, proof)).toBe(false);
        expect(reaches(index, index, n, [...proof, leafOf(0)])).toBe(false);
        expect(reaches(index, n, n, proof)).toBe(false);
        if (n === 1) return;
        expect(reaches(index, (index + 1) % n, n, proof)).toBe(false);
        expect(reaches(index, index, n, proof.slice(1))).toBe(false);
        const spoilt = proof.map((each) => Buffer.from(each));
        const victim = spoilt[spoil % spoilt.length] as Buffer;
        victim[spoil % 32] = (victim[spoil % 32] as number) ^ 1;
        expect(reaches(index, index, n, spoilt)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("a consistency proof proves two sizes, and nothing else", () => {
    fc.assert(
      fc.property(size, size, fc.nat(), (a, b, spoil) => {
        const [m, n] = a <= b ? [a, b] : [b, a];
        const head = (of: number) => ({ size: of, root: new Tree(of, forest).root() });
        const proof = new Tree(n, forest).consistencyProof(m);
        expect(verifyConsistency(head(m), head(n), proof)).toBe(true);
        expect(verifyConsistency(head(m), head(n), [...proof, leafOf(0)])).toBe(false);
        const other = { size: m, root: leafOf(MAX + 1) };
        expect(verifyConsistency(other, head(n), proof)).toBe(false);
        if (m === n) return;
        expect(verifyConsistency(head(n), head(m), proof)).toBe(false);
        expect(verifyConsistency(head(m), head(n), proof.slice(1))).toBe(false);
        const spoilt = proof.map((each) => Buffer.from(each));
        const victim = spoilt[spoil % spoilt.length] as Buffer;
        victim[spoil % 32] = (victim[spoil % 32] as number) ^ 1;
        expect(verifyConsistency(head(m), head(n), spoilt)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
