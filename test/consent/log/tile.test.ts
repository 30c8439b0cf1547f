// tlog-tiles: the specification's own examples of paths and of the tiles of a tree, and what is not a path.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeBundle,
  encodeBundle,
  parseTilePath,
  tilePath,
  tilesOf,
} from "../../../consent/log/tile.ts";

describe("paths (c2sp.org/tlog-tiles, Merkle Tree)", () => {
  test("index 1234067 is x001/x234/067", () => {
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe("tile/0/x001/x234/067");
    expect(tilePath({ level: "entries", index: 0, width: 8 })).toBe("tile/entries/000.p/8");
    expect(tilePath({ level: 63, index: 1000, width: 1 })).toBe("tile/63/x001/000.p/1");
  });

  test("a path that is written is read back, and nothing else names that tile", () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant("entries" as const));
    const ref = fc.record({
      level,
      index: fc.integer({ min: 0, max: 999_999_999_999 }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(ref, (each) => {
        expect(parseTilePath(tilePath(each))).toEqual(each);
      }),
    );
  });

  test.each([
    "",
    "checkpoint",
    "tile/0/000/",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/data/000",
    "tile/0/000.p/0",
    "tile/0/000.p/00",
    "tile/0/000.p/256",
    "tile/0/000.p/999",
    "tile/0/000.p/1/..",
    "tile/0/../../etc/passwd",
    "tile/entries/..%2f000",
    "tile/0/000\n",
    "/tile/0/000",
    "tile//0/000",
    "tile/0/000?x",
    "tile/0/٠٠٠",
  ])("%j is not one", (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });
});

describe("the tiles of a tree (c2sp.org/tlog-tiles, Partial Tiles)", () => {
  test("70,000 leaves: 273 full and one of 112; one full and one of 17; one of 1", () => {
    const tiles = [...tilesOf(70_000)];
    const widths = (level: number) => tiles.filter((t) => t.level === level).map((t) => t.width);
    expect(widths(0)).toEqual([...Array.from({ length: 273 }, () => 256), 112]);
    expect(widths(1)).toEqual([256, 17]);
    expect(widths(2)).toEqual([1]);
    expect(widths(3)).toEqual([]);
  });

  test("256 leaves: one full tile, and one of 1 above it; none for an empty tree", () => {
    expect([...tilesOf(256)]).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
    expect([...tilesOf(0)]).toEqual([]);
  });
});

test("an entry bundle is read back, and one that is cut short is refused", () => {
  const entries = fc.array(fc.string({ unit: "binary", maxLength: 40 }), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(entries, fc.nat(), (texts, cut) => {
      const bundle = encodeBundle(texts);
      expect(decodeBundle(bundle).map(String)).toEqual(
        texts.map((text) => Buffer.from(text).toString()),
      );
      const at = cut % bundle.length;
      let whole: Buffer[] | undefined;
      try {
        whole = decodeBundle(bundle.subarray(0, at));
      } catch {
        return;
      }
      expect(whole.length).toBeLessThan(texts.length);
    }),
  );
});
